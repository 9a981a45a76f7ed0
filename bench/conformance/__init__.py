"""The conformance kit: what an adapter must do, checked against the live system."""

from bench.conformance.explaining import Explained
from bench.conformance.kit import Verdicts

__all__ = [
    "Explained",
    "Verdicts",
]
