"""Grading by nuggets: the order of events, a model's calls, the offline judge, and published grades summed up again."""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.event_order import event_order
from judges.lexical import LexicalJudge
from judges.lexical_nuggets import FULL, LONGEST, PARTLY
from judges.model_judge import ModelJudge
from judges.nuggets import NUGGET_PROTOCOLS, NuggetGrade, NuggetProtocol, OrderReply
from reports.metrics import NuggetTally, nugget_score
from tests.judges.test_model_judge import ScriptedModel
from tests.repository import ROOT
from vocabulary import Answer, Gold, JudgeError, ModelError, Nugget, Question, Usage, Verdict

PAGE = (ROOT / "docs" / "beam.md").read_text(encoding="utf-8")
PROTOCOLS: dict[str, NuggetProtocol] = {protocol.name: protocol for protocol in NUGGET_PROTOCOLS}
QUESTION = Question(id="q1", text="What did I plan first, the roof or the garden?")
RUBRIC = ("LLM response should state: the roof came first", "LLM response should mention: a garden pond with three koi")
GOLD = Gold(question_type="knowledge_update", ground_truth="The roof", rubric=RUBRIC, evidence_messages=("m000007",))
EVENTS = Gold(question_type="event_ordering", ground_truth="Roof, garden, pond", rubric=("Roof", "Garden", "Pond"))
UNANSWERABLE = Gold(
    question_type="abstention", ground_truth="No information", answerable=False, rubric=("No information",)
)
WORDING = {"beam-nuggets/1": "c2b6c1e3e712d142", "beam-paper/1": "93c85e02cfd4ad27"}
FULLY, HALF, NOT = (json.dumps({"reasoning": f"It is {met}.", "met": met}) for met in ("full", "partly", "not"))


def _as_the_code_has_it(system: list[str], reference: list[str]) -> float:
    """The paper's `tau_norm` by scipy, from lines that are aligned already."""
    from scipy.stats import kendalltau

    union = list(dict.fromkeys([*reference, *system]))

    def ranks(order: list[str]) -> list[int]:
        places = {one: place for place, one in enumerate(order, start=1)}
        return [places.get(one, len(union) + 1) for one in union]

    tau = float(kendalltau(ranks(reference), ranks(system), variant="b").statistic)
    return 0.0 if math.isnan(tau) else (tau + 1) / 2


@example(events=3, said=[3, 3, 3, 3, 3])
@given(st.integers(2, 6), st.lists(st.integers(0, 5) | st.sampled_from(["", "Intro", "More"]), min_size=1, max_size=9))
def test_the_order_of_events_is_that_of_the_papers_code(events: int, said: list[int | str]) -> None:
    lines = [(f"line {one}" if isinstance(one, int) else one, one if isinstance(one, int) and one < events else None)
             for one in said]  # fmt: skip
    system, used = [], set[int]()
    for text, event in lines:
        system.append(f"event {event}" if event is not None and event not in used else text)
        used |= set() if event is None else {event}
    expected = _as_the_code_has_it(system, [f"event {number}" for number in range(events)])
    assert event_order(lines, events) == pytest.approx(expected, abs=1e-12)


def test_orders_that_can_be_worked_out_by_hand() -> None:
    assert event_order([("a", 0), ("b", 1), ("c", 2)], 3) == 1.0
    assert event_order([("c", 2), ("b", 1), ("a", 0)], 3) == 0.0
    assert event_order([("b", 1), ("a", 0), ("c", 2)], 3) == pytest.approx(2 / 3), "two of three pairs: tau 1/3"
    assert event_order([("a", 0), ("b", 1), ("c", 2), ("In short", None)], 3) == 1.0
    assert event_order([("First:", None), ("a", 0), ("b", 1), ("c", 2)], 3) < 1.0, "what comes before is an order too"
    assert event_order([("a", 0)], 1) == 0.0, "undefined"


def _judged(
    *said: str | ModelError, protocol: str, gold: Gold = GOLD, answer: str = "The roof.\nThen the garden."
) -> Any:
    model = ScriptedModel(*said)
    model.usages = [Usage(input_tokens=10 * n) for n in range(1, 9)]
    judge = ModelJudge("gpt-5.4-mini", protocol, chat=model)
    return asyncio.run(judge.evaluate(QUESTION, gold, Answer(hypothesis=answer))), model


