"""Records of runs that never happened: each test says what is particular about its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.store.records import (
    AnswererRecord,
    BenchmarkRecord,
    ContainerRecord,
    Git,
    JudgeRecord,
    ProviderRecord,
    QuestionRecord,
    RunRecord,
    SampleRecord,
    Step,
    StepError,
    Versions,
)
from vocabulary import Answer, Case, Gold, Question, SearchResult, Usage, Verdict

STARTED = datetime(2026, 11, 21, 10, 0)
FINISHED = datetime(2026, 11, 21, 10, 5)


def benchmark(name: str = "locomo", **changes: Any) -> BenchmarkRecord:  # Any: fields of the record, which checks them
    values = {
        "name": name, "variant": "locomo10", "sha256": "79fa87e90f04081343b8c8debecb80a9", "verified": True,
        "licence": "CC-BY-NC-4.0", "citation": "Maharana et al. 2024", "notes": ("11 questions occur twice",),
        "types": ("multi-hop", "temporal", "single-hop", "adversarial"), "official_f1": "locomo_official",
    }  # fmt: skip
    return BenchmarkRecord.model_validate({**values, **changes})


def provider(name: str = "bm25") -> ProviderRecord:
    return ProviderRecord(name=name, version="1", settings={"stop_words": True})


def sample(**changes: Any) -> SampleRecord:  # Any: fields of the record, which checks them
    """Two of each type of a benchmark of 200 questions, a haystack for each."""
    values = {
        "description": "a sample of 2 questions of each type (seed 0)",
        "population": {"multi-hop": 50, "temporal": 150},
        "types": ("multi-hop", "temporal"), "clusters": 200, "chosen": 4, "drawn": True,
    }  # fmt: skip
    return SampleRecord.model_validate({**values, **changes})


def run(**changes: Any) -> RunRecord:  # Any: fields of the record, which checks them
    values = {
        "id": "2026-11-21-1000", "fingerprint": "f1f2", "started": STARTED, "finished": FINISHED,
        "command": "pytest bench -k locomo",
        "versions": Versions(memorybench="0.1.0", python="3.11.7", platform="linux", packages={"pydantic": "2.12"}),
        "git": Git(commit="0123abc", dirty=False), "until": "judge", "top_k": 10, "isolation": "haystack",
        "selection": {"keyword": "locomo"}, "sampled": None, "second_look_at": None, "in_flight": 64, "workers": 2,
        "loop_lag_ms_p99": 0.1, "providers": (provider(),), "benchmarks": (benchmark(),),
        "answerer": AnswererRecord(name="gpt-test", version="1", offline=False),
        "judge": JudgeRecord(name="strict", protocol="strict-1", model="gpt-test"),
    }  # fmt: skip
    return RunRecord.model_validate({**values, **changes})


UNANSWERABLE: dict[str, Any] = {
    "question_type": "adversarial", "answerable": False, "category": 5, "ground_truth": "not mentioned",
}  # fmt: skip
"""Gold of a question that cannot be answered; Any: fields of `Gold`."""


def case(number: int = 1, question_type: str = "temporal", conversation: int = 26, **gold: Any) -> Case:  # Any: of Gold
    values = {
        "question_type": question_type, "ground_truth": "7 May 2023", "category": 2,
        "evidence_messages": ("m3",), "evidence_sessions": ("s1",),
    }  # fmt: skip
    return Case(
        id=f"conv-{conversation}-q{number:03}", source_id=f"source-{conversation}-{number}", benchmark="locomo",
        question=Question(id=f"opaque-{number}", text="When did Caroline go to the support group?"),
        gold=Gold.model_validate({**values, **gold}), haystack=f"h{conversation}", cluster=f"conv-{conversation}",
    )  # fmt: skip


def found(*ids: str, text: str = "Caroline: I went to the support group yesterday.") -> tuple[SearchResult, ...]:
    """Results that each come from one message of session s1."""
    return tuple(
        SearchResult(text=text, score=9.0 - rank, session_ids=("s1",), message_ids=(one,))
        for rank, one in enumerate(ids)
    )


def asked(
    of: Case, label: str | None = "correct", results: tuple[SearchResult, ...] | None = None, **changes: Any
) -> QuestionRecord:  # Any: fields of the record, which checks them
    """A question that went all the way; without a verdict if `label` is None."""
    usage = Usage(input_tokens=100, output_tokens=7)
    steps = [
        Step(phase="search", service_ms=2.0, waited_ms=1.0),
        Step(phase="answer", service_ms=30.0, waited_ms=3.0, usage=usage),
    ]
    if label is not None:
        steps.append(Step(phase="judge", service_ms=20.0, waited_ms=2.0, usage=usage))
    values = {
        "provider": "bm25", "case": of, "steps": tuple(steps),
        "results": found("m1", "m3") if results is None else results,
        "answer": Answer(hypothesis="7 May 2023" if label == "correct" else "in June"),
        "verdict": None if label is None else Verdict(label=label, explanation="compared the dates"),
    }  # fmt: skip
    return QuestionRecord.model_validate({**values, **changes})


def failed(of: Case, phase: str = "search", kind: str = "ProviderError", **changes: Any) -> QuestionRecord:
    """A question whose `phase` ended in an error after three attempts."""
    before = {"ingest": 0, "search": 0, "answer": 1, "judge": 2}[phase]
    steps = [Step(phase="search", service_ms=2.0), Step(phase="answer", service_ms=30.0)][:before]
    fault = StepError(type=kind, message="bm25 answered 503: overloaded. See its log.")
    steps.append(Step.model_validate({"phase": phase, "attempts": 3, "error": fault}))
    values = {
        "provider": "bm25", "case": of, "steps": tuple(steps),
        "results": found("m3") if before else None,
        "answer": Answer(hypothesis="7 May 2023") if before == 2 else None,
    }  # fmt: skip
    return QuestionRecord.model_validate({**values, **changes})


def waiting(of: Case, **changes: Any) -> QuestionRecord:
    """A question that was not asked yet."""
    return QuestionRecord.model_validate({"provider": "bm25", "case": of, **changes})


def container(conversation: int = 26, **changes: Any) -> ContainerRecord:  # Any: fields of the record
    values = {
        "provider": "bm25", "benchmark": "locomo", "haystack": f"h{conversation}", "container": f"h{conversation}-run",
        "indexed": True, "sessions": 2, "messages": 10, "tokens": 240, "ingest_ms": (4.0, 6.0), "attempts": (1, 1),
        "indexing_ms": 1.5,
    }  # fmt: skip
    return ContainerRecord.model_validate({**values, **changes})
