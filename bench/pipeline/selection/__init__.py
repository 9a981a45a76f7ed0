"""Which questions of a benchmark a run asks: the same ones on every machine."""

from bench.pipeline.selection.choosing import OpenBenchmark, Selection, check_types, describe_selection, select

__all__ = ["OpenBenchmark", "Selection", "check_types", "describe_selection", "select"]
