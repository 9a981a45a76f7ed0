"""The report says what the records say, and its denominator never moves."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from reports.report.build import build_report
from reports.report.gates.thresholds import parse_threshold
from reports.report.model import Report, report_schema, without_clock_fields
from reports.report.prices import Prices
from reports.store.records import AnswererRecord, JudgeRecord, QuestionRecord, Step, StepError
from tests.reports.made_records import (
    FINISHED,
    UNANSWERABLE,
    asked,
    benchmark,
    case,
    container,
    failed,
    found,
    provider,
    run,
    sample,
    waiting,
)
from tests.repository import ROOT
from vocabulary import CheckpointError, SearchResult, Usage


def as_json(report: Report) -> dict[str, Any]:  # Any: parsed JSON
    parsed: dict[str, Any] = json.loads(report.model_dump_json())
    return parsed


def only_result(records: list[QuestionRecord], **of_the_run: Any) -> Any:  # Any: fields of RunRecord; parsed JSON
    return as_json(build_report(run(**of_the_run), records, [container()]))["results"][0]


def mixed() -> list[QuestionRecord]:
    """One question for each way to end, two conversations, one question without evidence."""
    return [
        asked(case(1), "correct"),
        asked(case(2, "multi-hop", category=1), "wrong", found("m1")),
        asked(case(3), "abstained", replayed=True),
        failed(case(4), "search"),
        waiting(case(5, conversation=27)),
        asked(case(6, conversation=27, **UNANSWERABLE), "correct", found("m3")),
        failed(case(7, evidence_messages=(), evidence_sessions=(), conversation=27), "judge", "JudgeError"),
    ]


def test_shape_and_values_of_a_whole_report(snapshot: SnapshotAssertion) -> None:
    gate = [parse_threshold("accuracy=0.2"), parse_threshold("recall@10.temporal=0.9")]
    report = build_report(run(), mixed(), [container(), container(27, attempts=(1, 3))], thresholds=gate, max_errors=2)
    installed = Prices(report.run.started).source  # its version is no part of the shape
    assert report.model_dump_json(indent=2).replace(installed, "genai-prices VERSION") == snapshot


def test_published_schema_is_up_to_date() -> None:
    published = (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8")
    assert published == report_schema(), "write it anew: python -m reports schema > docs/report.schema.json"


def test_every_key_of_the_schema_is_explained_in_the_docs() -> None:
    explained = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    schema = json.loads(report_schema())
    blocks = [schema, *schema["$defs"].values()]
    keys = {key for block in blocks for key in block.get("properties", {})}
    assert {key for key in keys if f"`{key}`" not in explained} == set()


def test_a_report_reads_back_as_it_was_written() -> None:
    report = build_report(run(), mixed(), [container()])
    text = report.model_dump_json()
    assert Report.model_validate_json(text).model_dump_json() == text


def test_errors_and_unjudged_questions_stay_in_the_denominator() -> None:
    result = only_result(mixed())
    assert result["questions"]["selected"] == result["accuracy"]["n"] == 7
    assert result["accuracy"]["correct"] == 2
    assert result["questions"]["outcomes"] == {"correct": 2, "wrong": 1, "abstained": 1, "error": 2, "unjudged": 1}
    assert result["accuracy"]["ci95"][0] < result["accuracy"]["value"] < result["accuracy"]["ci95"][1]


def test_a_search_that_failed_or_never_ran_found_nothing_and_still_counts() -> None:
    everything = found("m3")
    done = only_result([asked(case(1), results=everything)])
    undone = only_result(
        [asked(case(1), results=everything), failed(case(2)), waiting(case(3)), failed(case(4), "ingest")]
    )
    assert done["retrieval"]["message"]["recall"]["10"] == 1.0
    assert undone["retrieval"]["message"] | {"unattributed": 0.0} == {
        "n": 4,
        "recall": {"1": 0.25, "3": 0.25, "5": 0.25, "10": 0.25, "30": None, "50": None},
        "hit": {"1": 0.25, "3": 0.25, "5": 0.25, "10": 0.25, "30": None, "50": None},
        "ndcg": {"1": 0.25, "3": 0.25, "5": 0.25, "10": 0.25, "30": None, "50": None},
        "mrr": 0.25,
        "unattributed": 0.0,
    }


def test_questions_without_evidence_are_left_out_of_retrieval_alone() -> None:
    result = only_result([asked(case(1)), asked(case(2, evidence_messages=(), evidence_sessions=()))])
    assert result["retrieval"]["message"]["n"] == 1
    assert result["questions"]["selected"] == 2


def test_results_without_origin_cannot_be_measured_and_the_report_says_so() -> None:
    plain = (SearchResult(text="a fact"), SearchResult(text="another", session_ids=("s1",)))
    result = only_result([asked(case(1), results=plain), failed(case(2))])
    assert result["retrieval"]["message"] is None
    assert result["by_type"]["temporal"]["retrieval"]["message"] is None
    assert result["retrieval"]["session"]["recall"]["10"] == 0.5
    assert result["retrieval"]["session"]["unattributed"] == 0.5
    assert [text for text in result["warnings"] if "come" in text] == [
        "no result says which message it comes from: retrieval of messages cannot be measured",
        "50.0% of the results do not say which session they come from: more may have been found",
    ]


def test_a_provider_that_finds_nothing_is_measured_as_finding_nothing() -> None:
    result = only_result([asked(case(1), "wrong", results=())])
    assert result["retrieval"]["message"]["recall"]["10"] == 0.0
    assert not any("come" in text for text in result["warnings"])


def test_types_stand_in_the_benchmarks_order_and_groups_apart() -> None:
    records = [asked(case(1, **UNANSWERABLE), "wrong"), asked(case(2, "single-hop", category=4)), asked(case(3))]
    result = only_result(records)
    assert list(result["by_type"]) == result["benchmark"]["types"] == ["temporal", "single-hop", "adversarial"]
    assert list(result["f1"]["locomo_official"]["by_type"]) == ["temporal", "single-hop", "adversarial"]
    assert {name: group["accuracy"]["value"] for name, group in result["by_group"].items()} == {
        "answerable": 1.0,
        "unanswerable": 0.0,
    }
    assert result["by_group"]["unanswerable"].keys() == result["by_type"]["temporal"].keys()


def test_groups_of_the_benchmark_stand_after_those_that_all_have_and_by_size() -> None:
    records = [
        asked(case(1, groups=("context-30", "user"))),
        asked(case(2, groups=("context-2", "user")), "wrong"),
        asked(case(3, groups=("context-100",), **UNANSWERABLE)),
        asked(case(4)),
    ]
    groups = only_result(records)["by_group"]
    assert {name: group["questions"]["selected"] for name, group in groups.items()} == {
        "answerable": 3, "unanswerable": 1, "context-2": 1, "context-30": 1, "context-100": 1, "user": 2,
    }  # fmt: skip
    assert list(groups) == ["answerable", "unanswerable", "context-2", "context-30", "context-100", "user"]
    assert groups["user"]["accuracy"]["value"] == 0.5


def of_each_type(*ends: str) -> list[QuestionRecord]:
    """Two multi-hop questions, then temporal ones, in haystacks of their own."""
    kinds = ["multi-hop", "multi-hop", *["temporal"] * (len(ends) - 2)]
    return [
        failed(case(number, kind, conversation=number))
        if end == "error"
        else asked(case(number, kind, conversation=number), end)
        for number, (kind, end) in enumerate(zip(kinds, ends, strict=True))
    ]


def block_of(records: list[QuestionRecord], **of_it: Any) -> Any:  # Any: fields of SampleRecord; parsed JSON
    return only_result(records, benchmarks=(benchmark(sample=sample(**of_it)),), sampled="as it was asked for")


def test_a_sample_says_what_it_is_of_and_estimates_the_whole() -> None:
    result = block_of(of_each_type("correct", "error", "correct", "correct"))
    block = result["benchmark"]["sample"]
    low, high = block["estimate"].pop("ci95")
    assert block == {
        "description": "a sample of 2 questions of each type (seed 0)",
        "selected": 4,
        "questions": 200,
        "population": {"multi-hop": 50, "temporal": 150},
        "types": ["multi-hop", "temporal"],
        "clusters": 200,
        "drawn": True,
        "estimate": {
            "value": 0.25 * 0.5 + 0.75,
            "n": 200,
            "method": "wilson, stratified by type (4 of 200 questions)",
        },
        "reason": None,
    }
    assert low < 0.6
    assert 0.9 < high < 1
    assert result["accuracy"]["value"] == 0.75, "an accuracy is always that of what was asked"
    asked_for = "4 of 200 questions, a sample of 2 questions of each type (seed 0)"
    assert f"not the whole benchmark was asked: {asked_for}" in result["warnings"]


def test_the_first_questions_are_not_a_sample_by_chance() -> None:
    block = block_of(
        of_each_type("correct", "wrong", "correct", "correct"), description="the first 4 questions", drawn=False
    )
    assert block["benchmark"]["sample"]["estimate"]["method"].endswith(
        "; the first questions are taken as if they had been drawn by chance"
    )


def test_types_that_were_not_asked_for_are_not_estimated() -> None:
    records = of_each_type("correct", "wrong", "correct", "correct")
    block = block_of(records[2:], types=("temporal",), clusters=150, chosen=2)["benchmark"]["sample"]
    assert (block["selected"], block["questions"]) == (2, 200)
    assert (block["estimate"]["n"], block["estimate"]["value"]) == (150, 1.0)


def test_a_whole_benchmark_is_no_sample() -> None:
    records = of_each_type("correct", "wrong", "correct", "correct")
    whole = block_of(records, description=None, population={"multi-hop": 2, "temporal": 2}, clusters=4, drawn=False)
    assert whole["benchmark"]["sample"] is None
    assert whole["warnings"] == []


@pytest.mark.parametrize(
    ("of_it", "of_the_run", "detail", "reason"),
    [
        (
            {"chosen": 200, "description": None},
            {},
            "chosen by pytest's own options",
            "hand-picked questions are not a random sample",
        ),
        (
            {"chosen": 8},
            {},
            "each type (seed 0), chosen by pytest's own",
            "hand-picked questions are not a random sample",
        ),
        (
            {},
            {"second_look_at": "first"},
            "what was wrong in run first",
            "hand-picked questions are not a random sample",
        ),
        ({}, {"until": "answer"}, "a sample of 2 questions", "nothing was judged"),
        ({"population": {"multi-hop": 5, "temporal": 5, "single-hop": 9}}, {}, "a sample", "of the type single-hop"),
    ],
)
def test_without_an_estimate_the_report_says_why(
    of_it: dict[str, Any], of_the_run: dict[str, Any], detail: str, reason: str
) -> None:
    if "population" in of_it:
        of_it = {**of_it, "types": ("multi-hop", "temporal", "single-hop")}
    records = of_each_type("correct", "wrong", "correct", "correct")
    of_the_run = {"benchmarks": (benchmark(sample=sample(**of_it)),), **of_the_run}
    block = only_result(records, **of_the_run)["benchmark"]["sample"]
    assert block["estimate"] is None
    assert reason in block["reason"]
    assert detail in block["description"]


def test_official_f1_counts_a_missing_answer_as_nothing() -> None:
    result = only_result([asked(case(1)), failed(case(2)), asked(case(3, **UNANSWERABLE), "wrong")])
    assert result["f1"]["locomo_official"] == {
        "overall": {"value": round(1 / 3, 6), "n": 3},
        "answerable": {"value": 0.5, "n": 2},
        "by_type": {"temporal": {"value": 0.5, "n": 2}, "adversarial": {"value": 0.0, "n": 1}},
    }
    assert only_result([asked(case(1))], benchmarks=(benchmark(official_f1=None),))["f1"] == {}


def test_a_match_is_no_f1() -> None:
    matched = benchmark(official_f1="substring_exact_match")
    result = only_result([asked(case(1)), failed(case(2))], benchmarks=(matched,))
    half = {"value": 0.5, "n": 2}
    assert result["f1"] == {}
    assert result["exact_match"] == {
        "substring_exact_match": {"overall": half, "answerable": half, "by_type": {"temporal": half}}
    }


def test_context_is_measured_over_what_was_handed_to_the_model() -> None:
    texts = tuple(SearchResult(text="x" * length, message_ids=(f"m{length}",)) for length in (40, 41))
    result = only_result([asked(case(1), results=texts), asked(case(2), results=()), failed(case(3))])
    share = round(21 / 240 / 2, 6)
    expected = {"n": 2, "tokens_mean": 10.5, "prompt_tokens_mean": None, "haystack_share_mean": share}
    assert result["context"] == expected


def test_context_of_a_language_model_is_what_it_was_handed() -> None:
    def answered(number: int, **of_it: object) -> QuestionRecord:
        record = asked(case(number), results=(SearchResult(text="x" * 400, message_ids=("m1",)),))
        assert record.answer is not None
        return record.model_copy(update={"answer": record.answer.model_copy(update=of_it)})

    read = Usage(input_tokens=70)
    records = [
        answered(1, context_tokens=30, usage=read),
        answered(2, context_tokens=10, usage=read + Usage(input_tokens=30)),
        answered(3, context_tokens=20, usage=Usage()),  # a server that counts nothing
        asked(case(4), results=(SearchResult(text="x" * 400),)).model_copy(update={"answer": None, "verdict": None}),
    ]
    model = AnswererRecord(name="m", version="1", offline=False)
    context = only_result(records, answerer=model)["context"]
    assert (context["n"], context["tokens_mean"], context["prompt_tokens_mean"]) == (3, 20.0, 60.0)
    assert context["haystack_share_mean"] == round(20 / 240, 6)


def test_calls_count_steps_that_were_done_and_attempts_beyond_the_first() -> None:
    records = [asked(case(1)), failed(case(2), "answer"), *(failed(case(n), "ingest") for n in (3, 4, 5))]
    broken = container(27, error=StepError(type="ProviderError", message="gone"), indexed=False, attempts=(4,))
    report = as_json(build_report(run(), records, [container(attempts=(1, 2)), broken]))
    calls = report["results"][0]["calls"]
    # 2 for the answer, 1 and 3 for sessions; the three questions waited for one and the same ingest.
    assert calls == {"ingest_sessions": 2, "search": 2, "answer": 1, "judge": 1, "retries": 6}


def test_retried_and_replayed_questions_are_counted_once() -> None:
    twice = Step(phase="search", attempts=2), Step(phase="answer", attempts=5)
    again = (Step(phase="search", retried=True),)
    records = [asked(case(1), steps=twice), asked(case(2), steps=again, replayed=True), asked(case(3))]
    questions = only_result(records)["questions"]
    assert (questions["retried"], questions["replayed"]) == (2, 1)


def test_usage_is_there_only_where_a_model_told_it() -> None:
    uncached = {"cached_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0}
    assert only_result([asked(case(1)), asked(case(2))])["usage"] == {
        "answer": {**uncached, "input_tokens": 200, "output_tokens": 14, "calls": 2},
        "judge": {**uncached, "input_tokens": 200, "output_tokens": 14, "calls": 2},
    }
    failed_judge = Step(
        phase="judge", error=StepError(type="JudgeError", message="no verdict"), usage=Usage(input_tokens=5)
    )
    silent = (Step(phase="search"), Step(phase="answer"), failed_judge)
    assert only_result([asked(case(1), None, steps=silent)])["usage"] == {
        "judge": {**uncached, "input_tokens": 5, "output_tokens": 0, "calls": 1}
    }


def test_errors_stand_in_the_order_of_the_questions() -> None:
    numbers = list(range(20))
    random.Random(3).shuffle(numbers)
    errors = only_result([failed(case(number)) for number in numbers])["errors"]
    assert [error["question_id"] for error in errors] == [case(number).id for number in numbers]
    assert errors[0] == {
        "question_id": case(numbers[0]).id,
        "phase": "search",
        "type": "ProviderError",
        "message": "bm25 answered 503: overloaded. See its log.",
    }


def test_latency_is_the_service_time_of_what_was_done() -> None:
    result = only_result([asked(case(1)), failed(case(2), "answer"), waiting(case(3))])
    assert {phase: result["latency_ms"][phase]["n"] for phase in result["latency_ms"]} == {
        "search": 2, "answer": 1, "judge": 1, "ingest": 2, "indexing": 1,
    }  # fmt: skip
    assert result["latency_ms"]["ingest"]["mean"] == 5.0
    assert result["latency_ms"]["answer"]["max"] == 30.0
    assert result["waited_ms"]["answer"]["max"] == 3.0


@pytest.mark.parametrize("until", ["ingest", "search", "answer"])
def test_what_was_not_asked_for_is_null(until: str) -> None:
    results, answer = (None if until == "ingest" else found("m3")), None
    record = waiting(case(1), results=results, answer=answer)
    result = only_result([record], until=until)
    assert result["accuracy"] is None
    assert result["by_type"]["temporal"]["accuracy"] is None
    assert (result["retrieval"]["message"] is None) == (until == "ingest")
    assert (result["f1"] == {}) == (until != "answer")
    assert f"asked only until {until}: nothing was judged, so there is no accuracy" in result["warnings"]
    assert result["questions"]["outcomes"]["unjudged"] == 1


def test_what_makes_numbers_incomparable_is_said_in_words() -> None:
    assert only_result([asked(case(1))])["warnings"] == []
    result = only_result(
        [asked(case(1)), failed(case(2))],
        finished=None,
        sampled="5 of each type, seed 0",
        second_look_at="first-run",
        benchmarks=(benchmark(verified=False),),
        answerer=AnswererRecord(name="extractive", version="1", offline=True),
        judge=JudgeRecord(name="deterministic", protocol="deterministic-1", model=None),
        loop_lag_ms_p99=0.2,
    )
    assert result["warnings"] == [
        "a second look at what was wrong in first-run: these numbers replace nothing there and satisfy no gate",
        "the run is not finished: what was not asked yet counts as not correct and as not found",
        "1 question ended in an error: counted as not correct, and as not found if the search failed",
        "the answers are those of extractive, no language model: they do not compare with a model's",
        "the judge is deterministic, no language model: accuracy does not compare with a model-judged one",
        "not the whole benchmark was asked: 5 of each type, seed 0",
        "the data of locomo is not known to be the published file (sha256 79fa87e90f04)",
    ]
    assert result["clock_warnings"] == [
        "the event loop lagged by up to 0.2 ms (p99), more than 5% of the median search of 2.0 ms: the times may be "
        "the harness's own; measure with fewer --in-flight"
    ]


def pairs(winner: str = "oracle") -> Iterator[QuestionRecord]:
    for conversation in range(10):
        for number in range(6):
            one = case(number, conversation=conversation)
            yield asked(one, "correct" if number == 0 else "wrong", found("m1"), provider="bm25")
            yield asked(one, "correct" if number < 5 else "wrong", found("m3"), provider=winner)


def test_providers_are_compared_on_the_questions_that_both_were_asked() -> None:
    both = run(providers=(provider(), provider("oracle")))
    extra = [asked(case(99), "correct", provider="bm25")]
    comparison = as_json(build_report(both, [*pairs(), *extra], []))["comparisons"][0]
    assert (comparison["first"], comparison["second"], comparison["n"]) == ("bm25", "oracle", 60)
    assert (comparison["only_first"], comparison["only_second"]) == (0, 40)
    assert comparison["different"] is True
    assert comparison["metric"] == "accuracy"


def test_without_verdicts_providers_are_compared_by_what_they_found() -> None:
    both = run(providers=(provider(), provider("oracle")), until="search")
    comparison = as_json(build_report(both, pairs(), []))["comparisons"][0]
    assert (comparison["metric"], comparison["first_value"], comparison["second_value"]) == ("hit@10", 0.0, 1.0)
    few = run(providers=(provider(), provider("oracle")), until="search", top_k=5)
    assert build_report(few, pairs(), []).comparisons == ()


def test_results_stand_side_by_side_and_only_for_what_was_asked() -> None:
    two = run(
        providers=(provider("b"), provider("a")), benchmarks=(benchmark("synthetic"), benchmark(), benchmark("x"))
    )
    other = case(1).model_copy(update={"benchmark": "synthetic"})
    records = [asked(one, provider=name) for one in (case(1), other) for name in ("a", "b")]
    results = as_json(build_report(two, records, []))["results"]
    assert [(one["benchmark"]["name"], one["provider"]["name"]) for one in results] == [
        ("synthetic", "b"), ("synthetic", "a"), ("locomo", "b"), ("locomo", "a"),
    ]  # fmt: skip


def test_a_record_of_another_run_is_an_error_that_names_it() -> None:
    with pytest.raises(CheckpointError, match="zep on locomo, but was made for bm25 on locomo"):
        build_report(run(), [asked(case(1), provider="zep")], [])


def test_same_inputs_give_the_same_bytes_but_for_clock_fields() -> None:
    def disturbed(record: QuestionRecord) -> QuestionRecord:
        steps = [step.model_copy(update={"service_ms": 900.0, "waited_ms": 50.0}) for step in record.steps]
        return record.model_copy(update={"steps": tuple(steps)})

    gate = [parse_threshold("p95.search_ms=100"), parse_threshold("accuracy=0.1")]
    first = build_report(run(), mixed(), [container()], thresholds=gate)
    later = run(started=FINISHED, finished=FINISHED + timedelta(1), loop_lag_ms_p99=400.0)
    slow = container(ingest_ms=(70.0, 80.0), indexing_ms=900.0)
    second = build_report(later, map(disturbed, mixed()), [slow], thresholds=gate)
    assert as_json(first) != as_json(second)
    assert json.dumps(without_clock_fields(as_json(first))) == json.dumps(without_clock_fields(as_json(second)))


def test_questions_are_not_held_in_memory() -> None:
    alive: set[int] = set()
    most = 0

    class Watched(QuestionRecord):
        def __del__(self) -> None:
            alive.discard(id(self))

    def stream() -> Iterator[QuestionRecord]:
        nonlocal most
        for number in range(200):
            record = Watched.model_validate(asked(case(number)).model_dump())
            alive.add(id(record))
            most = max(most, len(alive))
            yield record

    report = build_report(run(), stream(), [])
    assert report.results[0].questions.selected == 200
    assert most <= 3


ENDS = st.sampled_from(["correct", "wrong", "abstained", "search", "answer", "judge", "ingest", "waiting"])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(ENDS, st.sampled_from(["temporal", "adversarial"]), st.integers(1, 4)), min_size=1, max_size=30)
)
def test_every_selected_question_ends_in_exactly_one_outcome(ends: list[tuple[str, str, int]]) -> None:
    records = []
    for number, (end, kind, conversation) in enumerate(ends):
        gold = UNANSWERABLE if kind == "adversarial" else {"question_type": kind}
        one = case(number, conversation=conversation, **gold)
        if end == "waiting":
            records.append(waiting(one))
        elif end in ("ingest", "search", "answer", "judge"):
            records.append(failed(one, end))
        else:
            records.append(asked(one, end))
    result = build_report(run(), records, []).results[0]
    for questions in (result.questions, *(part.questions for part in result.by_type.values())):
        assert sum(questions.outcomes.model_dump().values()) == questions.selected
        assert questions.judged + questions.errors + questions.outcomes.unjudged == questions.selected
    for split in (result.by_type, result.by_group):
        assert sum(part.questions.selected for part in split.values()) == len(ends) == result.questions.selected
        assert sum(part.questions.correct for part in split.values()) == result.questions.correct
    assert len(result.errors) == result.questions.errors
    assert result.accuracy is not None
    assert result.accuracy.n == len(ends)
    assert result.accuracy.correct == sum(end == "correct" for end, _, _ in ends)


def test_the_order_of_questions_changes_no_number() -> None:
    records = mixed()
    forward, backward = (build_report(run(), order, [container()]).results[0] for order in (records, records[::-1]))
    assert forward.model_copy(update={"errors": ()}) == backward.model_copy(update={"errors": ()})


@pytest.mark.parametrize("model", [None, "gpt-test"])
def test_what_a_judge_without_a_model_cannot_read_is_a_warning(model: str | None) -> None:
    judge = JudgeRecord(name="lexical", protocol="lexical-v2", model=model)
    records = [asked(case(1, ground_truth="成都")), asked(case(2))]
    result = only_result(records, judge=judge)
    expected = (
        "lexical cannot read the words of 1 ground truth in a script without spaces, and looks for each as a whole"
    )
    assert any(text.startswith(expected) for text in result["warnings"]) == (model is None)
