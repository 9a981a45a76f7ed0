"""LongMemEval's files as cases and haystacks: counts of the published data, and each of its oddities in a made file."""

from __future__ import annotations

import json
import lzma
import re
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.longmemeval import LongMemEval, LongMemEvalM, LongMemEvalOracle, LongMemEvalS
from bench.data import index_folder
from tests.bench.benchmarks.made_longmemeval import instances, write
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Case, DataError, DataMissingError

Instances = list[dict[str, Any]]


@pytest.fixture(scope="session")
def real_oracle(data_folder: Path) -> LongMemEvalOracle:
    if not (data_folder / "longmemeval" / "longmemeval_oracle.json").is_file():
        pytest.skip(f"no longmemeval/longmemeval_oracle.json in {data_folder} (MEMORYBENCH_DATA)")
    return LongMemEvalOracle(BenchmarkOptions(data=str(data_folder)))


@pytest.fixture(scope="session")
def sixty(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 real instances of S under the published file's name."""
    packed = data_folder / "longmemeval" / "longmemeval_s_cleaned_60.json.xz"
    if not packed.is_file():
        pytest.skip(f"no {packed.name} in {packed.parent} (MEMORYBENCH_DATA)")
    folder = tmp_path_factory.mktemp("sixty")
    (folder / "longmemeval_s_cleaned.json").write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


def _by_type(cases: Any) -> dict[str, tuple[int, int]]:
    """Of each type: questions, and how many of them have no answer."""
    every = Counter(case.gold.question_type for case in cases)
    without = Counter(case.gold.question_type for case in cases if not case.gold.answerable)
    return {name: (every[name], without[name]) for name in every}


def test_the_published_oracle(real_oracle: LongMemEvalOracle) -> None:
    cases = real_oracle.cases()
    assert _by_type(cases) == {
        "temporal-reasoning": (133, 6),
        "multi-session": (133, 12),
        "knowledge-update": (78, 6),
        "single-session-user": (70, 6),
        "single-session-assistant": (56, 0),
        "single-session-preference": (30, 0),
    }
    assert real_oracle.info.verified
    haystacks = [real_oracle.haystack(case.haystack) for case in cases]
    assert sum(haystack.session_count for haystack in haystacks) == 948
    assert sum(len(session.messages) for haystack in haystacks for session in haystack.sessions()) == 10_960
    assert Counter(len(case.gold.evidence_sessions) for case in cases) == {1: 176, 2: 250, 3: 41, 4: 19, 5: 11, 6: 3}
    averaged = [c for c in cases if c.gold.answerable and any("u" in name for name in c.gold.evidence_messages)]
    assert len(averaged) == 419
    assert real_oracle.info.notes[0].startswith("sessions dated after their question: 65, of 43 questions; kept")
    assert sum(case.gold.ground_truth.lstrip("-").isdigit() for case in cases) >= 32


@pytest.mark.long
def test_sixty_published_instances_of_s(sixty: Path) -> None:
    benchmark = LongMemEvalS(BenchmarkOptions(data=str(sixty)))
    cases = benchmark.cases()
    assert {name: counts[0] for name, counts in _by_type(cases).items()} == {
        "single-session-user": 8,
        "multi-session": 16,
        "single-session-preference": 4,
        "temporal-reasoning": 16,
        "knowledge-update": 9,
        "single-session-assistant": 7,
    }
    assert sum(not case.gold.answerable for case in cases) == 6
    assert not benchmark.info.verified
    assert "unverified data: longmemeval_s_cleaned.json" in benchmark.info.notes[0]
    raw = {one["question_id"]: one for one in json.loads((sixty / "longmemeval_s_cleaned.json").read_bytes())}
    for case in cases:
        _check_against(raw[case.id], case, benchmark)


def _check_against(raw: dict[str, Any], case: Case, benchmark: LongMemEval) -> None:
    """The case and its haystack say what the file says, in the order of the dates, found by another way."""
    sessions = list(benchmark.haystack(case.haystack).sessions())
    rows = sorted(
        zip(raw["haystack_dates"], raw["haystack_session_ids"], raw["haystack_sessions"], strict=True),
        key=lambda row: (row[0][:10], row[0][-5:]),
    )
    assert [session.id for session in sessions] == [f"s{number:03d}" for number in range(1, len(rows) + 1)]
    evidence: list[str] = []
    for session, (date, _source, turns) in zip(sessions, rows, strict=True):
        assert session.date == datetime.strptime(date[:10] + date[-5:], "%Y/%m/%d%H:%M")
        said = [(turn["role"], turn["content"]) for turn in turns if turn["content"].strip()]
        assert [(message.role, message.text) for message in session.messages] == said
        for number, turn in enumerate(turns, start=1):
            if turn.get("has_answer"):
                evidence.append(f"{session.id}{turn['role'][0]}{number:02d}")
    assert list(case.gold.evidence_messages) == evidence
    sources = {session.id: row[1] for session, row in zip(sessions, rows, strict=True)}
    assert {sources[name] for name in case.gold.evidence_sessions} == set(raw["answer_session_ids"])
    assert [one.source for one in case.gold.evidence_sources] == raw["answer_session_ids"]
    assert all(sources[name] == one.source for one in case.gold.evidence_sources for name in one.ids)
    assert case.question.text == raw["question"]
    assert case.gold.ground_truth == str(raw["answer"])


def test_nothing_that_a_provider_sees_tells_the_evidence(real_oracle: LongMemEvalOracle) -> None:
    for case in real_oracle.cases()[:50]:
        assert re.fullmatch(r"q[0-9a-f]{16}", case.question.id)
        sessions = list(real_oracle.haystack(case.haystack).sessions())
        for name in [session.id for session in sessions] + [m.id for session in sessions for m in session.messages]:
            assert re.fullmatch(r"s\d{3}([ua]\d{2})?", name)


# --- made files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def made() -> Instances:
    return list(instances(20, sessions=6, turns=4, characters=60))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., LongMemEvalS]:
    def open_(made: Instances, *, as_of: bool = False) -> LongMemEvalS:
        write(tmp_path / "longmemeval_s_cleaned.json", iter(made))
        return LongMemEvalS(BenchmarkOptions(data=str(tmp_path), as_of=as_of))

    return open_


