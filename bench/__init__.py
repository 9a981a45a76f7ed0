"""What is asked: benchmarks, each a loader and a test, and the pipeline that a question goes through."""

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.config import BenchmarkConfig, build_benchmark_config
from bench.run import BenchmarkResult, RunProgress, run_benchmark

__all__ = [
    "Benchmark",
    "BenchmarkConfig",
    "BenchmarkInfo",
    "BenchmarkOptions",
    "BenchmarkResult",
    "RunProgress",
    "build_benchmark_config",
    "run_benchmark",
]
