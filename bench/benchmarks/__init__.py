"""The benchmarks: a loader and a test module each."""

from bench.benchmarks.synthetic import Synthetic

__all__ = [
    "Synthetic",
]
