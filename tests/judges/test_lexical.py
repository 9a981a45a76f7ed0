from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]  # it has no stubs

from judges import open_judge
from judges.content import content
from judges.lexical import LexicalJudge
from llms.extractive import ExtractiveAnswerer
from schema import Answer, Gold, Question, SearchResult, Verdict

DATA = Path(os.environ.get("MEMORYBENCH_DATA") or Path(__file__).parents[2] / "../shared/data")
GRADES, LOCOMO = DATA / "judge/zep_locomo_grades.json", DATA / "locomo/locomo10.json"

# question, ground truth, then answers with what a careful person would say of them
HAND_MADE: list[tuple[str, str, dict[str, bool]]] = [
    (
        "When did Petra run her first marathon?",
        "7 May 2023",
        {
            "May 7, 2023": True,
            "She ran it on 2023-05-07.": True,
            "On the 7th of May": True,
            "8 May 2023": False,
            "7 May 2022": False,
            "7 June 2023": False,
            "in spring, I think": False,
        },
    ),
    (
        "When did Petra visit the clinic?",
        "The week before 9 June 2023",
        {
            "the week before June 9, 2023": True,
            "6 June 2023": True,
            "the Monday before 9 June 2023": True,
            "9 June 2023": False,
            "the week after 9 June 2023": False,
            "1 June 2023": False,
        },
    ),
    ("When did Omar open his bakery?", "June 2023", {"19 June 2023": True, "June 2023": True, "July 2023": False}),
    ("Which year did Omar emigrate?", "2016", {"He emigrated in 2016.": True, "2015": False, "March 2016": True}),
    ("How many cats does Omar keep?", "three", {"3": True, "He keeps three cats.": True, "four": False, "cats": False}),
    (
        "How long did the renovation take?",
        "two months",
        {"It took 2 months": True, "two weeks": False, "a year": False},
    ),
    ("How often has Petra been robbed?", "Twice", {"two times": True, "once": False}),
    ("Is Omar allergic to nuts?", "Yes", {"Yes, he is.": True, "No": False, "He is not allergic to nuts.": False}),
    (
        "Would Petra move back to Oslo?",
        "Likely no; she loves the south",
        {"No": True, "Probably not, no.": True, "Yes, she would": False, "She wouldn't go back to Oslo.": True},
    ),
    ("What does Omar think of the plan?", "He supports it", {"He is supportive": True, "He doesn't support it": False}),
    ("Where does Petra work?", "at the harbour office", {"harbour office": True, "the airport": False}),
    ("What is Omar's favourite dish?", "Mushroom risotto", {"He loves a risotto with mushrooms": True, "Pizza": False}),
    (
        "Which instruments does Petra play?",
        "cello, oboe, harp, drums",
        {"She plays the harp, the drums, the oboe and the cello.": True, "the cello": False, "guitar and bass": False},
    ),
    ("Who taught Omar to bake?", "his mother", {"His mom did": True, "his uncle": False}),
    ("What did Petra buy?", "a red kayak", {"A kayak, a red one": True, "a bicycle": False, "  ": False}),
    (
        "Why did Omar leave?",
        "he was exhausted by the night shifts",
        {"Exhaustion from night shifts": True, "a row": False},
    ),
]
ITEMS = [(question, truth, said, right) for question, truth, answers in HAND_MADE for said, right in answers.items()]


def judged(question: str, truth: str, said: str, *, answerable: bool = True) -> Verdict:
    gold = Gold(question_type="any", ground_truth=truth, answerable=answerable)
    return LexicalJudge().evaluate(Question(id="q", text=question), gold, Answer(hypothesis=said))


def test_it_agrees_with_the_hand_made_set() -> None:
    missed = [item for item in ITEMS if judged(*item[:3]).correct != item[3]]
    print(f"hand-made set: {len(ITEMS) - len(missed)} of {len(ITEMS)} as a person would say")
    assert len(ITEMS) >= 40
    assert 1 - len(missed) / len(ITEMS) >= 0.9, missed
    assert not [item for item in missed if "2023" in item[1] or item[1] in ("three", "two months", "Yes")], missed


REFUSALS = (
    "No information available.",
    "Not mentioned",
    "I don't know.",
    "I'm sorry, but I couldn't find that in the memories.",
    "The provided context does not mention it.",
    "There is no record of a kayak.",
    "Nothing in the conversation says so.",
    "It is not specified; perhaps a red kayak.",
)


@pytest.mark.parametrize("said", REFUSALS)
def test_a_refusal_is_right_where_nothing_can_be_known_and_abstains_elsewhere(said: str) -> None:
    assert judged("What did Petra buy?", "not answerable", said, answerable=False).label == "correct"
    assert judged("What did Petra buy?", "a red kayak", said).label == "abstained"


