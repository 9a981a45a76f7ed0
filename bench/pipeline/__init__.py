"""The life of a question: ingest, index, search, answer, judge. Asynchronous, and knows nothing of pytest."""

from bench.pipeline.background import BackgroundLoop
from bench.pipeline.budget import Budget, check_budget, meter_of
from bench.pipeline.on_ray import check_engine, preflight
from bench.pipeline.panel import judges_line
from bench.pipeline.participants import (
    Participants,
    answer_settings,
    find_benchmarks,
    known_benchmarks,
    shutdown_remarks,
)
from bench.pipeline.provider_client import ProviderClient, checked
from bench.pipeline.provider_options import provider_settings, what_is_wrong
from bench.pipeline.run_part import Job
from bench.pipeline.runner import INGEST_AHEAD, LOOK_AHEAD, Runner
from bench.pipeline.selection import OpenBenchmark, own_first
from bench.pipeline.session import RunSession

__all__ = [
    "INGEST_AHEAD",
    "LOOK_AHEAD",
    "BackgroundLoop",
    "Budget",
    "Job",
    "OpenBenchmark",
    "Participants",
    "ProviderClient",
    "RunSession",
    "Runner",
    "answer_settings",
    "check_budget",
    "check_engine",
    "checked",
    "find_benchmarks",
    "judges_line",
    "known_benchmarks",
    "meter_of",
    "own_first",
    "preflight",
    "provider_settings",
    "shutdown_remarks",
    "what_is_wrong",
]
