"""A run that several places work on: what this one claims, in which order, and how it follows what others do."""

from bench.pipeline.places.shared_runner import SharedRunner

__all__ = ["SharedRunner"]