@pytest.mark.parametrize(
    "said", ["a red kayak", "Unfortunately, her kayak sank.", "She did not mention it to Omar.", "No, she doesn't.", ""]
)
def test_an_answer_is_wrong_where_nothing_can_be_known(said: str) -> None:
    assert judged("What did Petra buy?", "not answerable", said, answerable=False).label == "wrong"


@pytest.mark.parametrize("said", ["", "  \n"])
def test_an_empty_answer_is_wrong(said: str) -> None:
    assert judged("What did Petra buy?", "a red kayak", said).label == "wrong"


def test_the_explanation_has_the_figures() -> None:
    assert "8 May 2023 is not within 7 May 2023" in judged("When?", "7 May 2023", "8 May 2023").explanation
    assert "1 of 4 items" in judged("Which?", "cello, oboe, harp, drums", "cello").explanation
    assert "has 4" in judged("How many cats?", "three", "four").explanation


def test_what_stands_beyond_the_first_words_does_not_count() -> None:
    filler = "we talked about the weather and about many other things of little importance " * 3
    assert judged("What did Petra buy?", "a red kayak", f"a red kayak {filler}").correct
    assert not judged("What did Petra buy?", "a red kayak", f"{filler} a red kayak").correct


def test_repeating_a_yes_or_no_question_answers_nothing() -> None:
    assert not judged("Is Omar allergic to nuts?", "Yes", "Is Omar allergic to nuts?").correct


def test_listing_dates_until_one_fits_does_not_count() -> None:
    days = ", ".join(f"{day} May 2023" for day in range(1, 10))
    assert not judged("When did Petra run?", "7 May 2023", days).correct


def test_it_is_found_by_its_name() -> None:
    assert isinstance(open_judge("lexical"), LexicalJudge)
    assert (LexicalJudge.protocol, LexicalJudge.model) == ("lexical-v1", None)


@pytest.mark.skipif(
    not GRADES.exists(), reason=f"{GRADES} is not there: set MEMORYBENCH_DATA to the folder of real data"
)
def test_it_agrees_with_published_grades() -> None:
    users = json.loads(GRADES.read_text(encoding="utf-8"))
    pairs = {
        user: [(r["grade"], judged(r["question"], str(r["golden_answer"]), r["answer"]).correct) for r in records]
        for user, records in users.items()
    }
    tuned = sorted(users)[:4]
    unseen = [pair for user in users if user not in tuned for pair in pairs[user]]
    everything = [pair for user in users for pair in pairs[user]]
    assert len(everything) > 900
    for name, graded in (("unseen conversations", unseen), ("all conversations", everything)):
        kappa = cohen_kappa_score(*zip(*graded, strict=True))
        print(f"kappa, {name}: {kappa:.3f} (n={len(graded)})")
        assert kappa >= 0.6


def date_of(sample: dict[str, dict[str, str]], session: str) -> datetime:
    return datetime.strptime(sample["conversation"][f"{session}_date_time"], "%I:%M %p on %d %B, %Y")


@pytest.mark.skipif(
    not LOCOMO.exists(), reason=f"{LOCOMO} is not there: set MEMORYBENCH_DATA to the folder of real data"
)
def test_pasting_what_was_found_pays_less_than_answering_from_it() -> None:
    rates: Counter[str] = Counter()
    for sample in json.loads(LOCOMO.read_text(encoding="utf-8"))[:3]:
        messages = [
            (
                SearchResult(text=f"{turn['speaker']}: {turn['text']}", timestamp=date_of(sample, day)),
                set(content(turn["text"])),
            )
            for day, session in sample["conversation"].items()
            if isinstance(session, list)
            for turn in session
        ]
        for record in (record for record in sample["qa"] if record["category"] < 5):
            question, truth = record["question"], str(record["answer"])
            wanted = set(content(question))
            shared = {result.text: len(bag & wanted) for result, bag in messages}
            best = sorted((result for result, _ in messages), key=lambda result: -shared[result.text])[:10]
            extracted = ExtractiveAnswerer().answer(Question(id="q", text=question), best).hypothesis
            rates["asked"] += 1
            rates["truth"] += judged(question, truth, truth).correct
            rates["pasted"] += judged(question, truth, " ".join(result.text for result in best)).correct
            rates["extracted"] += judged(question, truth, extracted).correct
    print(f"accepted: {dict(rates)}")
    assert rates["truth"] >= 0.99 * rates["asked"]
    assert rates["pasted"] < rates["extracted"]
    assert rates["pasted"] <= 0.3 * rates["asked"]
