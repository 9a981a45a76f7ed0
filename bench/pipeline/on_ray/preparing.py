"""What is refused with ``--engine ray`` before anything is called, and how a run is made one of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec

from bench.pipeline.selection import OpenBenchmark
from bench.pipeline.session import RunSession
from vocabulary import ConfigurationError

_NOT_WITH_IT = {
    "shard": "a cluster divides the run by itself",
    "cache": "it is a folder of one machine",
    "answers": "recorded answers are in a folder of this machine",
    "retry_from": "the run must be worked on by nobody else",
    "judge_batch": "each block would send batches of its own; stop with --until answer, and judge with --engine local",
}


def check_engine(session: RunSession, workers: str | None = None) -> None:
    """Refuse what ``--engine ray`` cannot do, without a call; `workers` is the option that asks for workers here.

    Raises `ConfigurationError`.
    """
    config = session.config
    if config.engine != "ray":
        return
    if find_spec("ray") is None:
        raise ConfigurationError("--engine ray needs Ray: pip install 'memorybench[ray]', or -e '.[ray]' here.")
    if not config.shares_run:
        raise ConfigurationError(
            "--engine ray needs a record that all nodes reach: --checkpoint-url postgresql+psycopg://HOST/NAME."
        )
    given = {f"--{name.replace('_', '-')}": why for name, why in _NOT_WITH_IT.items() if getattr(config, name)}
    if workers:
        given[workers] = "the cluster has the processes"
    if session.second_look_at:
        given["a second look (--lf)"] = "the run must be worked on by nobody else"
    if given:
        option, why = next(iter(given.items()))
        raise ConfigurationError(f"--engine ray cannot be used with {option}: {why}. Leave one of them out.")
    from bench.pipeline.on_ray.shipping import check_participants

    check_participants(session.participants)


def preflight(session: RunSession, benchmarks: Sequence[OpenBenchmark]) -> None:
    """Check the machine and the services that the run is going to call, and connect to the cluster of the run.

    Raises `ConfigurationError`.
    """
    if session.config.engine == "ray":
        from bench.pipeline.on_ray.cluster import connect
        from bench.pipeline.on_ray.driver import RayRunner

        connect(session.config.ray_address)
        session.shared = partial(RayRunner, session)
    session.preflight(benchmarks)
