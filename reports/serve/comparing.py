"""A comparison of runs that were ticked in the list."""

from __future__ import annotations

from collections.abc import Sequence

from reports.compare import compare_runs, comparison_page, sides_of
from reports.differences import Baseline
from reports.report import find_baseline
from reports.serve.runs import Runs


def compare(runs: Runs, chosen: Sequence[str], providers: Sequence[str], *, anyway: bool) -> str:
    """The page of a comparison of `chosen` runs with the one of them that was begun first.

    ``RUN/PROVIDER`` is one provider of a run.
    Raises `ConfigurationError` for runs that are not there and those that cannot be compared.
    """
    found = {text: _found(runs, text) for text in chosen}
    begun = [row.id for row in sorted(runs.rows(), key=lambda row: row.started.timestamp() if row.started else 0.0)]
    ordered = sorted(chosen, key=lambda text: begun.index(text.partition("/")[0]))
    return comparison_page(compare_runs(sides_of(ordered, providers, found.__getitem__), anyway=anyway))


def _found(runs: Runs, text: str) -> Baseline:
    run_id, slash, provider = text.partition("/")
    run = find_baseline(str(runs.folder(run_id)), runs.root)
    return run.only(provider) if slash else run
