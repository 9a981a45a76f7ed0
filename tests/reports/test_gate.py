"""Thresholds are understood or refused in one line; a gate judges every result that it applies to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import asked, benchmark, case, container, failed, found, provider, run, waiting
from syrupy.assertion import SnapshotAssertion

from reports.build import build_report
from reports.gate import EVERY_NAME, check_types, evaluate, gate_lines, parse_threshold
from reports.model import Gate, Result
from reports.records import QuestionRecord
from schema import ConfigurationError

UNANSWERABLE = {"question_type": "adversarial", "answerable": False, "category": 5}


def results_of(*records: QuestionRecord, until: str = "judge") -> tuple[Result, ...]:
    return build_report(run(until=until), records, [container()]).results


def gate_of(*texts: str, results: tuple[Result, ...], max_errors: int | None = None) -> Gate:
    return evaluate(results, [parse_threshold(text) for text in texts], max_errors, finished=True, second_look=False)


THREE_OF_FOUR = [asked(case(1)), asked(case(2)), asked(case(3)), asked(case(4, "single-hop", category=4), "wrong")]


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_name_is_understood_and_has_a_direction(name: str) -> None:
    threshold = parse_threshold(f" {name} = 0.5 ")
    assert (threshold.name, threshold.value) == (name, 0.5)
    assert threshold.direction == ("at most" if name.endswith("_ms") else "at least")


@pytest.mark.parametrize(
    ("name", "metric", "part", "low", "level"),
    [
        ("accuracy", "accuracy", None, False, "message"),
        ("accuracy.low", "accuracy", None, True, "message"),
        ("accuracy.multi-hop", "accuracy", "multi-hop", False, "message"),
        ("accuracy.multi-hop.low", "accuracy", "multi-hop", True, "message"),
        ("recall@10.answerable", "recall@10", "answerable", False, "message"),
        ("message.mrr", "mrr", None, False, "message"),
        ("session.ndcg@5.temporal", "ndcg@5", "temporal", False, "session"),
        ("f1.locomo_official", "f1.locomo_official", None, False, "message"),
        ("p95.search_ms", "p95.search_ms", None, False, "message"),
    ],
)
def test_names_are_taken_apart(name: str, metric: str, part: str | None, low: bool, level: str) -> None:
    threshold = parse_threshold(f"{name}=0.5")
    assert (threshold.metric, threshold.part, threshold.low, threshold.level) == (metric, part, low, level)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "", "=0.5", "recal@10=0.5", "recall@7=0.5", "recall=0.5", "acuracy.temporal=0.5", "accuracy",
        "accuracy=", "accuracy=high", "accuracy=nan", "accuracy=65", "accuracy=-0.1", "accuracy=0.5=1", "mrr.=0.5",
        "accuracy.=0.5", "session.accuracy=0.5", "p95.search=200", "p95.search_ms=-1", "p95.search_ms", "recall@10.low",
        "f1=0.2",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_one_line_with_a_way_out(text: str, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_threshold(text)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(text) in message
    assert message == snapshot


@given(st.text(max_size=30))
def test_any_text_is_understood_or_refused(text: str) -> None:
    refusal = ""
    try:
        threshold = parse_threshold(text)
    except ConfigurationError as error:
        refusal = str(error)
    assert (len(refusal.splitlines()) == 1) if refusal else threshold.metric in EVERY_NAME


def test_an_unknown_question_type_is_found_before_the_run() -> None:
    thresholds = [parse_threshold("accuracy.answerable=0.5"), parse_threshold("recall@5.temporel=0.5")]
    check_types(thresholds[:1], ["temporal", "multi-hop"])
    with pytest.raises(
        ConfigurationError, match=r"no question type 'temporel' in this run\. Did you mean 'temporal'\?"
    ):
        check_types(thresholds, ["temporal", "multi-hop"])


def test_a_missed_threshold_says_by_how_much() -> None:
    gate = gate_of("accuracy=0.99", results=results_of(*THREE_OF_FOUR))
    assert gate.met is False
    assert gate_lines(gate) == ["gate missed: accuracy 0.750 < 0.99 on bm25/locomo: short by 0.240"]
    assert gate.thresholds[0].missed_by == pytest.approx(0.24)


def test_a_threshold_that_is_just_reached_is_met() -> None:
    gate = gate_of("accuracy=0.75", "accuracy.temporal=1", "recall@10=1", "mrr=0.5", results=results_of(*THREE_OF_FOUR))
    assert gate.met is True
    assert gate_lines(gate)[0] == "gate met: accuracy 0.750 >= 0.75 on bm25/locomo"


def test_a_near_miss_does_not_look_like_a_hit() -> None:
    gate = gate_of("accuracy=0.75000004", results=results_of(*THREE_OF_FOUR))
    assert gate_lines(gate) == ["gate missed: accuracy 0.750000000 < 0.75 on bm25/locomo: short by 0.000000040"]


def test_low_asks_for_the_intervals_lower_bound() -> None:
    results = results_of(*THREE_OF_FOUR)
    assert results[0].accuracy is not None
    gate = gate_of("accuracy.low=0.7", results=results)
    assert gate.thresholds[0].value == results[0].accuracy.ci95[0] < 0.7
    assert gate.met is False


def test_times_may_be_at_most_the_threshold() -> None:
    results = results_of(*THREE_OF_FOUR)
    assert gate_of("p95.search_ms=2", "max.judge_ms=20", "p50.ingest_ms=5", results=results).met is True
    gate = gate_of("p50.answer_ms=12.5", results=results)
    assert gate_lines(gate) == ["gate missed: p50.answer_ms 30.0 > 12.5 on bm25/locomo: over by 17.5"]


def test_f1_is_that_of_answerable_questions() -> None:
    results = results_of(asked(case(1)), asked(case(2, **UNANSWERABLE), "wrong"))
    assert gate_of("f1.locomo_official=1", results=results).thresholds[0].value == 1.0


@pytest.mark.parametrize(
    ("text", "until", "reason"),
    [
        ("accuracy=0.1", "search", "nothing was judged"),
        ("f1.locomo_official=0.1", "search", "nothing was answered"),
        ("p95.judge_ms=10", "search", "no judge step was done"),
        ("recall@30=0.1", "search", "fewer than 30 results were asked for (--top-k)"),
        ("recall@10=0.1", "ingest", "nothing was searched"),
        ("session.recall@10=0.1", "search", "no such question has evidence"),
        ("accuracy.unanswerable=0.1", "judge", "nothing that was selected has such a number"),
    ],
)
def test_a_number_that_is_not_there_misses_and_says_why(text: str, until: str, reason: str) -> None:
    record = waiting(case(1, evidence_sessions=()), results=None if until == "ingest" else found("m3"))
    gate = gate_of(text, results=results_of(record, until=until))
    row = gate.thresholds[0]
    assert (gate.met, row.met, row.value, row.reason) == (False, False, None, reason)
    assert gate_lines(gate)[0].startswith(f"gate missed: {row.name} has no value")


def test_results_that_do_not_say_their_origin_miss_a_retrieval_gate() -> None:
    plain = tuple(one.model_copy(update={"message_ids": ()}) for one in found("m3"))
    gate = gate_of("recall@10=0.1", "session.recall@10=1", results=results_of(asked(case(1), results=plain)))
    assert [(row.met, row.reason) for row in gate.thresholds] == [
        (False, "the results do not say which message they come from"),
        (True, None),
    ]


def test_every_result_that_a_threshold_applies_to_must_meet_it() -> None:
    both = run(
        providers=(provider("bm25"), provider("none")), benchmarks=(benchmark(), benchmark("other", official_f1=None))
    )
    one = case(1)
    elsewhere = case(2, "scale").model_copy(update={"benchmark": "other"})
    records = [asked(one), asked(one, "wrong", provider="none"), asked(elsewhere)]
    results = build_report(both, records, []).results
    gate = gate_of("accuracy=0.5", "accuracy.scale=1", "f1.locomo_official=0", results=results)
    assert [(row.name, row.provider, row.benchmark, row.met) for row in gate.thresholds] == [
        ("accuracy", "bm25", "locomo", True),
        ("accuracy", "none", "locomo", False),
        ("accuracy", "bm25", "other", True),
        ("accuracy.scale", "bm25", "other", True),
        ("f1.locomo_official", "bm25", "locomo", True),
        ("f1.locomo_official", "none", "locomo", True),
    ]
    assert gate.met is False


@pytest.mark.parametrize(("allowed", "met"), [(None, False), (0, False), (2, False), (3, True), (4, True)])
def test_errors_beyond_what_is_allowed_miss_the_gate(allowed: int | None, met: bool) -> None:
    results = results_of(asked(case(0)), *(failed(case(number)) for number in (1, 2, 3)))
    gate = gate_of("accuracy=0.25", results=results, max_errors=allowed)
    assert (gate.met, gate.errors, gate.max_errors) == (met, 3, allowed or 0)
    sign = "gate met: 3 errors <=" if met else "gate missed: 3 errors >"
    assert gate_lines(gate)[-1] == f"{sign} {allowed or 0} allowed (--max-errors)"


@pytest.mark.parametrize(
    ("finished", "second_look", "why"), [(False, False, "not finished"), (True, True, "second look")]
)
def test_what_is_not_the_whole_can_satisfy_no_gate(finished: bool, second_look: bool, why: str) -> None:
    threshold = parse_threshold("accuracy=0.1")
    gate = evaluate(results_of(*THREE_OF_FOUR), [threshold], None, finished=finished, second_look=second_look)
    assert gate.met is False
    assert why in (gate.refused or "")
    assert gate_lines(gate) == [f"gate refused: {gate.refused}"]


def test_a_report_has_a_gate_only_if_one_was_asked_for() -> None:
    records = [failed(case(1))]
    assert build_report(run(), records, []).gate is None
    tolerant = build_report(run(), records, [], max_errors=1).gate
    assert tolerant is not None
    assert tolerant.met is True
    unfinished = build_report(run(finished=None), records, [], max_errors=1).gate
    assert unfinished is not None
    assert unfinished.met is False
