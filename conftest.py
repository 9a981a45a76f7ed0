"""Wires the rooms into pytest."""

pytest_plugins = ["bench.plugin.outcomes", "bench.plugin.hooks"]