def test_an_integer_answer_is_text(made: Instances, opened: Callable[..., LongMemEvalS]) -> None:
    made[3]["answer"] = 27
    assert opened(made).cases()[3].gold.ground_truth == "27"


def test_the_suffix_says_that_there_is_no_answer_and_the_type_stays(
    made: Instances, opened: Callable[..., LongMemEvalS]
) -> None:
    made[0]["question_id"] = "first_abs"
    case = opened(made).cases()[0]
    assert not case.gold.answerable
    assert case.gold.question_type == "single-session-user"


def test_a_repeated_session_and_turns_without_text(made: Instances, opened: Callable[..., LongMemEvalS]) -> None:
    first = made[0]
    spare = [at for at in range(6) if not first["haystack_session_ids"][at].startswith("answer")]
    for key in ("haystack_sessions", "haystack_session_ids"):
        first[key][spare[1]] = first[key][spare[0]]
    first["haystack_sessions"][spare[2]][1]["content"] = " \n"
    benchmark = opened(made)
    sessions = list(benchmark.haystack(benchmark.cases()[0].haystack).sessions())
    assert len({session.id for session in sessions}) == 6
    texts = ["".join(message.text for message in session.messages) for session in sessions]
    assert texts.count(texts[spare[0]]) == 2
    assert [message.id[-3:] for message in sessions[spare[2]].messages] == ["u01", "u03", "a04"]
    notes = " / ".join(benchmark.info.notes)
    assert "haystacks that hold a session twice, as published: 1" in notes
    assert "turns without any text, left out: 1" in notes


def test_sessions_after_the_question_are_kept_or_dropped_and_both_are_told(
    made: Instances, opened: Callable[..., LongMemEvalS]
) -> None:
    evidence = [at for at, name in enumerate(made[0]["haystack_session_ids"]) if name.startswith("answer")]
    made[0]["question_date"] = made[0]["haystack_dates"][evidence[0]]
    made[0]["haystack_dates"][evidence[0]] = made[0]["haystack_dates"][-1]
    late = sum(date > made[0]["question_date"] for date in made[0]["haystack_dates"])
    kept, dropped = opened(made), opened(made, as_of=True)
    assert any(f"their question: {late}, of 1 questions; kept" in note for note in kept.info.notes)
    assert any("dropped by --as-of, 1 evidence sessions" in note for note in dropped.info.notes)
    whole, cut = kept.cases()[0], dropped.cases()[0]
    assert whole.haystack != cut.haystack
    assert kept.haystack(whole.haystack).session_count == 6
    sessions = list(dropped.haystack(cut.haystack).sessions())
    assert len(sessions) == dropped.haystack(cut.haystack).session_count == 6 - late
    assert all(session.date and cut.question.date and session.date <= cut.question.date for session in sessions)
    assert (whole.gold.evidence_messages, cut.gold.evidence_messages) == (whole.gold.evidence_messages, ())
    assert len(whole.gold.evidence_messages) == 1
    assert [case.haystack for case in kept.cases()[1:]] == [case.haystack for case in dropped.cases()[1:]]


