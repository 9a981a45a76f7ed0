"""What code under test returns is checked where the call returns: it passes as it is recorded, or is a typed error."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pipeline.border import MOST_RESULTS, answer_in, found_in, verdict_in
from reports.store import RESULTS
from tests.known import LETTERS, unchecked
from vocabulary import Answer, InfrastructureError, JudgeError, ModelError, ProviderError, SearchResult, Verdict

GOOD = SearchResult(text="a", score=1.0, message_ids=("m",))


class Richer(SearchResult):
    """A result with a field of its own."""

    colour: str = "red"


class Sly(Verdict):
    """A verdict that counts whatever its label says."""

    @property
    def correct(self) -> bool:
        return True


def raising() -> Iterator[SearchResult]:
    yield GOOD
    raise KeyError("lost")


class Endless(list[SearchResult]):
    """A list of three that never ends."""

    def __iter__(self) -> Iterator[SearchResult]:
        return itertools.repeat(GOOD)


def made(**fields: Any) -> SearchResult:  # any: what unchecked code puts into a field
    return SearchResult.model_construct(**{**vars(GOOD), **fields})


NO_RESULTS: dict[str, object] = {
    "None": None, "number": 5, "text": "abc", "bytes": b"abc", "mapping": {"text": "x"}, "one result": GOOD,
    "a hole": [None, GOOD], "a dict": [{"text": "x"}], "text in it": [GOOD, "x"], "class": [SearchResult],
    "nan": [made(score=float("nan"))], "infinite": [GOOD, made(score=float("-inf"))], "its text": [made(text=5)],
    "no text": [unchecked(SearchResult, score=1.0)], "raw object": [made(raw=object())],
    "coroutine function": print,
}  # fmt: skip


@pytest.mark.parametrize("returned", NO_RESULTS.values(), ids=NO_RESULTS)
def test_what_is_no_list_of_results_is_an_error(returned: object) -> None:
    with pytest.raises(ProviderError, match="search returned"):
        found_in(returned, 3)


def test_an_iterator_that_raises_is_read_inside_the_call() -> None:
    with pytest.raises(KeyError):
        found_in(raising(), 3)


@pytest.mark.parametrize(
    ("returned", "most", "used", "counted"),
    [
        ([], 3, 0, 0),
        ((GOOD,), 3, 1, 1),
        (iter([GOOD] * 5), 3, 3, 5),
        ([GOOD] * 100_000, 50, 50, 100_000),
        ([GOOD] * 5, None, 5, 5),
        (itertools.repeat(GOOD), 3, 3, MOST_RESULTS + 1),
        (Endless([GOOD] * 3), 2, 2, 3),
        ([GOOD, None], 1, 1, 2),
    ],
)
def test_no_more_than_top_k_are_used_and_all_are_counted(
    returned: object, most: int | None, used: int, counted: int
) -> None:
    found = found_in(returned, most)
    assert (len(found.results), found.returned) == (used, counted)
    assert RESULTS.validate_json(found.written) == found.results


def test_results_without_end_cannot_all_be_used() -> None:
    with pytest.raises(ProviderError, match="more than 100,000"):
        found_in(itertools.repeat(GOOD), None)


def test_surrogates_in_ids_and_raw_records_are_replaced() -> None:
    bad = json.loads('"\\ud83d"')
    (one,) = found_in([SearchResult(text="a", session_ids=(bad,), raw={bad: [bad, {"x": bad}]})], 3).results
    assert (one.session_ids, one.raw) == (("�",), {"�": ["�", {"x": "�"}]})


def test_what_passes_is_what_is_read_again_later() -> None:
    (odd,) = found_in([made(message_ids=["m"])], 3).results
    assert odd.message_ids == ("m",)
    (one,) = found_in([Richer(text="a")], 3).results
    assert type(one) is SearchResult
    verdict = verdict_in(Sly(label="wrong", explanation="no"))
    assert (type(verdict), verdict.correct) == (Verdict, False)


@pytest.mark.parametrize("returned", [None, "correct", 5, object(), [], {"hypothesis": "a"}, Answer, GOOD])
def test_what_is_no_answer_and_no_verdict_is_an_error(returned: object) -> None:
    with pytest.raises(ModelError, match="the answering model returned"):
        answer_in(returned)
    with pytest.raises(JudgeError, match="the judge returned"):
        verdict_in(returned)


def test_a_label_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(JudgeError, match="label: Input should be 'correct', 'wrong' or 'abstained'"):
        verdict_in(unchecked(Verdict, label="maybe", explanation="who knows"))
    with pytest.raises(ModelError, match="hypothesis"):
        answer_in(unchecked(Answer, hypothesis=None))


@dataclass
class Odd:
    """Misbehaves when it is looked at."""

    what: str

    def __len__(self) -> int:
        return -1 if self.what == "length" else 2

    def __iter__(self) -> Iterator[object]:
        if self.what == "iterator":
            raise SystemExit(3)
        return iter([GOOD, self])

    def __repr__(self) -> str:
        raise RuntimeError("no name")


TEXT = st.text(LETTERS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(blacklist_categories=()))
    | st.binary() | st.builds(Odd, st.sampled_from(["length", "iterator", "repr"])) | st.just(GOOD)
    | st.builds(made, text=TEXT | st.integers(), score=st.floats() | TEXT, raw=st.floats() | st.binary())
    | st.builds(Verdict.model_construct, label=TEXT, explanation=st.none() | TEXT),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner) | st.tuples(inner, inner),
    max_leaves=12,
)  # fmt: skip


@given(VALUES, st.none() | st.integers(1, 4))
def test_any_object_passes_or_is_an_error(returned: object, most: int | None) -> None:
    """What raises in the object itself is caught by the call around it (`net.foreign`)."""
    try:
        found = found_in(returned, most)
    except (InfrastructureError, SystemExit, ValueError):
        pass
    else:
        assert RESULTS.validate_json(found.written) == found.results
        assert most is None or len(found.results) <= most
    for check in (answer_in, verdict_in):
        try:
            passed = check(returned)
        except InfrastructureError:
            continue
        assert type(passed).model_validate_json(passed.model_dump_json()) == passed
