"""Percentiles against numpy and the standard library."""

import math
import statistics
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.metrics.latency import summarise
from tests.known import known

untimed = settings(deadline=None)

times = st.lists(st.floats(0, 1e7), min_size=1, max_size=300)


@untimed
@given(times)
def test_percentiles_are_numpys(values: list[float]) -> None:
    found = summarise(values)
    expected = np.quantile(values, [0.5, 0.9, 0.95, 0.99])
    assert (found.p50, found.p90, found.p95, found.p99) == pytest.approx(tuple(expected), rel=1e-12, abs=1e-12)
    assert (found.n, found.max) == (len(values), max(values))
    assert found.mean == math.fsum(values) / len(values)


@untimed
@given(times.filter(lambda values: len(values) > 1))
def test_percentiles_are_those_of_the_standard_library(values: list[float]) -> None:
    found = summarise(values)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert (found.p50, found.p90, found.p95, found.p99) == pytest.approx(
        (cuts[49], cuts[89], cuts[94], cuts[98]), rel=1e-9, abs=1e-9
    )


@untimed
@given(times)
def test_percentiles_do_not_fall(values: list[float]) -> None:
    found = summarise(values)
    rising = [min(values), *map(known, (found.p50, found.p90, found.p95, found.p99, found.max))]
    assert rising == sorted(rising)


@untimed
@given(times, st.randoms(use_true_random=False))
def test_is_the_same_in_every_order_to_the_last_digit(values: list[float], random: Random) -> None:
    found = summarise(values)
    random.shuffle(values)
    assert summarise(iter(values)) == found


def test_interpolates_linearly_between_neighbours() -> None:
    found = summarise([10.0, 20.0, 30.0, 40.0, 50.0])
    assert (found.mean, found.p50, found.max) == (30.0, 30.0, 50.0)
    assert (found.p90, found.p95, found.p99) == pytest.approx((46.0, 48.0, 49.6))


def test_nothing_measured_is_none_not_zero() -> None:
    assert summarise([]).model_dump() == {
        "n": 0, "mean": None, "p50": None, "p90": None, "p95": None, "p99": None, "max": None, "note": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("n", "note"),
    [
        (1, "one value: every percentile is that value"),
        (9, "p90, p95, p99 of 9 values are their largest few"),
        (10, "p95, p99 of 10 values are their largest few"),
        (19, "p95, p99 of 19 values are their largest few"),
        (20, "p99 of 20 values is its largest few"),
        (40, "p99 of 40 values is its largest few"),
        (99, "p99 of 99 values is its largest few"),
        (100, None),
    ],
)
def test_says_which_percentiles_it_has_too_few_values_for(n: int, note: str | None) -> None:
    found = summarise(float(k) for k in range(n))
    assert found.note == note
    assert found.p99 is not None


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_refuses_what_is_no_time(value: float) -> None:
    with pytest.raises(ValueError, match="is no time"):
        summarise([1.0, value])
