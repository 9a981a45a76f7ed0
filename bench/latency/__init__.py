"""Latency on its own: one search at a time, with nothing else going on."""
