"""What the checkpoint hands to everything that reports: a run, its containers, its questions with their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from schema import Answer, Case, SearchResult, Usage, Verdict, Word

Phase = Literal["ingest", "search", "answer", "judge"]
PHASES: tuple[Phase, ...] = ("ingest", "search", "answer", "judge")


class StepError(Word):
    """Why a step could not be done: the exception's class name and its text."""

    type: str
    message: str


class Step(Word):
    """One step of one question (or the ingest that it waited for).

    `service_ms` is the time of the last attempt alone, measured inside the call; `waited_ms` is everything else that it
    took: queueing, backoff, rate limits. `retried` says that the step had ended in an error before, or was asked again
    by ``--retry-from``. An ingest step exists only where the ingest failed at some time, or where a run ends with it.
    """

    phase: Phase
    service_ms: float = 0.0
    waited_ms: float = 0.0
    attempts: int = 1
    retried: bool = False
    error: StepError | None = None
    usage: Usage | None = None


class QuestionRecord(Word):
    """One selected question of one provider, with as much as is done of it.

    `steps` holds at most one step of each phase. `results`, `answer` and `verdict` are None until their step is done.
    `replayed` says that steps were kept when ``--retry-from`` asked for later ones again.
    """

    provider: str
    case: Case
    steps: tuple[Step, ...] = ()
    results: tuple[SearchResult, ...] | None = None
    answer: Answer | None = None
    verdict: Verdict | None = None
    replayed: bool = False

    @property
    def error(self) -> Step | None:
        """The step that ended in an error, if one did and nothing came after it."""
        return next((step for step in self.steps if step.error), None)


class ContainerRecord(Word):
    """One haystack in one provider, as it was finally ingested.

    `tokens` is the estimated size of the haystack's rendered messages. `ingest_ms` has one service time a session,
    `attempts` one count a session. `indexing_ms` is None where indexing did not end.
    """

    provider: str
    benchmark: str
    haystack: str
    container: str
    indexed: bool
    sessions: int
    messages: int
    tokens: int
    ingest_ms: tuple[float, ...]
    attempts: tuple[int, ...]
    indexing_ms: float | None = None
    error: StepError | None = None


class Versions(Word):
    """What the run was made with."""

    memorybench: str
    python: str
    platform: str
    packages: dict[str, str]


class Git(Word):
    """The state of the repository; None where there is no git."""

    commit: str
    dirty: bool


class ProviderRecord(Word):
    """A provider as the run uses it; `api` is the generation of the service or engine behind it, "" for none."""

    name: str
    version: str
    api: str = ""
    settings: dict[str, JsonValue]


class SampleRecord(Word):
    """What a run chose from a benchmark, before pytest's own options (``-k``, node ids) took any of it away.

    `told` is the choice in plain words, None where everything was chosen. `population` has how many questions of each
    type the benchmark has; `types` are those of them that the choice was made among, and `clusters` counts the clusters
    that their questions belong to. `chosen` questions were chosen. `drawn` says that they were drawn by chance.
    """

    told: str | None
    population: dict[str, int]
    types: tuple[str, ...]
    clusters: int
    chosen: int
    drawn: bool


class JudgeRecord(Word):
    """A judge as the run uses it."""

    name: str
    protocol: str
    model: str | None
    priced_by: str | None = None


class BenchmarkRecord(Word):
    """A benchmark as the run uses it; see `bench.base.BenchmarkInfo` for the fields of `info`.

    `sample` is None where nothing is known of the choice. `answer_prompt` names the prompt that its
    questions are answered with, "" for none; `own_prompts` has those of providers that bring one. `judges` are those of
    the run, each with its rules for this benchmark.
    """

    name: str
    variant: str
    sha256: str
    verified: bool
    licence: str
    citation: str
    notes: tuple[str, ...]
    types: tuple[str, ...]
    official_f1: str | None
    official_retrieval: str | None = None
    official_accuracy: str | None = None
    paper_metrics: tuple[str, ...] = ()
    answer_prompt: str = ""
    own_prompts: dict[str, str] = Field(default_factory=dict)
    judges: tuple[JudgeRecord, ...] = ()
    sample: SampleRecord | None = None


class AnswererRecord(Word):
    """An answering model as the run uses it."""

    name: str
    version: str
    offline: bool
    priced_by: str | None = None


class RunRecord(Word):
    """A run: what was asked for, with what, and when.

    `sampled` describes a selection that is not the whole benchmark in plain words, None for the whole. `until` is the
    last phase that was asked for. `second_look_at` names the finished run whose wrong questions are asked again here.
    `in_flight` is the total over all workers; `loop_lag_ms_p99` the worst worker's event-loop lag,
    None where every call was timed in a thread and not on the loop.
    `finished` is None until every selected question has come to its end.
    """

    id: str
    fingerprint: str
    started: datetime
    finished: datetime | None
    command: str
    versions: Versions
    git: Git | None
    until: Phase
    top_k: int
    isolation: Literal["haystack", "question"]
    selection: dict[str, JsonValue]
    sampled: str | None
    second_look_at: str | None
    in_flight: int
    workers: int
    loop_lag_ms_p99: float | None
    providers: tuple[ProviderRecord, ...]
    benchmarks: tuple[BenchmarkRecord, ...]
    answerer: AnswererRecord
    judge: JudgeRecord