@pytest.mark.parametrize(
    ("protocol", "replies", "score", "label"),
    [
        ("beam-nuggets", (FULLY, NOT), "0.500", "correct"),
        ("beam-nuggets", (HALF, HALF), "0.500", "correct"),
        ("beam-nuggets", (HALF, NOT), "0.250", "wrong"),
        ("beam-paper", (FULLY, NOT), "0.500", "correct"),
        ("beam-paper", (HALF, HALF), "0.000", "wrong"),
        ("beam-paper", (FULLY, HALF), "0.500", "correct"),
    ],
)
def test_a_model_grades_each_nugget_in_a_call_of_its_own(
    protocol: str, replies: tuple[str, str], score: str, label: str
) -> None:
    verdict, model = _judged(*replies, protocol=protocol)
    assert (verdict.label, verdict.usage) == (label, Usage(input_tokens=30, calls=2))
    assert verdict.explanation.startswith(f"{protocol} {score}; nuggets ")
    assert [one.score for one in verdict.nuggets] == [{FULLY: 1.0, HALF: 0.5, NOT: 0.0}[reply] for reply in replies]
    assert verdict.nuggets[0].reason.startswith("It is ")
    assert len({system.content for system, _user in model.asked}) == 1, "what comes first is what servers cache"
    for nugget, (system, user) in zip(RUBRIC, model.asked, strict=True):
        assert user.content.count(nugget) == 1
        assert (QUESTION.text in user.content) is (protocol == "beam-nuggets"), "the paper's judge lacks the question"
        assert not [word for word in ("knowledge_update", "m000007", GOLD.ground_truth) if word in system.content]
    assert ModelJudge("gpt-5.4-mini", protocol, chat=model).calls_for(GOLD) == 2


@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_words_are_another_version(name: str) -> None:
    protocol, answer = PROTOCOLS[name], Answer(hypothesis="The roof.\nThe garden.")
    sent = [*protocol.messages(QUESTION, RUBRIC[0], answer), *protocol.order_messages(EVENTS, answer)]
    shapes = [NuggetGrade.model_json_schema(), OrderReply.model_json_schema()]
    digest = sha256(json.dumps([*(message.content for message in sent), *shapes], sort_keys=True).encode())
    assert WORDING[protocol.id] == digest.hexdigest()[:16], f"raise the version of {name}: its words have changed"


def test_the_paper_grades_the_order_of_events_from_the_lines_of_the_answer() -> None:
    told = json.dumps({"told": [{"line": 1, "event": 2}, {"line": 3, "event": 1}, {"line": 4, "event": 9}]})
    answer = "The garden.\n\nThe roof.\nThe cat."
    verdict, model = _judged(FULLY, FULLY, NOT, told, protocol="beam-paper", gold=EVENTS, answer=answer)
    assert verdict.order == event_order([("The garden.", 1), ("", None), ("The roof.", 0), ("The cat.", None)], 3)
    assert [one.score for one in verdict.nuggets] == [1.0, 1.0, 0.0]
    asked = model.asked[-1][1].content
    assert "[1] The garden." in asked
    assert "[3] The roof." in asked
    assert "[2]" not in asked, "a line without any text tells nothing"
    assert "1. Roof\n2. Garden\n3. Pond" in asked
    assert ModelJudge("gpt-5.4-mini", "beam-paper", chat=model).calls_for(EVENTS) == 4
    without, _model = _judged(FULLY, FULLY, NOT, protocol="beam-nuggets", gold=EVENTS, answer=answer)
    assert without.order is None


def test_replies_that_cannot_be_read_are_asked_for_once_more_and_are_then_an_error() -> None:
    verdict, model = _judged("Fine.", FULLY, NOT, protocol="beam-nuggets")
    assert verdict.usage == Usage(input_tokens=60, calls=3)
    assert "could not be read" in model.asked[1][1].content
    with pytest.raises(JudgeError, match="neither of two replies"):
        _judged(FULLY, "Fine.", '{"reasoning": "", "met": "half"}', protocol="beam-nuggets")
    with pytest.raises(JudgeError, match="busy") as error:
        _judged(FULLY, ModelError("busy", transient=True), protocol="beam-nuggets")
    assert error.value.transient


