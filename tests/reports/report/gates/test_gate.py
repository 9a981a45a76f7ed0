"""Thresholds are understood or refused in one line; a gate judges every result that it applies to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from reports.report.build import build_report
from reports.report.gate_blocks import Gate
from reports.report.gates.evaluating import evaluate, gate_lines
from reports.report.gates.thresholds import EVERY_NAME, Scope, check_thresholds, parse_threshold
from reports.report.model import Result
from reports.store.records import QuestionRecord
from tests.known import LETTERS
from tests.reports.made_records import (
    UNANSWERABLE,
    asked,
    benchmark,
    case,
    container,
    failed,
    found,
    provider,
    run,
    waiting,
)
from vocabulary import ConfigurationError, Gold, Nugget, Phase, Verdict


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
        ("nuggets.beam_paper", "nuggets.beam_paper", None, False, "message"),
        ("nuggets.beam_nuggets.abstention", "nuggets.beam_nuggets", "abstention", False, "message"),
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
        "f1=0.2", "f1.substring_exact_match=1", "0.3", "30",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_one_line_with_a_way_out(text: str, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_threshold(text)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(text) in message
    assert message == snapshot


@given(st.text(LETTERS, max_size=30))
def test_any_text_is_understood_or_refused(text: str) -> None:
    refusal = ""
    try:
        threshold = parse_threshold(text)
    except ConfigurationError as error:
        refusal = str(error)
    assert (len(refusal.splitlines()) == 1) if refusal else threshold.metric in EVERY_NAME


SELECTED = (
    Gold(
        question_type="temporal", ground_truth="May", evidence_messages=("m1",), groups=("context-30",), rubric=("May",)
    ),
    Gold(question_type="adversarial", ground_truth="", answerable=False),
)


@pytest.mark.parametrize(
    ("text", "until", "refusal"),
    [
        ("accuracy.answerable=0.5", "judge", None),
        ("accuracy.context-30=0.5", "judge", None),
        ("recall@10.temporal=0.5", "search", None),
        ("p95.indexing_ms=1", "ingest", None),
        ("accuracy.temporel=0.5", "judge",
         "no selected question is of type 'temporel'. Did you mean 'temporal'? Types of the selection: temporal, "
         "adversarial, answerable, context-30, unanswerable."),
        ("accuracy.multi-hop=0.5", "judge",
         "no selected question is of type 'multi-hop'. Types of the selection: temporal, adversarial, answerable, "
         "context-30, unanswerable."),
        ("accuracy=0.5", "search", "it needs the phase judge, and --until search stops before."),
        ("p95.answer_ms=5", "search", "it needs the phase answer, and --until search stops before."),
        ("f1.locomo_official=0.5", "judge", "no selected benchmark has this metric."),
        ("recall@30=0.5", "judge", "it needs --top-k 30 or more, and --top-k is 10."),
        ("nuggets.beam_paper.temporal=0.5", "judge", None),
        ("nuggets.beam_paper.adversarial=0.5", "judge", "no selected question of type adversarial has a rubric."),
        ("nuggets.beam_nuggets=0.5", "answer", "it needs the phase judge, and --until answer stops before."),
        ("session.mrr=0.5", "judge", "no selected question names its evidence by session."),
        ("mrr.adversarial=0.5", "judge", "no selected question of type adversarial names its evidence by message."),
    ],
)  # fmt: skip
def test_a_threshold_without_a_value_is_found_before_the_run(text: str, until: Phase, refusal: str | None) -> None:
    scope = Scope.of(SELECTED, [], until, top_k=10)
    if refusal is None:
        check_thresholds([parse_threshold(text)], scope)
        return
    with pytest.raises(ConfigurationError) as caught:
        check_thresholds([parse_threshold(text)], scope)
    assert str(caught.value) == f"threshold {text.partition('=')[0]!r}: {refusal}"


def test_a_requested_benchmark_that_measured_nothing_misses_every_threshold() -> None:
    results, thresholds = results_of(*THREE_OF_FOUR), [parse_threshold("accuracy=0.1")]
    unmeasured = {"longmemeval_s": "longmemeval_s: the file is missing."}
    gate = evaluate(results, thresholds, None, finished=True, second_look=False, unmeasured=unmeasured)
    assert gate.met is False
    assert gate_lines(gate)[-1] == "gate missed: nothing was measured on longmemeval_s: the file is missing."
    assert evaluate((), thresholds, None, finished=True, second_look=False, unmeasured=unmeasured).met is False
    assert evaluate((), thresholds, None, finished=True, second_look=False).met is False
    errors_alone = evaluate(results, [], 0, finished=True, second_look=False, unmeasured=unmeasured)
    assert errors_alone.met is True


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


def test_an_exact_match_is_held_to_a_threshold() -> None:
    matched = run(benchmarks=(benchmark(official_f1="substring_exact_match"),))
    results = build_report(matched, [asked(case(1)), failed(case(2))], []).results
    assert gate_of("exact_match.substring_exact_match=0.5", results=results).thresholds[0].value == 0.5
    assert gate_of("f1.locomo_official=0", results=results).met is False


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


def graded(number: int, score: float, provider: str = "bm25") -> QuestionRecord:
    """A question with a rubric, whose only nugget has this score."""
    one = case(number)
    one = one.model_copy(update={"gold": one.gold.model_copy(update={"rubric": ("May",)})})
    verdict = Verdict(label="correct" if score else "wrong", explanation="", nuggets=(Nugget(score=score),))
    return asked(one, provider=provider).model_copy(update={"verdict": verdict})


def test_nuggets_are_held_to_a_threshold() -> None:
    results = results_of(graded(1, 1.0), graded(2, 0.5), graded(3, 0.0))
    gate = gate_of("nuggets.beam_nuggets=0.5", "nuggets.beam_paper.temporal=0.5", results=results)
    assert gate_lines(gate) == [
        "gate met: nuggets.beam_nuggets 0.500 >= 0.5 on bm25/locomo",
        "gate missed: nuggets.beam_paper.temporal 0.333 < 0.5 on bm25/locomo: short by 0.167",
    ]


def test_a_provider_without_grades_misses_a_threshold_of_nuggets() -> None:
    both = run(providers=(provider("bm25"), provider("none")), benchmarks=(benchmark(), benchmark("other")))
    elsewhere = case(2).model_copy(update={"benchmark": "other"})
    records = [graded(1, 1.0), asked(case(1), provider="none"), asked(elsewhere), asked(elsewhere, provider="none")]
    gate = gate_of("nuggets.beam_nuggets=0.5", results=build_report(both, records, []).results)
    assert gate_lines(gate) == [
        "gate met: nuggets.beam_nuggets 1.000 >= 0.5 on bm25/locomo",
        "gate missed: nuggets.beam_nuggets has no value on none/locomo: no nugget was graded",
    ]
    none = gate_of("nuggets.beam_nuggets=0", results=results_of(*THREE_OF_FOUR))
    assert "nothing that was selected has such a number" in gate_lines(none)[0]


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
