"""What report.json holds. `docs/report.md` explains each key, `docs/report.schema.json` is made from here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, TypeVar

from pydantic import Field, JsonValue

from reports.metrics import (
    Accuracy,
    AnswerScores,
    Block,
    Breakdown,
    Calls,
    Comparison,
    Context,
    Cost,
    Failure,
    Milliseconds,
    NuggetScores,
    OfficialAccuracy,
    OfficialRetrieval,
    PhaseLatency,
    Questions,
    RetrievalLevels,
    Sample,
    StepLatency,
    Tokens,
)
from reports.report.audits import Audits, JudgeAudit
from reports.report.conformance import Conformance
from reports.report.corrected import CorrectedKey, shown_retrieval
from reports.report.gate_blocks import Gate
from reports.report.judging import Agreement, JudgeResult
from reports.report.published import PublishedGrades
from reports.store import Git, JudgeRecord, ProviderRecord, RequestsRecord, ShardRecord, Versions
from vocabulary import Phase, is_none

SCHEMA_VERSION: Final = 2
"""Raised when a key goes away or changes its meaning; a new key does not raise it."""


class RunSettings(Block):
    """What was asked for."""

    until: Phase
    """The last phase that was asked for; what comes after it is null."""
    top_k: int
    """How many results a provider was asked for."""
    isolation: Literal["haystack", "question"]
    """What has a container of its own."""
    selection: dict[str, JsonValue]
    """How the questions were chosen."""
    sampled: str | None
    """The selection in plain words; null for whole benchmarks."""
    shard: ShardRecord | None = None
    """Which part of the selection this run asked; null where it asked all of it."""
    second_look_at: str | None
    """The finished run whose wrong questions were asked again here."""
    answers_from: str | None = None
    in_flight: int
    """Calls under way at once, over all workers."""
    workers: int
    """Processes that asked."""


class Run(Block):
    """A run: when, with what, and what was asked for."""

    id: str
    fingerprint: str
    """Hash of everything that may change a number: data, providers, models, prompts, versions."""
    started: datetime
    """Clock field."""
    finished: datetime | None
    """Clock field. Null while selected questions are not at their end."""
    command: str
    versions: Versions
    git: Git | None
    code: dict[str, str] = Field(default_factory=dict)
    """Commits of the suite, and of providers from elsewhere."""
    settings: RunSettings
    requests: tuple[RequestsRecord, ...]
    """Requests to each language model; empty where there is none."""
    loop_lag_ms_p99: Milliseconds | None
    """Clock field. Event-loop lag of the worst worker: what the harness itself may have added to a latency."""


class BenchmarkBlock(Block):
    """The benchmark that was asked."""

    name: str
    variant: str
    sha256: str
    """Hash of the data, or of the generator's settings where there is no file."""
    verified: bool
    """Whether the data is the published file."""
    licence: str
    citation: str
    notes: tuple[str, ...]
    """Remarks about the data that a reader of the numbers should see."""
    types: tuple[str, ...]
    """The question types that were selected, in the benchmark's order."""
    official_f1: str | None
    """The data set's own answer metric, under `f1` or `exact_match`."""
    official_retrieval: str | None
    """The data set's own retrieval metrics."""
    sample: Sample | None
    """Null where the benchmark was asked whole."""


class AnsweringModelDetails(Block):
    """More about the answering model."""

    version: str
    offline: bool
    """No language model is behind it."""


class AuditedJudge(JudgeRecord):
    """A judge as the run used it."""

    audit: JudgeAudit | None = None
    """Audit on answers with known labels; null if there is none, and for a majority."""


Judged = TypeVar("Judged", AuditedJudge, JudgeResult)


