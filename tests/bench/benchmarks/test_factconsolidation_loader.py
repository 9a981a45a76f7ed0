"""FactConsolidation: loaded true to its file, one haystack for two rows, graded by its own metric without a model."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: parsed JSON

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.factconsolidation import SESSION_TOKENS, FactConsolidation
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from judges import open_judge
from judges.substring_exact_match import SubstringExactMatchJudge
from reports.metrics import substring_exact_match
from reports.report import read_lines
from tests.repository import DATA
from vocabulary import Answer, Case, DataError, DataMissingError, Gold, Question, estimate_tokens

Raw = list[dict[str, Any]]
FILE = "factconsolidation/Conflict_Resolution.json"
FACTS = {"6k": 455, "32k": 2310, "64k": 4580, "262k": 18332}


@pytest.fixture(scope="module")
def published() -> Raw:
    if not (DATA / FILE).is_file():
        pytest.skip(f"no {FILE} in {DATA}: set MEMORYBENCH_DATA")
    loaded: Raw = json.loads((DATA / FILE).read_bytes())
    return loaded


@pytest.fixture(scope="module")
def facts(published: Raw) -> FactConsolidation:
    assert published
    return FactConsolidation(BenchmarkOptions(data=str(DATA)))


def small(**changes: object) -> dict[str, Any]:
    """A row of three facts, of which the last one overrules the first."""
    lines = ("Here is a list of facts:", "0. Ann plays chess.", "1. Bo is Ann's son.", "2. Ann plays golf.", "")
    row = {
        "context": "\n".join(lines),
        "questions": ["What does Ann play?"],
        "answers": [["golf"]],
        "metadata": {"source": "factconsolidation_sh_6k", "qa_pair_ids": ["factconsolidation_sh_6k_no0"]},
    }
    return row | changes


def load(folder: Path, rows: object) -> FactConsolidation:
    (folder / "Conflict_Resolution.json").write_text(json.dumps(rows), encoding="utf-8")
    return FactConsolidation(BenchmarkOptions(data=str(folder)))


# --- the published rows ---------------------------------------------------------------------------------------------


def test_eight_rows_of_a_hundred_questions_share_four_lists(facts: FactConsolidation, published: Raw) -> None:
    counts = Counter((case.gold.question_type, *case.gold.groups) for case in facts.cases())
    assert counts == {(kind, size): 100 for kind in ("single-hop", "multi-hop") for size in FACTS}
    assert len({case.haystack for case in facts.cases()}) == 4
    asked = [(case.source_id, case.question.text, case.gold.ground_truth) for case in facts.cases()]
    assert asked == [
        (name, text, answer)
        for row in published
        for name, text, (answer,) in zip(row["metadata"]["qa_pair_ids"], row["questions"], row["answers"], strict=True)
    ]


def test_each_fact_is_a_message_with_its_number_in_sessions_of_a_chunk(
    facts: FactConsolidation, published: Raw
) -> None:
    haystack_of = {case.gold.groups[0]: case.haystack for case in facts.cases()}
    for row in published:
        size = row["metadata"]["source"].rpartition("_")[2]
        sessions = list(facts.haystack(haystack_of[size]).sessions())
        texts = [message.text for session in sessions for message in session.messages]
        assert texts == row["context"].strip().split("\n")[1:]
        assert len(texts) == FACTS[size]
        sizes = [sum(estimate_tokens(message.text) for message in session.messages) for session in sessions]
        assert max(sizes) <= SESSION_TOKENS
        assert min([*sizes[:-1], SESSION_TOKENS]) > SESSION_TOKENS - 100, "as full as whole facts allow"
        assert {session.date for session in sessions} == {None}


def test_ids_are_safe_and_a_question_gives_nothing_away(facts: FactConsolidation) -> None:
    assert len({case.id for case in facts.cases()}) == 800
    assert all(re.fullmatch(r"[sm]h-\d+k-q\d{3}", case.id) for case in facts.cases())
    assert all(re.fullmatch(r"q[0-9a-f]{16}", case.question.id) for case in facts.cases())
    assert facts.info.notes[-1] == "the data name no evidence: retrieval is not scored"


# --- other files ----------------------------------------------------------------------------------------------------


def test_a_copy_as_json_loads_unverified(tmp_path: Path) -> None:
    loaded = load(tmp_path, [small()])
    assert not loaded.info.verified
    assert loaded.info.notes[0].startswith("unverified data: Conflict_Resolution.json is not the published file")
    assert [case.id for case in loaded.cases()] == ["sh-6k-q000"]


def test_the_parquet_file_has_the_same_cases_and_haystacks(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install -e '.[parquet]'")
    from pyarrow import parquet

    of_json = load(tmp_path, [small()])
    parquet.write_table(pa.Table.from_pylist([small()]), tmp_path / "Conflict_Resolution-00000-of-00001.parquet")
    loaded = FactConsolidation(BenchmarkOptions(data=str(tmp_path)))
    assert loaded.info.sha256 != of_json.info.sha256, "the published format goes before a copy"
    assert loaded.cases() == of_json.cases()
    (tmp_path / "Conflict_Resolution-00000-of-00001.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(DataError, match=r"not a Parquet file .* get the published file with `python -m bench download"):
        FactConsolidation(BenchmarkOptions(data=str(tmp_path)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row | {"metadata": {"source": "eventqa_full", "qa_pair_ids": []}}, "source 'eventqa_full' is not"),
        (lambda row: row | {"answers": []}, "1 questions, 0 answers and 1 qa_pair_ids"),
        (lambda row: row | {"answers": [["golf", "chess"]]}, r"answers\[0\] is \['golf', 'chess'\] instead of one"),
        (lambda row: row | {"answers": [[" "]]}, r"answers\[0\] is \[' '\] instead of one"),
        (lambda row: row | {"context": "Facts:\n0. One.\n2. Two."}, "line 3 of the context, '2. Two.', is not fact 1"),
        (lambda _row: small(context="Facts:"), "the context 'Facts:' holds no facts"),
        (lambda row: row | {"questions": "What?"}, "0.questions: Input should be a valid array"),
        (lambda _row: 7, "0: Input should be an object|0: Input should be a valid dictionary"),
    ],
)
def test_a_row_that_is_not_as_published_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(tmp_path, [change(small())])


def test_a_source_twice_and_what_is_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1 \(factconsolidation_sh_6k\): a row before it has the same source"):
        load(tmp_path, [small(), small()])
    with pytest.raises(DataError, match="the whole: Input should be a valid array"):
        load(tmp_path, {})
    with pytest.raises(DataMissingError, match="bench download factconsolidation"):
        FactConsolidation(BenchmarkOptions(data=str(tmp_path / "nowhere")))


# --- the metric and the judge ---------------------------------------------------------------------------------------

OURS_AND_THEIRS = [
    ("The Beatles", "beatles", True),
    ("a rock-music band", "Rockmusic", True),
    ("I do not know; perhaps  GOLF.", "golf", True),
    ("golfing", "golf", True),
    ("chess", "golf", False),
    ("", "golf", False),
    ("Theodore", "the", True),
    ("São Paulo", "Sao Paulo", False),
]


@pytest.mark.parametrize(("said", "truth", "held"), OURS_AND_THEIRS)
def test_the_metric_is_that_of_the_official_script(said: str, truth: str, held: bool) -> None:
    assert substring_exact_match(said, Gold(question_type="single-hop", ground_truth=truth)) == held
    assert by_hand(said, truth) == held


def test_the_judge_is_the_metric_and_knows_refusals() -> None:
    judge, question = open_judge("substring_exact_match"), Question(id="q", text="What does Ann play?")
    assert isinstance(judge, SubstringExactMatchJudge)
    golf = Gold(question_type="single-hop", ground_truth="golf")
    labels = [
        judge.evaluate(question, golf, Answer(hypothesis=said)).label
        for said in ("Golf.", "chess", "There is no information about it.")
    ]
    assert labels == ["correct", "wrong", "abstained"]
    nothing = golf.model_copy(update={"answerable": False})
    labels = [judge.evaluate(question, nothing, Answer(hypothesis=said)).label for said in ("Not mentioned.", "golf")]
    assert labels == ["correct", "wrong"]


def by_hand(said: str, truth: str) -> bool:
    """Another way to the same: word by word."""

    def plain(text: str) -> str:
        kept = "".join(sign for sign in text.lower() if sign not in string.punctuation)
        # an article is a whole word, and a word is what letters, digits and underscores make
        return " ".join("".join(part for part in re.split(r"(\w+)", kept) if part not in ("a", "an", "the")).split())

    return plain(truth) in plain(said)


@pytest.mark.long
def test_a_run_over_all_sizes_needs_four_ingests_and_no_judge(
    facts: FactConsolidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = build_benchmark_config(data=str(DATA), runs_dir=tmp_path, run_id="facts")
    (result,) = run_benchmark(config, "factconsolidation").report.results
    assert (result.questions.selected, result.questions.errors, result.calls.ingest_sessions) == (800, 0, 97)
    assert (result.judge.name, result.judge.protocol) == ("substring_exact_match", "substring_exact_match/1")
    assert (result.retrieval.message is not None and result.retrieval.message.n) == 0
    case_of: dict[str, Case] = {case.id: case for case in facts.cases()}
    right, asked = Counter[str](), Counter[str]()
    for line in read_lines(tmp_path / "facts"):
        case = case_of[line["question_id"]]
        for part in ("all", case.gold.question_type, *case.gold.groups):
            right[part] += by_hand(line["answer"], case.gold.ground_truth)
            asked[part] += 1
    counted = {"all": result.accuracy}
    counted |= {name: part.accuracy for name, part in {**result.by_type, **result.by_group}.items() if name in asked}
    assert counted.keys() == {"all", "single-hop", "multi-hop", *FACTS}
    for name, accuracy in counted.items():
        assert accuracy
        assert (accuracy.correct, accuracy.n) == (right[name], asked[name])
    assert result.f1 == {}, "a match is no F1"
    scores = result.exact_match["substring_exact_match"]
    assert scores.overall.value == right["all"] / 800
    assert {name: score.value for name, score in scores.by_type.items()} == {
        name: right[name] / 400 for name in ("single-hop", "multi-hop")
    }
    assert right["all"] > 80, "the offline answering model finds some"