def test_another_attempt_does_not_pay_for_replies_again() -> None:
    busy = ModelError("busy", transient=True)
    model = ScriptedModel(FULLY, busy, HALF, FULLY, ModelError("refused"), FULLY, NOT)
    model.usages = [Usage(input_tokens=10 * n) for n in range(1, 9)]
    judge, answer = ModelJudge("gpt-5.4-mini", "beam-nuggets", chat=model), Answer(hypothesis="The roof.")

    def verdict() -> Verdict:
        return asyncio.run(judge.evaluate(QUESTION, GOLD, answer))

    with pytest.raises(JudgeError, match="busy"):
        verdict()
    found = verdict()
    assert [one.score for one in found.nuggets] == [1.0, 0.5]
    assert found.usage == Usage(input_tokens=40, calls=2), "the first reply and the third"
    with pytest.raises(JudgeError, match="refused"):
        verdict()
    assert [one.score for one in verdict().nuggets] == [1.0, 0.0], "what will not pass begins anew"


def test_nuggets_wait_for_batches_together_and_a_failure_is_that_of_the_question() -> None:
    model = ScriptedModel(ModelError("refused"), FULLY)
    judge = ModelJudge("gpt-5.4-mini", "beam-nuggets", chat=model)
    judge.unhurried = True
    with pytest.raises(JudgeError, match="refused"):
        asyncio.run(judge.evaluate(QUESTION, GOLD, Answer(hypothesis="The roof.")))
    assert model.said == [], "both were asked"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_empty_answer_is_wrong_without_a_call(protocol: str) -> None:
    verdict, model = _judged(protocol=protocol, gold=EVENTS, answer=" ")
    assert (verdict.label, model.asked) == ("wrong", [])
    assert [one.score for one in verdict.nuggets] == [0.0] * 3
    lexical = LexicalJudge().for_protocol(protocol).evaluate(QUESTION, EVENTS, Answer(hypothesis=" "))
    assert lexical.nuggets == verdict.nuggets


@pytest.mark.parametrize(
    ("said", "gold", "scores"),
    [
        ("The roof came first, then a garden pond for 3 koi.", GOLD, [1.0, 1.0]),
        ("The roof came first, then a garden pond for 5 koi.", GOLD, [1.0, 0.5]),
        ("I like cheese.", GOLD, [0.0, 0.0]),
        ("I do not have any information about that.", GOLD, [0.0, 0.0]),
        ("I do not have any information about that.", UNANSWERABLE, [1.0]),
        ("The roof.", UNANSWERABLE, [0.0]),
        (f"{'cheese ' * LONGEST}the roof came first, a garden pond with three koi", GOLD, [0.0, 0.0]),
    ],
)
def test_the_offline_judge_grades_by_the_words_of_each_nugget(said: str, gold: Gold, scores: list[float]) -> None:
    judge = LexicalJudge().for_protocol("beam-nuggets")
    assert judge.protocol == "lexical-beam-nuggets/1"
    assert [one.score for one in judge.evaluate(QUESTION, gold, Answer(hypothesis=said)).nuggets] == scores
    assert LexicalJudge().for_protocol("longmemeval").evaluate(QUESTION, gold, Answer(hypothesis=said)).nuggets == ()


def test_the_offline_judge_reads_the_order_of_events_from_lines() -> None:
    judge = LexicalJudge().for_protocol("beam-paper")
    ordered, reverse = "1. The roof\n2. The garden\n3. A pond", "1. A pond\n2. The garden\n3. The roof"
    assert judge.evaluate(QUESTION, EVENTS, Answer(hypothesis=ordered)).order == 1.0
    assert judge.evaluate(QUESTION, EVENTS, Answer(hypothesis=reverse)).order == 0.0


@pytest.fixture(scope="module")
def mem0(data_folder: Path) -> Any:  # any: parsed JSON
    path = data_folder / "published" / "mem0" / "beam_1m_top50_results.json"
    if not path.is_file():
        pytest.skip(f"no {path} (MEMORYBENCH_DATA)")
    return json.loads(path.read_bytes())


def _published(mem0: Any) -> list[tuple[Gold, Verdict, str, str, int]]:  # any: parsed JSON
    found = []
    for one in mem0["evaluations"]:
        kind, graded = one["question_type"], one["cutoff_results"]["top_50"]
        gold = Gold(question_type=kind, ground_truth="-", answerable=kind != "abstention", rubric=tuple(one["rubric"]))
        nuggets = [Nugget(score=nugget["score"]) for nugget in graded["nugget_scores"]]
        verdict = PROTOCOLS["beam-nuggets"].verdict(gold, nuggets)
        found.append((gold, verdict, one["question"], graded["generated_answer"], one["conversation_idx"]))
    return found


