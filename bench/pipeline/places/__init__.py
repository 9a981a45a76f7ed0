"""A run that several places work on: what this one claims, in which order, and how it follows what others do."""

from bench.pipeline.places.following import Following
from bench.pipeline.places.plan import OVER, Plan, Stretch
from bench.pipeline.places.shared_runner import SharedRunner

__all__ = ["OVER", "Following", "Plan", "SharedRunner", "Stretch"]
