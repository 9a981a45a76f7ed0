"""Which questions of a benchmark a run asks: the same ones on every machine."""

from bench.pipeline.selection.choosing import OpenBenchmark, Selection, check_types, describe_selection, select
from bench.pipeline.selection.sharding import Shard, check_shard, divide, shard_of

__all__ = [
    "OpenBenchmark",
    "Selection",
    "Shard",
    "check_shard",
    "check_types",
    "describe_selection",
    "divide",
    "select",
    "shard_of",
]
