"""Auditing judges: the offline one, one that accepts everything, and ones that fail."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import Awaitable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from judges import Judge
from judges.__main__ import main
from judges.audit import GIVE_UP, audit_of, grade
from judges.audit_set import AuditItem, audit_items
from judges.lexical import LexicalJudge
from net import attempts
from net.attempts import ATTEMPTS
from reports.report import Report
from tests.prepared_python import run_prepared
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Answer, Gold, JudgeError, Question, Verdict

ITEMS = audit_items()
WRONG = Verdict(label="wrong", explanation="nothing is right")
CORRECT = Verdict(label="correct", explanation="whatever")
OWN = '''
from judges import Judge
from vocabulary import JudgeError, Verdict


class AcceptsEverything(Judge):
    """The most lenient judge of all."""

    name = "generous"
    protocol = "anything-goes"

    async def evaluate(self, question, gold, answer):
        return Verdict(label="correct", explanation="Why not.")


class Dead(Judge):
    """Its server is not there."""

    name = "dead"
    protocol = "none"

    def evaluate(self, question, gold, answer):
        raise JudgeError("no server\\nat port 9")
'''


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_BACKOFF_SECONDS", (0.0, 0.0))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges of one's own, in a module that can be imported."""
    (tmp_path / "own_judges.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_judges", raising=False)


def cells(lines: str, heading: str) -> list[str]:
    """The cells of the table's row of that name."""
    (line,) = (line for line in lines.splitlines() if re.match(rf"{heading}  +\S", line))
    return re.split(r"  +", line)


def test_the_lexical_judge_gets_what_the_docs_print() -> None:
    result = run_prepared("judges", "audit", "--judge", "lexical")
    assert (result.returncode, result.stderr) == (0, "")
    assert "vague wrong answers accepted" in result.stdout
    page = (ROOT / "docs" / "judging.md").read_text(encoding="utf-8")
    shown = "".join(f"    {line}".rstrip() + "\n" for line in result.stdout.splitlines())
    assert "    python -m judges audit --judge lexical\n" in page
    assert shown in page, f"docs/judging.md shows other figures than these:\n{result.stdout}"


