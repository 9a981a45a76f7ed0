"""LoCoMo: its loader, and how its files refer to messages."""

from bench.benchmarks.locomo.benchmark import LoCoMo, parse_session_date

__all__ = ["LoCoMo", "parse_session_date"]
