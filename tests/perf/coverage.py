"""How often the report's intervals contain the truth, on simulated haystacks whose difficulty varies; as Markdown.

    python -m tests.perf.coverage                  # 1,000 runs a cell, some minutes
    python -m tests.perf.coverage --runs 200

docs/metrics.md has the tables. The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.metrics.figures import Accuracy, Comparison
from reports.metrics.statistics import compare, design_effect, interval, student_quantile, wilson

SIZES = (199, 105, 193, 260, 242, 158, 190, 239, 196, 204)
"""Questions of LoCoMo's conversations, repeated where there are more clusters, the first where there are fewer."""
SEED = 20261130

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


class Difficulty(NamedTuple):
    """How the accuracy of haystacks is distributed."""

    name: str
    mean: float
    draw: Draw


class Pairs(NamedTuple):
    """Two providers: which share of the questions they disagree on, and how often the first is then right."""

    name: str
    discordant: float
    first: Difficulty


class Cell(NamedTuple):
    """What came of the runs of one cell: shares of runs, and the mean width."""

    covered: float
    width: float
    beside: float
    """Accuracy: coverage of the clustered Wilson interval alone. Comparison: share of runs called different."""


def beta(mean: float, deviation: float) -> Difficulty:
    """Beta-distributed accuracies; without a deviation all haystacks are equally hard."""
    name = f"{mean:g}, sd {deviation:g}"
    if deviation == 0:
        return Difficulty(name, mean, lambda _, n: np.full(n, mean))
    both = mean * (1 - mean) / deviation**2 - 1
    return Difficulty(name, mean, lambda random, n: random.beta(mean * both, (1 - mean) * both, n))


def logit_normal(middle: float, deviation: float) -> Difficulty:
    """Accuracies whose log-odds are normal: not what the beta-binomial model assumes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    mean = float(weights @ (1 / (1 + np.exp(-middle - deviation * nodes))) / math.sqrt(2 * math.pi))
    return Difficulty(
        f"{mean:.3f}, logit-normal",
        mean,
        lambda random, n: 1 / (1 + np.exp(-random.normal(middle, deviation, n))),
    )


def two_kinds(usual: float, odd: float, share: float) -> Difficulty:
    """Most haystacks alike, and a share of them much harder."""
    mean = usual * (1 - share) + odd * share
    return Difficulty(
        f"{mean:.3g}: {share:.0%} of haystacks at {odd:g}",
        mean,
        lambda random, n: np.where(random.random(n) < share, odd, usual),
    )


ACCURACIES = (
    *(beta(mean, 0) for mean in (0.6, 0.95)),
    *(beta(mean, 0.05) for mean in (0.05, 0.325, 0.6, 0.95, 0.97)),
    *(beta(mean, 0.11) for mean in (0.6, 0.9, 0.95, 0.97)),
    *(beta(mean, 0.2) for mean in (0.8, 0.9)),
    beta(0.99, 0.03),
    logit_normal(3.5, 1.0),
    two_kinds(0.9, 0.5, 0.3),
    two_kinds(0.99, 0.6, 0.1),
)
PAIRS = (
    Pairs("equal, 25 % discordant", 0.25, beta(0.5, 0)),
    Pairs("equal, haystacks differ (sd 0.11)", 0.25, beta(0.5, 0.11)),
    Pairs("equal, 3 % discordant, sd 0.15", 0.03, beta(0.5, 0.15)),
    Pairs("first better, 60 : 40", 0.25, beta(0.6, 0)),
    Pairs("first better, 70 : 30, sd 0.2", 0.3, beta(0.7, 0.2)),
    Pairs("first better, 90 : 10, sd 0.12", 0.2, beta(0.9, 0.12)),
    Pairs("first always right, 10 % discordant", 0.1, beta(1, 0)),
)


def accuracy_cell(difficulty: Difficulty, clusters: int, runs: int) -> Cell:
    """Runs with so many haystacks of LoCoMo's sizes."""
    random, sizes = np.random.default_rng(SEED), _sizes(clusters)
    covered = width = alone = 0.0
    for _ in range(runs):
        right = random.binomial(sizes, difficulty.draw(random, clusters)).tolist()
        counts = list(zip(right, sizes, strict=True))
        found = interval(counts)
        assert isinstance(found, Accuracy)
        covered += _contains(found.ci95, difficulty.mean)
        width += found.ci95[1] - found.ci95[0]
        ratio = student_quantile(clusters - 1) ** 2 * max(1.0, design_effect(counts) or 1.0) / sum(sizes)
        alone += _contains(wilson(found.value, ratio), difficulty.mean)
    return Cell(covered / runs, width / runs, alone / runs)