class Result(Block):
    """One provider on one benchmark."""

    provider: ProviderRecord
    conformance: Conformance = Conformance()
    """How the provider did in the conformance kit."""
    benchmark: BenchmarkBlock
    answering_model: str
    answering_model_details: AnsweringModelDetails
    answer_prompt: str
    """The prompt that questions were answered with, by name and version; empty where there is none."""
    judge: AuditedJudge
    """Whose verdicts count: the judge, or the majority of several."""
    judges: tuple[JudgeResult, ...]
    """Each judge for itself."""
    agreement: Agreement | None
    """Null with one judge."""
    published: PublishedGrades | None = None
    """The publisher's own grades; null where answers were not imported, or come without grades."""
    questions: Questions
    accuracy: Accuracy | None
    """Null where `until` came before judge."""
    by_type: dict[str, Breakdown]
    """In the benchmark's own order."""
    by_group: dict[str, Breakdown]
    """"answerable" and "unanswerable", where there are such questions, then the benchmark's own groups."""
    retrieval: RetrievalLevels
    official_retrieval: dict[str, OfficialRetrieval]
    """By name. Empty where the data set has no such metrics or nothing was searched."""
    f1: dict[str, AnswerScores]
    """By name. Empty where the data set has no such metric or nothing was answered."""
    exact_match: dict[str, AnswerScores] = Field(default_factory=dict)
    """The same for metrics of the data set that are a match or none."""
    corrected: CorrectedKey | None = Field(default=None, exclude_if=is_none)
    official_accuracy: dict[str, OfficialAccuracy]
    """By the data set's name. Empty where it has no such accuracies of its own or nothing was judged."""
    nuggets: dict[str, NuggetScores] = Field(default_factory=dict)
    """Grades of rubrics, by how they are summed up. Empty where no judge graded rubrics."""
    context: Context
    latency_ms: PhaseLatency
    """Clock field."""
    waited_ms: StepLatency
    """Clock field. What the same steps took beside their service time: queueing, backoff, rate limits."""
    calls: Calls
    cached: dict[Phase, int] = Field(default_factory=dict)
    """Steps that come from the step cache, by phase; of ingest, containers. Phases without any are left out."""
    usage: dict[str, Tokens]
    """By phase; only phases whose model said what it used."""
    cost: Cost | None
    """Null where no model was used."""
    errors: tuple[Failure, ...]
    """In the order of the questions."""
    warnings: tuple[str, ...]
    """What must be known before these numbers are compared with others."""
    clock_warnings: tuple[str, ...]
    """Clock field. The same for the times."""

    @property
    def shown_retrieval(self) -> RetrievalLevels:
        """The retrieval that tables and pages show: where some questions cannot be answered, that of the others."""
        return shown_retrieval(self.by_group, self.retrieval)


class Report(Block):
    """The whole of report.json."""

    schema_version: Literal[2] = SCHEMA_VERSION
    run: Run
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    """Providers on the same benchmark in pairs, over the questions that both were asked."""
    gate: Gate | None
    """Null where no gate was asked for."""

    def with_audits(self, audits: Audits) -> Report:
        """The same with each judge's audit by the protocol that it judged by."""

        def audited(judge: Judged) -> Judged:
            return judge.model_copy(update={"audit": audits.of(judge.name, judge.protocol)})

        results = [
            result.model_copy(
                update={"judge": audited(result.judge), "judges": tuple(audited(judge) for judge in result.judges)}
            )
            for result in self.results
        ]
        return self.model_copy(update={"results": tuple(results)})

    def with_conformance(self, of: Callable[[ProviderRecord], Conformance]) -> Report:
        """The same with what is known of each provider from the conformance kit."""
        results = [result.model_copy(update={"conformance": of(result.provider)}) for result in self.results]
        return self.model_copy(update={"results": tuple(results)})


def report_schema() -> str:
    """The JSON Schema of report.json as text, ending in a newline: what ``docs/report.schema.json`` must hold."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Report.model_json_schema(mode="serialization")
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


CLOCK_KEYS = frozenset(
    {"started", "finished", "checked_at", "latency_ms", "waited_ms", "loop_lag_ms_p99", "clock_warnings"}
)

ROW_KEYS = ("rule", "name", "provider", "benchmark", "margin", "percent")


def without_clock_fields(report: JsonValue) -> JsonValue:
    """A parsed report.json with its clock fields set to null: the same inputs give the same, whenever they are run."""
    if isinstance(report, list):
        return [without_clock_fields(one) for one in report]
    if not isinstance(report, dict):
        return report
    if str(report.get("name")).endswith("_ms") and "threshold" in report:
        return {**report, "value": None, "met": None, "missed_by": None}
    if str(report.get("name")).endswith("_ms") and "margin" in report:
        return {name: value if name in ROW_KEYS else None for name, value in report.items()}
    return {key: None if key in CLOCK_KEYS else without_clock_fields(one) for key, one in report.items()}