def test_published_grades_of_beam_1m_give_the_published_averages(mem0: Any) -> None:  # any: parsed JSON
    """mem0 publishes the mean and the pass rate; nobody publishes the paper's score of these answers."""
    tally, by_hand = NuggetTally(), defaultdict[str, list[float]](list)
    for gold, verdict, *_ in _published(mem0):
        tally.add(verdict, gold)
        scores = [nugget.score for nugget in verdict.nuggets]
        by_hand[gold.question_type].append(
            sum(scores if gold.question_type == "event_ordering" else map(int, scores)) / len(scores)
        )
    metrics = mem0["metrics_by_cutoff"]["top_50"]
    summed = tally.summary(list(metrics["by_question_type"]))
    ours, theirs = summed["beam_nuggets"], metrics["overall"]
    assert round(ours.overall.value or 0, 4) == round(theirs["avg_score"], 4) == 0.6037
    assert ours.passed.value == theirs["correct"] / theirs["total"] == 470 / 700
    for name, published in metrics["by_question_type"].items():
        # theirs are means of scores that were rounded to four digits before
        assert ours.by_type[name].value == pytest.approx(published["avg_score"], abs=5e-5), name
        assert summed["beam_paper"].by_type[name].value == pytest.approx(sum(by_hand[name]) / 70, abs=1e-12), name
    assert sum(verdict.correct for _gold, verdict, *_ in _published(mem0)) == 470
    assert summed["beam_paper"].overall.value == pytest.approx(sum(map(sum, by_hand.values())) / 700, abs=1e-12)
    assert f"by its nuggets | none | {summed['beam_paper'].overall.value:.4f} |" in PAGE
    assert summed["beam_paper"].by_type["event_ordering"] == ours.by_type["event_ordering"], "no order was graded"


@pytest.mark.long
def test_the_offline_judge_agrees_with_published_grades_as_the_docs_say(mem0: Any) -> None:  # any: parsed JSON
    """On chats with odd numbers; the two thresholds were chosen on the others."""
    pairs = []
    for gold, verdict, question, said, chat in _published(mem0):
        if chat % 2:
            judge = LexicalJudge().for_protocol("beam-nuggets")
            mine = judge.evaluate(Question(id="q", text=question), gold, Answer(hypothesis=said))
            pairs += [(a.score >= 0.5, b.score >= 0.5) for a, b in zip(mine.nuggets, verdict.nuggets, strict=True)]
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    mine, theirs = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    chance = mine * theirs + (1 - mine) * (1 - theirs)
    assert f"On the {len(pairs):,} nuggets" in PAGE
    assert f"in {agreed:.1%}, kappa {(agreed - chance) / (1 - chance):.2f}".replace("%", " %") in PAGE
    assert f"holds {FULL:.0%} of a nugget's content".replace("%", " %") in PAGE
    assert f"from {PARTLY:.0%} on".replace("%", " %") in PAGE


@pytest.mark.parametrize(("kind", "order", "paper"), [("event_ordering", 0.25, 0.25), ("event_ordering", None, 0.75),
                                                      ("summarization", None, 0.5)])  # fmt: skip
def test_how_a_question_is_summed_up(kind: str, order: float | None, paper: float) -> None:
    nuggets = [Nugget(score=1.0), Nugget(score=0.5)]
    assert nugget_score("beam_paper", nuggets, order, kind) == paper
    assert nugget_score("beam_nuggets", nuggets, order, kind) == 0.75


def test_a_question_without_a_verdict_counts_0_and_votes_count_alike() -> None:
    tally, gold = NuggetTally(), GOLD
    assert tally.summary(["knowledge_update"]) == {}
    tally.add(None, gold)
    assert tally.summary(["knowledge_update"]) == {}, "nobody graded nuggets"
    both = [PROTOCOLS["beam-nuggets"].verdict(gold, [Nugget(score=score)] * 2) for score in (1.0, 0.5)]
    own = [{"judge": f"j{n}", "repeat": 0, **one.model_dump(exclude={"votes"})} for n, one in enumerate(both)]
    tally.add(Verdict.model_validate({"label": "correct", "explanation": "-", "votes": own}), gold)
    found = tally.summary(["knowledge_update"])["beam_nuggets"]
    assert (found.overall.value, found.overall.n, found.passed.value) == (0.375, 2, 0.5)
