"""How often a gate against a baseline is missed, on simulated re-runs of LoCoMo.

    python -m tests.perf.gates               # 1,000 pairs of runs a row, some minutes
    python -m tests.perf.gates --runs 100
    python -m tests.perf.gates --runs 400 --equal   # recall and times

docs/metrics.md has the table. The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.differences import Difference, Pair, compare_figure
from reports.report.gates.against import misses
from tests.perf.coverage import SEED, SIZES

ACCURACY = 0.6
MARGIN = 0.02


class Row(NamedTuple):
    """Pairs of runs: `changing` is the share of verdicts that change from run to run though nothing has changed.

    `drop` is by how much the second run is worse; `spread` the standard deviation of what it is worse by between
    conversations; `repeats` how many runs there are on either side.
    """

    name: str
    changing: float
    drop: float = 0.0
    spread: float = 0.0
    repeats: int = 1


class Missed(NamedTuple):
    """Shares of simulated pairs."""

    no_worse: float
    max_drop: float
    not_inferior: float
    """What a rule would miss that asks for proof that the drop is below the margin."""
    better: float
    """Called better."""
    covered: float
    """The interval holds the true drop."""
    detectable: float
    """The mean of what the gate says it could show."""


ROWS = (
    Row("equal, 2 % of verdicts change", 0.02),
    Row("equal, 10 % change", 0.10),
    Row("equal, 25 % change", 0.25),
    Row("equal, 10 % change, conversations vary by sd 0.02", 0.10, spread=0.02),
    Row("equal, 10 % change, 3 runs on either side", 0.10, repeats=3),
    Row("1 point worse, 10 % change", 0.10, 0.01),
    Row("2 points worse, 10 % change", 0.10, 0.02),
    Row("3 points worse, 10 % change", 0.10, 0.03),
    Row("5 points worse, 10 % change", 0.10, 0.05),
    Row("5 points worse, 25 % change", 0.25, 0.05),
    Row("5 points worse, 10 % change, conversations vary by sd 0.02", 0.10, 0.05, 0.02),
    Row("10 points worse, 25 % change", 0.25, 0.10),
)


def pairs_of(row: Row, random: np.random.Generator, sizes: tuple[int, ...] = SIZES) -> list[Pair]:
    """One simulated baseline and re-run.

    Each question has a probability of being answered right, beta-distributed so that two runs disagree on the share
    `changing`; the re-run's are lower in proportion, or in a conversation that has become better closer to 1.
    """
    n = sum(sizes)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    share = row.changing / (2 * ACCURACY * (1 - ACCURACY))
    both = share / (1 - share)
    right = random.beta(ACCURACY * both, (1 - ACCURACY) * both, n)
    worse = row.drop + random.normal(0, row.spread, len(sizes)) if row.spread else np.full(len(sizes), row.drop)
    then = _runs(right, row.repeats, random)
    loss = worse[clusters]
    lower, higher = right * (1 - loss / ACCURACY), 1 - (1 - right) * (1 + loss / (1 - ACCURACY))
    now = _runs(np.where(loss > 0, lower, higher), row.repeats, random)
    return [
        Pair(str(cluster), tuple(before), tuple(after))
        for cluster, before, after in zip(clusters.tolist(), then, now, strict=True)
    ]


def _runs(right: NDArray[np.float64], repeats: int, random: np.random.Generator) -> list[list[float]]:
    columns: list[list[float]] = (random.random((len(right), repeats)) < right[:, None]).astype(float).tolist()
    return columns


def simulate(row: Row, runs: int, sizes: tuple[int, ...] = SIZES) -> Missed:
    """What the gates say of so many pairs of runs."""
    random = np.random.default_rng(SEED)
    found: list[tuple[bool, bool, bool, bool, bool, float]] = []
    for _ in range(runs):
        difference = compare_figure("accuracy", pairs_of(row, random, sizes), resample=False)
        assert isinstance(difference, Difference)
        assert difference.ci95 is not None
        low, high = difference.ci95
        found.append(
            (
                misses(difference, 0.0, lower_is_better=False), misses(difference, MARGIN, lower_is_better=False),
                low <= -MARGIN, difference.verdict == "better", low <= -row.drop <= high, difference.detectable or 1.0,
            )
        )  # fmt: skip
    return Missed(*(fmean(column) for column in zip(*found, strict=True)))


def table(runs: int) -> Iterator[str]:
    """The table in docs/metrics.md."""
    titles = ("missed: no-worse", "max-drop 2 points", "proof of less than 2", "called better", "covered", "could show")
    yield f"| re-run of LoCoMo | {' | '.join(titles)} |"
    yield "|---|" + "--:|" * len(titles)
    for row in ROWS:
        cells = (f"{value:.3f}".removeprefix("0") for value in simulate(row, runs))
        yield f"| {row.name} | {' | '.join(cells)} |"


class Equal(NamedTuple):
    """Pairs of equal runs: a figure, and the standard deviation of what both do in a conversation."""

    name: str
    figure: str
    spread: float = 0.0


EQUAL = (
    Equal("recall@10, 10 % of the questions change", "recall@10"),
    Equal("recall@10, conversations vary by sd 0.05", "recall@10", 0.05),
    Equal("p50.search_ms", "p50.search_ms"),
    Equal("p50.search_ms, conversations vary by 10 %", "p50.search_ms", 0.1),
    Equal("p95.search_ms", "p95.search_ms"),
    Equal("p95.search_ms, conversations vary by 10 %", "p95.search_ms", 0.1),
)


def equal_pairs(row: Equal, random: np.random.Generator) -> list[Pair]:
    """One simulated pair: shares of evidence that are drawn again for some questions, or times with noise."""
    n, clusters = sum(SIZES), np.repeat(np.arange(len(SIZES)), SIZES)
    usual = random.choice([0.0, 0.5, 1.0], n, p=[0.3, 0.1, 0.6]) if "@" in row.figure else random.gamma(3, 2, n)

    def run() -> NDArray[np.float64]:
        vary = random.normal(0, row.spread, len(SIZES))[clusters]
        if "@" not in row.figure:
            return usual * np.exp(vary + random.normal(0, 0.3, n))
        again = random.random(n) < 0.1 + vary
        return np.where(again, random.choice([0.0, 0.5, 1.0], n, p=[0.3, 0.1, 0.6]), usual)

    both = zip(clusters.tolist(), run().tolist(), run().tolist(), strict=True)
    return [Pair(str(cluster), (before,), (after,)) for cluster, before, after in both]


def equal_table(runs: int) -> Iterator[str]:
    """How often equal runs are called different by other figures than accuracy."""
    yield "| equal runs over LoCoMo's sizes | called worse | called better |"
    yield "|---|--:|--:|"
    for row in EQUAL:
        random = np.random.default_rng(SEED)
        found = [compare_figure(row.figure, equal_pairs(row, random), resample=False) for _ in range(runs)]
        verdicts = [one.verdict for one in found if one is not None]
        shares = (f"{verdicts.count(name) / runs:.3f}".removeprefix("0") for name in ("worse", "better"))
        yield f"| {row.name} | {' | '.join(shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="simulated pairs of runs a row (default: 1000)")
    parser.add_argument("--equal", action="store_true", help="the table of other figures")
    chosen = parser.parse_args()
    for line in (equal_table if chosen.equal else table)(chosen.runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
