"""LoCoMo: its loader, how its files write dates and refer to messages, and the key that an audit corrects."""

from bench.benchmarks.locomo.benchmark import LoCoMo
from bench.benchmarks.locomo.session_dates import parse_session_date

__all__ = ["LoCoMo", "parse_session_date"]
