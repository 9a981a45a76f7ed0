"""The simulation of places gives what can be reckoned, and docs/scale.md what it gives."""

from __future__ import annotations

import pytest

from tests.perf import fleet
from tests.perf.fleet_model import Costs, Work, simulate
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
FREE = Costs(*[0.0] * len(Costs._fields))


@pytest.mark.parametrize("places", [1, 4])
def test_without_costs_a_run_takes_its_calls_by_those_in_flight(places: int) -> None:
    outcome = simulate(FREE, Work(questions=480, calls=(0.5, 1.0, 1.5), in_flight=3), places, cores=2)
    assert outcome.last_verdict == pytest.approx(480 * 3.0 / 3 / places, rel=0.02)
    assert outcome.wall - outcome.last_verdict <= 1.0, "a place looks at the others once a second"
    assert outcome.server == 0.0


def test_a_service_is_called_as_often_as_it_allows() -> None:
    outcome = simulate(FREE, Work(questions=100, calls=(0.0, 0.0), in_flight=50, per_minute=600.0), 2, cores=2)
    assert outcome.last_verdict == pytest.approx(200 / 10, abs=0.2)


def test_a_server_that_is_saturated_does_what_its_cores_can() -> None:
    costs = FREE._replace(save_a_row=20.0)
    outcome = simulate(costs, Work(questions=300, calls=(0.0,), in_flight=50, limited=0), 8, cores=2)
    assert outcome.last_verdict == pytest.approx(300 * 0.020 / 2, rel=0.05)
    assert outcome.server * outcome.wall == pytest.approx(300 * 0.020), "each row once"


def test_claims_wait_for_each_other() -> None:
    costs = FREE._replace(claim=1.0, claim_held=100.0)
    outcome = simulate(costs, Work(questions=320, calls=(0.0,), in_flight=50, limited=0), 5, cores=8)
    assert outcome.last_verdict >= 320 / 32 * 0.1, "the blocks, one after the other"
    assert outcome.lock == pytest.approx(1.0, rel=0.3)


def test_places_of_one_machine_share_its_cores() -> None:
    costs = FREE._replace(shown=10.0, own=10.0)
    work = Work(questions=200, calls=(0.0,), in_flight=4, limited=0)
    alone, together = (simulate(costs, work, 4, cores=2, shared=shared).wall for shared in (False, True))
    assert alone == pytest.approx(200 * 0.010, abs=1.1)
    assert together == pytest.approx(4 * 200 * 0.010 / 2, abs=1.1)


@pytest.mark.parametrize("places", ["1", "2", "4"])
def test_the_page_has_what_is_simulated_of_the_checked_runs(places: str) -> None:
    section = PAGE.partition("python -m tests.perf.fleet --check")[2]
    row = next(line for line in section.splitlines() if line.startswith(f"| {places} |")).strip("| ").split(" | ")
    found = fleet.told(Costs.stored(), int(places), float(row[1]))
    assert [row[2], row[4]] == [f"{found.last_verdict:.1f}", f"{found.wall:.1f}"]
