"""``python -m reports merge``: the shards of a run, asked in places without a common database, as one run."""

from reports.merge.merging import merge_shards

__all__ = ["merge_shards"]