@pytest.mark.usefixtures("own")
def test_a_judge_that_accepts_everything_is_seen_through(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    assert main(["audit", "--judge", "own_judges:AcceptsEverything", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    labelled = sum(item.label("anything-goes") == "correct" for item in ITEMS)
    vague = sum(item.kind == "vague" for item in ITEMS)
    assert f"vague wrong answers accepted: 100.0 % ({vague} of {vague}, " in printed.splitlines()[-1]
    assert cells(printed, "Cohen's kappa") == ["Cohen's kappa", "0.000", "0.000"]
    assert cells(printed, "accuracy")[1].startswith(f"{labelled / len(ITEMS):.3f} [")
    assert {row[4] for row in (cells(printed, kind) for kind in {item.kind for item in ITEMS})} == {"1.000"}
    audit = json.loads(file.read_text(encoding="utf-8"))["audit"]
    assert audit["vague_accepted"]["share"] == 1.0
    assert audit["kappa"] == 0.0


def test_figures_are_those_of_the_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.metrics import cohen_kappa_score

    file = tmp_path / "audit.json"
    assert main(["audit", "--judge", "lexical", "--json", str(file)]) == 0
    capsys.readouterr()
    found = json.loads(file.read_text(encoding="utf-8"))
    audit, rows = found["audit"], found["items"]
    labels, said = ([row[key] == "correct" for row in rows] for key in ("label", "verdict"))
    assert len(rows) == audit["items"] == audit["graded"] == len(ITEMS)
    assert audit["kappa"] == pytest.approx(cohen_kappa_score(labels, said), abs=1e-6)
    assert audit["accuracy"]["correct"] == sum(one == other for one, other in zip(labels, said, strict=True))
    for kind, of in audit["kinds"].items():
        assert of["items"] == sum(row["kind"] == kind for row in rows)
        assert of["accepted"] == sum(row["kind"] == kind and row["verdict"] == "correct" for row in rows)
        assert of["labelled_correct"] == sum(row["kind"] == kind and row["label"] == "correct" for row in rows)
    low, high = audit["accuracy"]["ci95"]
    assert low < audit["accuracy"]["value"] < high


def test_limit_takes_all_kinds_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--judge", "lexical", "--limit", "22"]) == 0
    printed = capsys.readouterr().out
    assert "on 22 answers to " in printed.splitlines()[0]
    assert {cells(printed, kind)[1] for kind in {item.kind for item in ITEMS}} == {"2"}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("arguments", "status", "detail"),
    [
        (["--judge", "nobody"], 2, "unknown judge 'nobody'"),
        (["--judge", "own_judges:Nobody"], 2, "'own_judges:Nobody'"),
        (["--judge", "lexical", "--limit", "9", "--attach", "x"], 2, "leave --limit out"),
        (["--judge", "lexical", "--attach", "no-such-run"], 2, "there is no run 'no-such-run'"),
        (["--judge", "own_judges:Dead"], 1, "no server at port 9"),
        (["--judge", "lexical", "--model-option", "seed=1"], 2, "judge 'lexical' is no language model"),
        (["--judge", "local/m@http://127.0.0.1:9/v1"], 1, "Cannot connect"),
        (["--judge", "local/m@http://127.0.0.1:9/v1", "--model-option", "sed=1"], 2, "write it as NAME=VALUE"),
        (["--judge", "lexical", "--json", "/no/such/folder/x"], 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: list[str], status: int, detail: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *arguments, "--runs-dir", str(tmp_path)]) == status
    error = capsys.readouterr().err
    assert error.startswith("python -m judges: ")
    assert detail in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["audit"], ["audit", "--judge", "lexical", "--limit", "0"], []])
def test_a_wrong_command_line_is_told_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


class Moody(Judge):
    """Fails as often as it is told to before each verdict, and knows how many calls were under way at once."""

    name = "moody"
    protocol = "moody-1"

    def __init__(self, failures: dict[str, list[Exception]] | None = None, concurrency: int | None = None) -> None:
        self.failures = failures or {}
        self.concurrency = concurrency
        self.calls = self.under_way = self.most = self.closed = 0

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        del question, gold
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            for error in self.failures.get(answer.hypothesis, []):
                self.failures[answer.hypothesis].remove(error)
                raise error
            return WRONG
        finally:
            self.under_way -= 1

    async def _close(self) -> None:
        self.closed += 1

    def close(self) -> Awaitable[None]:
        return self._close()


@pytest.mark.parametrize(("bears", "most"), [(None, 5), (3, 3), (50, 5)])
def test_calls_in_flight_are_bounded(bears: int | None, most: int) -> None:
    judge = Moody(concurrency=bears)
    done: list[int] = []
    graded = asyncio.run(grade(judge, ITEMS, 5, done.append))
    assert [one.item.id for one in graded] == [item.id for item in ITEMS]
    assert judge.most == most
    assert judge.closed == 1
    assert done == list(range(1, len(ITEMS) + 1))


def test_what_may_pass_is_tried_again_and_errors_are_no_verdicts() -> None:
    passing, lasting, broken = ITEMS[0], ITEMS[3], ITEMS[8]
    assert lasting.kind == "vague"
    failures: dict[str, list[Exception]] = {
        passing.answer.hypothesis: [JudgeError("busy", transient=True, retry_after=0.0) for _ in range(ATTEMPTS - 1)],
        lasting.answer.hypothesis: [JudgeError("busy", transient=True) for _ in range(ATTEMPTS)],
        broken.answer.hypothesis: [ValueError("a fault\nof its own")],
    }
    judge = Moody(failures)
    graded = {one.item.id: one for one in asyncio.run(grade(judge, ITEMS, 4))}
    assert judge.calls == len(ITEMS) + (ATTEMPTS - 1) * 2
    assert graded[passing.id].verdict == WRONG
    assert (graded[lasting.id].verdict, str(graded[lasting.id].error)) == (None, "busy")
    assert str(graded[broken.id].error) == "ValueError: a fault of its own"
    audit = audit_of(judge, list(graded.values()))
    assert audit.errors == {"JudgeError": 2}
    assert (audit.items, audit.graded, audit.accuracy.n) == (len(ITEMS), len(ITEMS) - 2, len(ITEMS))
    vague = sum(item.kind == "vague" for item in ITEMS)
    assert (audit.vague_accepted.items, audit.vague_accepted.errors, audit.vague_accepted.share) == (vague, 1, 0.0)
    to_reject = [item for item in ITEMS if item.label("moody-1") != "correct"]
    assert audit.accuracy.correct == len(to_reject) - sum(item in to_reject for item in (lasting, broken))


def test_an_error_does_not_lower_the_share_of_vague_answers_accepted() -> None:
    class Half(Moody):
        async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
            await super().evaluate(question, gold, answer)
            return CORRECT

    vague = [item for item in ITEMS if item.kind == "vague"]
    failures: dict[str, list[Exception]] = {item.answer.hypothesis: [JudgeError("no")] for item in vague[::2]}
    judge = Half(failures)
    audit = audit_of(judge, asyncio.run(grade(judge, ITEMS, 4)))
    assert audit.vague_accepted.accepted == len(vague) // 2
    assert audit.vague_accepted.share == 1.0


def test_an_audit_that_brings_nothing_but_errors_is_given_up() -> None:
    failures: dict[str, list[Exception]] = {item.answer.hypothesis: [JudgeError("refused")] for item in ITEMS}
    judge = Moody(failures)
    with pytest.raises(JudgeError, match="refused"):
        asyncio.run(grade(judge, ITEMS, 4))
    assert GIVE_UP <= judge.calls < GIVE_UP + 4
    assert judge.closed == 1


def test_errors_are_told_with_an_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    item = next(item for item in ITEMS if item.id == "ferry/vague/1")

    def evaluate(self: LexicalJudge, question: Question, gold: Gold, answer: Answer) -> Verdict:
        del self, question, gold
        if answer.hypothesis == item.answer.hypothesis:
            raise JudgeError("its reply\nhas no verdict")
        return CORRECT

    monkeypatch.setattr(LexicalJudge, "evaluate", evaluate)
    assert main(["audit", "--judge", "lexical"]) == 0
    printed = capsys.readouterr().out
    assert "errors: 1 JudgeError, such as ferry/vague/1: its reply has no verdict\n" in printed
    assert cells(printed, "vague")[-1] == "1"


class Asked(Judge):
    """Remembers which type each question had."""

    name = "asked"

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.types: set[str] = set()

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        del question, answer
        self.types.add(gold.question_type)
        return WRONG


@pytest.mark.parametrize(
    ("protocol", "there", "absent"),
    [("longmemeval/1", "temporal-reasoning", "temporal"), ("locomo-strict/1", "temporal", "temporal-reasoning")],
)
def test_a_judge_gets_the_types_that_its_rules_know(protocol: str, there: str, absent: str) -> None:
    judge = Asked(protocol)
    asyncio.run(grade(judge, ITEMS, 4))
    assert there in judge.types
    assert absent not in judge.types


def of_kind(kind: str) -> list[AuditItem]:
    return [item for item in ITEMS if item.kind == kind]


def test_labels_go_by_the_rules_of_the_judge() -> None:
    right = {}
    for protocol in ("locomo-strict/1", "locomo-lenient/1", "longmemeval/1"):
        audit = audit_of(Asked(protocol), asyncio.run(grade(Asked(protocol), ITEMS, 4)))
        right[protocol] = {kind: of.labelled_correct for kind, of in audit.kinds.items()}
    strict, lenient, longmemeval = right.values()
    assert {kind for kind in strict if lenient[kind] != strict[kind]} == {"partly-right"}
    assert strict["partly-right"] == 0
    assert lenient["partly-right"] == len(of_kind("partly-right"))
    assert {kind for kind in strict if longmemeval[kind] != strict[kind]} == {"off-by-one-day"}


# --- over the wire ----------------------------------------------------------------------------------------------------


class Yes(BaseHTTPRequestHandler):
    """A server that speaks OpenAI's protocol and has one verdict. It knows no `response_format`.

    Each 50th request it refuses for a moment.
    """

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Yes.asked.append(request["messages"][-1]["content"])
        busy, unknown = len(Yes.asked) % 50 == 0, "response_format" in request
        said = json.dumps({"reasoning": "It mentions the matter.", "verdict": "correct"})
        message = {"role": "assistant", "content": said}
        reply = {
            "id": "1", "object": "chat.completion", "created": 1, "model": "yes-1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 500, "completion_tokens": 20, "total_tokens": 520},
        }  # fmt: skip
        refusal = {"error": {"message": "response_format is not supported" if unknown else "slow down"}}
        body = json.dumps(refusal if busy or unknown else reply).encode()
        self.send_response(400 if unknown else 429 if busy else 200)
        if busy:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_a_model_is_audited_over_http(capsys: pytest.CaptureFixture[str]) -> None:
    Yes.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Yes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = f"local/yes@http://127.0.0.1:{server.server_port}/v1"
        arguments = ["audit", "--judge", name, "--judge-protocol", "locomo-lenient", "--limit", "110"]
        status = main(arguments)
        server.shutdown()
    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"judge {name} (locomo-lenient/1, model yes-1) on 110 answers to ")
    assert "vague wrong answers accepted: 100.0 % (10 of 10, " in lines[-1]
    assert len(Yes.asked) == 115, "two requests were refused once, and three found out how objects are asked for"
    assert "110 calls, 55,000 tokens read, 2,200 tokens written" in lines
    assert cells(printed.out, "partly-right")[2] == "10", "right by these rules"
    kinds = {item.kind for item in ITEMS}
    assert not [text for text in Yes.asked if any(f"/{kind}/" in text for kind in kinds)], "the kind gives it away"


