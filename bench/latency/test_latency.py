"""How long one search takes when nothing else is going on. `docs/latency.md` explains it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any  # the plugin: it stands on this package

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.benchmarks import Synthetic
from bench.latency.prepared import Prepared, percentiles_ms
from bench.pipeline import RunSession
from vocabulary import InfrastructureError


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of each provider."""
    names = tuple(dict.fromkeys(_session(metafunc.config).config.provider))
    metafunc.parametrize("prepared", names, indirect=True, ids=names, scope="session")


@pytest.fixture(scope="session")
def prepared(request: pytest.FixtureRequest) -> Iterator[Prepared]:
    """A provider that has ingested and indexed the synthetic haystack."""
    if hasattr(request.config, "workerinput"):
        pytest.skip("pytest-benchmark measures nothing under xdist: leave out -n")
    made = _prepare(_session(request.config), request.param)
    if isinstance(made, InfrastructureError):
        pytest.fail(f"{request.param}: {made}", pytrace=False)
    yield made
    made.close()


@pytest.mark.only_by_name("latency")
def test_latency(prepared: Prepared, benchmark: BenchmarkFixture) -> None:
    """Search, one question at a time."""
    benchmark.group = prepared.group
    benchmark.extra_info.update(prepared.extra_info())
    failed: InfrastructureError | None = None
    try:
        benchmark.pedantic(  # type: ignore[no-untyped-call]  # pytest-benchmark has types for little
            prepared.search,
            setup=prepared.questions(),
            warmup_rounds=prepared.warm_up,
            rounds=max(prepared.timed, benchmark._min_rounds),  # noqa: SLF001  --benchmark-min-rounds, as it was read
        )
    except InfrastructureError as error:
        failed = error
    if failed:
        pytest.fail(f"{prepared.name}: a search failed, and what was measured is not worth keeping: {failed}", False)
    assert prepared.found or not prepared.provider.capabilities.finds, "it found nothing at all: what was measured?"
    if benchmark.stats is not None:
        benchmark.extra_info.update(percentiles_ms(benchmark.stats.stats.data))


def _prepare(session: RunSession, name: str) -> Prepared | InfrastructureError:
    """The provider with its haystack, or why there is none."""
    try:
        return Prepared(session.participants, name, Synthetic(session.config.benchmark_options), session.config.top_k)
    except InfrastructureError as error:
        return error


def _session(config: pytest.Config) -> RunSession:
    plugin: Any = config.pluginmanager.get_plugin("memorybench")
    session: RunSession = plugin.session
    return session
