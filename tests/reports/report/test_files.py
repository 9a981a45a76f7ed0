"""Files are whole or not there, and a fault says in one line what to do."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from reports.report.build import build_report
from reports.report.files import lines_schema, read_lines, write_report, write_run
from reports.report.model import Report
from reports.store.records import QuestionRecord, Step, StepError
from tests.reports.made_records import asked, benchmark, case, container, failed, found, provider, run, sample, waiting
from vocabulary import Answer, CheckpointError, EvidenceSource, SearchResult

ROOT = Path(__file__).resolve().parents[3]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_leaves_its_files_and_nothing_else(tmp_path: Path) -> None:
    records = [asked(case(1)), failed(case(2)), asked(case(3), "wrong")]
    report = write_run(tmp_path, run(), records, [container()], max_errors=1)
    names = ["hypotheses.jsonl", "report.json", "results.jsonl", "retrieved.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert Report.model_validate_json((tmp_path / "report.json").read_text()).gate == report.gate
    assert report == build_report(run(), records, [container()], max_errors=1)
    assert len(lines(tmp_path / "results.jsonl")) == 3


def test_hypotheses_have_the_two_official_fields_of_answered_questions(tmp_path: Path) -> None:
    silent = asked(case(3), "wrong", answer=Answer(hypothesis=""))
    write_run(tmp_path, run(), [asked(case(1)), failed(case(2)), silent], [])
    assert lines(tmp_path / "hypotheses.jsonl") == [
        {"question_id": "source-26-1", "hypothesis": "7 May 2023"},
        {"question_id": "source-26-3", "hypothesis": ""},
    ]


def test_a_line_of_results_holds_everything(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    source = EvidenceSource(source="D1:3; D1:4", ids=("m3",))
    of_a_sample = run(benchmarks=(benchmark(sample=sample()),))
    answered = asked(case(1, evidence_sources=(source,)), "wrong", answer=Answer(hypothesis="in June", model="gpt-7"))
    write_run(tmp_path, of_a_sample, [answered, failed(case(2)), waiting(case(3, conversation=27))], [container()])
    assert lines(tmp_path / "results.jsonl") == snapshot
    assert lines(tmp_path / "retrieved.jsonl") == snapshot


def test_what_is_retrieved_again_and_again_is_written_once(tmp_path: Path) -> None:
    """A provider that returns the whole haystack for each question."""
    whole = found("m1", "m2", "m3", text="Caroline: I went to the support group yesterday. " * 40)
    again = tuple(result.model_copy(update={"score": None}) for result in reversed(whole))
    records = [asked(case(number), results=again if number else whole) for number in range(30)]
    write_run(tmp_path, run(), [*records, asked(case(0, conversation=27), results=whole)], [])
    retrieved = lines(tmp_path / "retrieved.jsonl")
    assert [line["message_ids"] for line in retrieved] == [["m1"], ["m2"], ["m3"]] * 2, "once for each haystack"
    written = lines(tmp_path / "results.jsonl")
    assert [line["results"] for line in written] == [[0, 1, 2], *[[2, 1, 0]] * 29, [3, 4, 5]]
    assert [line["scores"] for line in written] == [[9.0, 8.0, 7.0], *[None] * 29, [9.0, 8.0, 7.0]]
    kept = [
        [(one["text"], one["score"], one["message_ids"]) for one in line["results"]] for line in read_lines(tmp_path)
    ]
    assert kept[:30] == [
        [(one.text, one.score, [*one.message_ids]) for one in record.results or ()] for record in records
    ]


def test_results_that_differ_in_the_providers_own_record_are_kept_apart(tmp_path: Path) -> None:
    one, other = (SearchResult(text="a", raw={"score": score}) for score in (1, 2))
    write_run(tmp_path, run(), [asked(case(1), results=(one, other, one))], [])
    assert [line["results"] for line in lines(tmp_path / "results.jsonl")] == [[0, 1, 0]]
    assert [line["raw"] for line in lines(tmp_path / "retrieved.jsonl")] == [{"score": 1}, {"score": 2}]


def test_the_published_schema_of_lines_is_up_to_date_and_holds(tmp_path: Path) -> None:
    published = (ROOT / "docs" / "results.schema.json").read_text(encoding="utf-8")
    assert published == lines_schema(), "write it anew: python -m reports schema results.jsonl"
    definitions = json.loads(published)["$defs"]
    write_run(tmp_path, run(), [asked(case(1)), failed(case(2))], [container()])
    for name, shape in (("results.jsonl", "ResultLine"), ("retrieved.jsonl", "RetrievedLine")):
        for line in lines(tmp_path / name):
            assert set(definitions[shape]["required"]) <= set(line) <= set(definitions[shape]["properties"])
    explained = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    keys = {key for shape in ("ResultLine", "RetrievedLine") for key in definitions[shape]["properties"]}
    assert {key for key in keys if f"`{key}`" not in explained} == set()


def test_each_of_several_pairs_has_hypotheses_of_its_own(tmp_path: Path) -> None:
    names = ("bm25", "my.memory:Provider", "my.memory/Provider")
    records = [asked(case(1), provider=name) for name in names] + [failed(case(2), provider=names[0])]
    write_run(tmp_path, run(providers=tuple(provider(name) for name in names)), records, [])
    assert sorted(path.name for path in tmp_path.glob("hyp*")) == [
        "hypotheses-bm25-locomo.jsonl",
        "hypotheses-my.memory_Provider-locomo-2.jsonl",
        "hypotheses-my.memory_Provider-locomo.jsonl",
    ]
    assert all(len(lines(path)) == 1 for path in tmp_path.glob("hyp*"))


def test_what_was_not_to_be_answered_has_no_hypotheses(tmp_path: Path) -> None:
    write_run(tmp_path, run(until="search"), [waiting(case(1), results=found("m3"))], [])
    assert not (tmp_path / "hypotheses.jsonl").exists()


def test_text_that_utf8_cannot_hold_does_not_stop_a_report(tmp_path: Path) -> None:
    odd = SearchResult(text="half \ud83d", message_ids=("m3",), raw={"k": [1.5, None, "é\udc00"]})
    fault = Step(phase="search", error=StepError(type="ProviderError", message="\udcff é"))
    broken = failed(case(2), steps=(fault,))
    write_run(tmp_path, run(), [asked(case(1), results=(odd,), answer=Answer(hypothesis="\ud83d")), broken], [])
    result = next(read_lines(tmp_path))
    assert result["results"] == [
        {
            "provider": "bm25",
            "text": "half \ufffd", "score": None, "timestamp": None, "session_ids": [], "message_ids": ["m3"],
            "raw": {"k": [1.5, None, "é?"]},
        }
    ]  # fmt: skip
    assert lines(tmp_path / "hypotheses.jsonl")[0]["hypothesis"] == "\ufffd"
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["results"][0]["errors"][0]["message"] == "\ufffd é"
    assert report["results"][0]["f1"]["locomo_official"]["overall"]["value"] == 0.0
    assert report["run"]["started"] == "2026-11-21T10:00:00"


def test_ratios_have_six_decimals_and_times_three_even_so(tmp_path: Path) -> None:
    records = [asked(case(number), "correct" if number else "wrong") for number in range(3)]
    odd = container(ingest_ms=(1 / 3,), attempts=(1,))
    for name, command in (("plain", "pytest"), ("surrogate", "pytest \udcff")):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, run(command=command), records, [odd])
        result = json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8"))["results"][0]
        assert result["accuracy"]["value"] == 0.666667
        assert result["latency_ms"]["ingest"]["mean"] == 0.333


def test_a_fault_midway_leaves_the_former_files_as_they_were(tmp_path: Path) -> None:
    write_run(tmp_path, run(), [asked(case(1))], [])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted() -> Iterator[QuestionRecord]:
        yield asked(case(2), "wrong")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, run(), interrupted(), [])
    with pytest.raises(CheckpointError, match="zep"):
        write_run(tmp_path, run(), [asked(case(2)), asked(case(3), provider="zep")], [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@contextmanager
def no_file_above_4_kb() -> Iterator[None]:
    """The kernel refuses to let a file grow beyond 4 KB, as a full disk would: any file, so only for a moment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)


def test_a_disk_that_takes_no_more_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("former\n")
    many = [asked(case(number)) for number in range(200)]
    with pytest.raises(CheckpointError) as caught, no_file_above_4_kb():
        write_run(tmp_path, run(), many, [])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'results.jsonl'}: {os.strerror(errno.EFBIG)}. ")
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert (tmp_path / "results.jsonl").read_text() == "former\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is always a full disk")
def test_a_full_disk_says_to_free_some_space(tmp_path: Path) -> None:
    (tmp_path / f".report.json.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(
        CheckpointError, match=r"No space left on device\. Free some space, or .* --runs-dir; .* not lost"
    ):
        write_report(tmp_path, build_report(run(), [], []))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    report = build_report(run(benchmarks=(benchmark(),)), [], [])
    with pytest.raises(CheckpointError, match=r"cannot write .*gone/report\.json: No such file or directory\. "):
        write_report(tmp_path / "gone", report)
    # A folder in the place of the temporary file refuses the writing for every user, root included.
    (tmp_path / f".report.json.{os.getpid()}.tmp").mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        write_report(tmp_path, report)
    (tmp_path / f".report.json.{os.getpid()}.tmp").rmdir()
    (tmp_path / "report.json").mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        write_report(tmp_path, report)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