# --- in a report ------------------------------------------------------------------------------------------------------


def finished_run(runs_dir: Path, run_id: str = "judged") -> Path:
    """A small run that the lexical judge judged; made again, it is only reported again."""
    config = build_benchmark_config(
        runs_dir=runs_dir, run_id=run_id, provider=("none",), synthetic_sessions=10, synthetic_questions=10
    )
    run_benchmark(config, "synthetic")
    return runs_dir / run_id


def audits(folder: Path) -> list[object]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return [judge["audit"] for result in report["results"] for judge in (result["judge"], *result["judges"])]


def test_an_audit_is_attached_and_stays_when_the_run_is_reported_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path)
    before = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert audits(folder) == [None, None]
    arguments = ["audit", "--judge", "lexical", "--runs-dir", str(tmp_path)]
    assert main([*arguments, "--attach", "last", "--json", str(tmp_path / "audit.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"attached to {folder / 'report.json'}"
    audit = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))["audit"]
    assert audits(folder) == [audit, audit]
    text = (folder / "report.json").read_text(encoding="utf-8")
    attached = json.loads(text)
    Report.model_validate_json(text)
    for judge in (attached["results"][0]["judge"], *attached["results"][0]["judges"]):
        judge["audit"] = None
    assert attached == before, "nothing else has changed"

    finished_run(tmp_path)
    assert audits(folder) == [audit, audit]
    assert main([*arguments, "--attach", "judged"]) == 0
    kept = json.loads((folder / "judge_audit.json").read_text(encoding="utf-8"))
    assert kept == {"audits": [audit]}, "a second audit takes the place of the first"


@pytest.mark.usefixtures("own")
def test_only_who_judged_a_run_is_attached_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path)
    arguments = ["audit", "--judge", "own_judges:AcceptsEverything", "--runs-dir", str(tmp_path)]
    assert main([*arguments, "--attach", "judged"]) == 2
    assert "run judged was not judged by 'generous', but by lexical" in capsys.readouterr().err
    (tmp_path / "judged" / "report.json").unlink()
    assert main([*arguments, "--attach", "judged"]) == 2
    assert "report.json: a run gets its report when pytest ends" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["report.json", "judge_audit.json"])
def test_a_damaged_file_is_told_of_before_anything_is_graded(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path)
    (folder / name).write_text('{"half": ', encoding="utf-8")
    assert main(["audit", "--judge", "lexical", "--runs-dir", str(tmp_path), "--attach", "judged"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{folder / name} cannot be read" in printed.err
    assert printed.err.count("\n") == 1


def test_the_command_leaves_no_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "judges", "audit", "--judge", "lexical", "--limit", "3"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run_process(command, cwd=tmp_path, env=environment, check=True, seconds=60)
    assert list(tmp_path.iterdir()) == []