def test_sessions_come_in_the_order_of_their_dates(made: Instances, opened: Callable[..., LongMemEvalS]) -> None:
    for key in ("haystack_dates", "haystack_session_ids", "haystack_sessions"):
        made[1][key].reverse()
    benchmark = opened(made)
    dates = [session.date for session in benchmark.haystack(benchmark.cases()[1].haystack).sessions()]
    assert dates == sorted(dates, key=str)


def test_the_sizes_ask_under_names_of_their_own(made: Instances, tmp_path: Path) -> None:
    for name in ("longmemeval_s_cleaned.json", "longmemeval_m_cleaned.json"):
        write(tmp_path / name, iter(made))
    small, medium = (kind(BenchmarkOptions(data=str(tmp_path))) for kind in (LongMemEvalS, LongMemEvalM))
    assert {case.benchmark for case in small.cases()} == {"longmemeval_s"}
    assert {case.benchmark for case in medium.cases()} == {"longmemeval_m"}
    assert not {case.question.id for case in small.cases()} & {case.question.id for case in medium.cases()}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda one: one.pop("question"), r"item 2 \(made0002\): question: Field required"),
        (lambda one: one.update(question_date="10 April 2023"), r"item 2 \(made0002\): date '10 April 2023' is not"),
        (lambda one: one.update(question_date="2023/02/31 (Fri) 10:00"), "date '2023/02/31"),
        (lambda one: one["haystack_dates"].pop(), "6 haystack_sessions, 5 dates and 6 session ids"),
        (lambda one: one.update(question_type="riddle"), "question_type 'riddle' is none of single-session-user"),
        (lambda one: one.update(question_id="made0001"), "question_id 'made0001' appears twice"),
        (lambda one: one.update(question_id="a/b"), "'a/b' holds other than letters"),
        (lambda one: one["haystack_sessions"][0][0].update(role="system"), r"haystack_sessions\.0\.0\.role: .*system"),
        (lambda one: one.update(answer=None), r"answer\.str: .*None"),
        (lambda one: one.clear(), "item 2: question_id: Field required"),
    ],
)
def test_a_broken_item_is_named_in_one_line(
    made: Instances, opened: Callable[..., LongMemEvalS], spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    spoil(made[2])
    with pytest.raises(DataError, match=message) as caught:
        opened(made)
    detail = str(caught.value)
    assert "\n" not in detail
    assert "longmemeval_s_cleaned.json: item 2" in detail
    assert "python -m bench download longmemeval_s --to" in detail


def test_a_file_that_is_missing_says_what_gets_that_size(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"download longmemeval_m --to .*2\.7 GB; MIT"):
        LongMemEvalM(BenchmarkOptions(data=str(tmp_path)))


def test_a_file_that_changes_behind_the_index_is_noticed(
    made: Instances, opened: Callable[..., LongMemEvalS], tmp_path: Path
) -> None:
    benchmark = opened(made)
    path = tmp_path / "longmemeval_s_cleaned.json"
    text = path.read_text()
    path.write_text(text.replace("boat", "goat"))
    case = benchmark.cases()[0]
    with pytest.raises(DataError, match="no longer the file that was indexed"):
        benchmark.haystack(case.haystack).sessions()


_PEAK = """
import sys
from pathlib import Path
from bench.base import BenchmarkOptions
from bench.benchmarks.longmemeval import LongMemEvalM
benchmark = LongMemEvalM(BenchmarkOptions(data=sys.argv[1]))
for case in benchmark.cases()[:3]:
    for session in benchmark.haystack(case.haystack).sessions():
        pass
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(len(benchmark.cases()), int(status["VmHWM"].split()[0]) // 1024)  # a child's ru_maxrss begins with its parent's
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_a_file_larger_than_its_share_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 instances in M's shape, 165 MB; `tests.perf.large_file` does it at M's own size."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "longmemeval_m_cleaned.json"
    write(path, instances(30, sessions=480, turns=10, characters=1092))
    assert path.stat().st_size > 150e6
    ended = run_process([sys.executable, "-c", _PEAK, str(tmp_path)], cwd=ROOT, check=True)
    count, peak_mb = map(int, ended.stdout.split())
    assert count == 30
    assert peak_mb < 200
    assert sum(part.stat().st_size for part in index_folder().iterdir()) < 1e6


def test_a_lone_surrogate_and_a_nul_are_replaced(made: Instances, opened: Callable[..., LongMemEvalS]) -> None:
    """JSON can hold both; databases, model servers and strict parsers take neither."""
    instance, *_others = made
    instance["question"] = "where \ud83d?"
    instance["haystack_sessions"][0][0]["content"] = "at \ude00 sea\0"
    benchmark = opened([instance])
    (case,) = benchmark.cases()
    assert case.question.text == "where �?"
    texts = [message.text for session in benchmark.haystack(case.haystack).sessions() for message in session.messages]
    assert "at � sea�" in texts
