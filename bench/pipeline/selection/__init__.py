"""Which questions of a benchmark a run asks: the same ones on every machine."""

from bench.pipeline.selection.choosing import OpenBenchmark, Selection, check_types, describe_selection, select
from bench.pipeline.selection.sharding import Shard, check_shard, choose_run_id, divide, own_first, shard_of

__all__ = [
    "OpenBenchmark",
    "Selection",
    "Shard",
    "check_shard",
    "check_types",
    "choose_run_id",
    "describe_selection",
    "divide",
    "own_first",
    "select",
    "shard_of",
]
