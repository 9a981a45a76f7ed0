"""The way of a question whose answer is recorded: judge it, and nothing else."""

from bench.pipeline.imported.judging import JudgingPipeline
from bench.pipeline.imported.options import only_judging

__all__ = ["JudgingPipeline", "only_judging"]
