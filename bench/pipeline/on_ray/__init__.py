"""``--engine ray``: the questions of a run are asked by the processes of a Ray cluster, in blocks.

Ray is imported when a run is about to connect to a cluster, and by nothing else.
"""

from bench.pipeline.on_ray.preparing import check_engine, preflight

__all__ = ["check_engine", "preflight"]
