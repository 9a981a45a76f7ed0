"""Wires the rooms into pytest."""

pytest_plugins = ["reports.outcomes", "bench.plugin"]
