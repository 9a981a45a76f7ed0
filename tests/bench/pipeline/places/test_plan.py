"""Which questions a place claims, and in which order."""

from __future__ import annotations

import pytest

from bench.pipeline.places.plan import ELSEWHERE, FREE, OVER, USUAL_BLOCK, Plan, Stretch, block_size
from reports.store import SelectedQuestion
from reports.store.sharing import Wanted
from tests.reports import made_records


def plan(haystacks: int, questions: int, *, local: bool = False, closed: bool = False, own: str | None = None) -> Plan:
    cases = [
        made_records.case().model_copy(update={"id": f"q{haystack}-{number:02d}", "haystack": f"h{haystack}"})
        for haystack in range(haystacks)
        for number in range(questions)
    ]
    order = [SelectedQuestion("bm25", case) for case in cases]
    return Plan(
        order,
        {order[0].key},
        lambda question: question.case.haystack,
        lambda question: Stretch(question.case.haystack, local, closed, own=own in (None, question.case.haystack)),
    )


def ids(wanted: list[Wanted]) -> list[str]:
    return [one.key.question for one in wanted]


def claim(made: Plan, most: int, *, granted: int | None = None, **how: bool) -> list[str]:
    """Claim, be granted so many of the first, and give their ids."""
    wanted = made.wanted(most, **{"may_begin": True, **how})
    mine = made.note(wanted, {one.key for one in wanted[: most if granted is None else granted]}, most)
    return [question.case.id for question in mine]


def test_a_place_takes_haystacks_in_order_and_stays_with_one_that_is_ready() -> None:
    made = plan(3, 4)
    assert claim(made, 2) == ["q0-01", "q0-02"]
    assert claim(made, 2) == ["q1-00", "q1-01"], "the first one is still being ingested"
    made.stretch(made.order[0].key).ready = True
    assert claim(made, 2) == ["q0-03", "q2-00"]


def test_it_begins_no_other_haystack_while_it_ingests_as_much_as_it_can() -> None:
    made = plan(2, 4)
    claim(made, 2)
    assert claim(made, 2, may_begin=False) == ["q0-03"], "only the rest of its own, for want of anything else"


def test_what_others_have_begun_comes_last_and_from_its_middle() -> None:
    made = plan(2, 4)
    assert claim(made, 2, granted=0) == [], "others have begun both"
    wanted = made.wanted(2, may_begin=True)
    assert ids(wanted)[:4] == ["q1-02", "q1-03", "q1-00", "q1-01"]
    assert not any(one.alone for one in wanted)
    assert made.note(wanted, set(), 2) == []
    assert made.free == 0
    assert made.wanted(2, may_begin=True) == []


def test_a_local_haystack_that_others_have_begun_is_theirs_until_they_are_gone() -> None:
    made = plan(1, 4, local=True)
    assert claim(made, 2, granted=0) == []
    assert made.wanted(2, may_begin=True) == []
    made.forget_others()
    wanted = made.wanted(2, may_begin=True)
    assert ids(wanted) == ["q0-01", "q0-02", "q0-03"]
    assert all(one.alone for one in wanted)


def test_questions_that_are_not_this_processs_are_claimed_once_they_are() -> None:
    made = plan(2, 2, closed=True)
    assert made.wanted(2, may_begin=True) == []
    made.open(made.order[2].key)
    assert claim(made, 2) == ["q1-00", "q1-01"]


@pytest.mark.parametrize(
    ("free", "places", "size"),
    [(20_000, 4, 64), (4_096, 4, 64), (4_095, 4, 63), (2_048, 4, 32), (400, 1, 32), (39, 4, 4), (3, 4, 1), (0, 0, 1)],
)
def test_blocks_shrink_towards_the_end(free: int, places: int, size: int) -> None:
    assert block_size(free, places) == size


def test_what_is_over_or_elsewhere_is_not_free() -> None:
    made = plan(10, 40)
    assert block_size(made.free, 1) == USUAL_BLOCK
    for question in made.order[40:]:
        made.mark(question.key, OVER)
    assert block_size(made.free, 4) == 39 // 8
    for question in made.order[:39]:
        made.mark(question.key, ELSEWHERE)
    assert block_size(made.free, 4) == 1


def test_other_parts_wait_until_the_own_one_is_begun_and_ready() -> None:
    made = plan(3, 4, own="h1")
    assert claim(made, 2) == ["q1-00", "q1-01"]
    assert claim(made, 3) == ["q1-03", "q1-02"], "nothing of others, and its own while it is ingested"
    assert claim(made, 2, making_own=True) == []
    made.stretch(made.order[4].key).ready = True
    assert claim(made, 2) == ["q0-01", "q0-02"]


def test_a_part_that_others_have_begun_is_not_waited_for() -> None:
    made = plan(3, 4, local=True, own="h1")
    assert claim(made, 2, granted=0) == []
    assert claim(made, 2) == ["q0-01", "q0-02"]


def test_what_is_over_stays_so() -> None:
    made = plan(1, 3)
    first, second, third = (question.key for question in made.order)
    made.mark(first, FREE)
    assert made.state(first) == OVER
    assert made.after(first, 5) == [second, third]
    made.mark(third, OVER)
    assert [question.key for question in made.over_from(second, 5)] == [second, third]