def pairs_cell(pairs: Pairs, clusters: int, runs: int) -> Cell:
    """Runs of two providers over so many haystacks of LoCoMo's sizes."""
    random, sizes = np.random.default_rng(SEED), _sizes(clusters)
    truth = pairs.discordant * (2 * pairs.first.mean - 1)
    covered = width = called = 0.0
    for _ in range(runs):
        discordant = random.binomial(sizes, pairs.discordant)
        first = random.binomial(discordant, pairs.first.draw(random, clusters))
        outcomes = _outcomes(first.tolist(), (discordant - first).tolist(), sizes)
        found = compare(outcomes, benchmark="simulated", first="a", second="b")
        assert isinstance(found, Comparison)
        covered += _contains(found.ci95, truth)
        width += found.ci95[1] - found.ci95[0]
        called += found.different
    return Cell(covered / runs, width / runs, called / runs)


def accuracy_table(runs: int, clusters: Sequence[int] = (2, 3, 5, 10, 30, 100)) -> Iterator[str]:
    """Coverage for each number of clusters; at ten also the width, and what clustered Wilson alone covers."""
    yield from _head("true accuracy of haystacks", clusters, "width, 10", "clustered Wilson alone, 10")
    for difficulty in ACCURACIES:
        cells = {n: accuracy_cell(difficulty, n, runs) for n in clusters}
        yield _row(difficulty.name, [cell.covered for cell in cells.values()], cells[10].width, cells[10].beside)


def pairs_table(runs: int, clusters: Sequence[int] = (2, 3, 4, 5, 6, 10)) -> Iterator[str]:
    """Coverage for each number of clusters; at ten also the width, and how often a difference is called."""
    yield from _head("two providers", clusters, "width, 10", "called different, 10")
    for pairs in PAIRS:
        cells = {n: pairs_cell(pairs, n, runs) for n in clusters}
        yield _row(pairs.name, [cell.covered for cell in cells.values()], cells[10].width, cells[10].beside)


def _sizes(clusters: int) -> list[int]:
    return [SIZES[place % len(SIZES)] for place in range(clusters)]


def _contains(ends: tuple[float, float], truth: float) -> bool:
    return ends[0] - 1e-12 <= truth <= ends[1] + 1e-12


def _outcomes(first: list[int], second: list[int], sizes: list[int]) -> Iterator[tuple[str, bool, bool]]:
    parts = (
        [(str(place), True, False)] * b + [(str(place), False, True)] * c + [(str(place), True, True)] * (n - b - c)
        for place, (b, c, n) in enumerate(zip(first, second, sizes, strict=True))
    )
    return chain.from_iterable(parts)


def _head(what: str, clusters: Sequence[int], *more: str) -> Iterator[str]:
    titles = [what, *(f"{n} clusters" if n == clusters[0] else str(n) for n in clusters), *more]
    yield f"| {' | '.join(titles)} |"
    yield "|---|" + "--:|" * (len(titles) - 1)


def _row(name: str, covered: Sequence[float], *more: float) -> str:
    return f"| {' | '.join([name, *(f'{share:.3f}'.lstrip('0') for share in [*covered, *more])])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs a cell (default: 1000)")
    runs = parser.parse_args().runs
    for table in (accuracy_table, pairs_table):
        for line in table(runs):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
