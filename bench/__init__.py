"""What is asked: benchmarks, each a loader and a test, and the pipeline that a question goes through."""

from typing import TYPE_CHECKING

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.config import ENVIRONMENT_PREFIX, BenchmarkConfig, build_benchmark_config, option_name

if TYPE_CHECKING:
    from bench.run import BenchmarkResult, Follower, QuestionOutcome, RunProgress, run_benchmark


def __getattr__(name: str) -> object:
    """Import the pipeline when a run is made: a listing or a mistyped option does not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import bench.run

    return getattr(bench.run, name)


__all__ = [
    "ENVIRONMENT_PREFIX",
    "Benchmark",
    "BenchmarkConfig",
    "BenchmarkInfo",
    "BenchmarkOptions",
    "BenchmarkResult",
    "Follower",
    "QuestionOutcome",
    "RunProgress",
    "build_benchmark_config",
    "option_name",
    "run_benchmark",
]
