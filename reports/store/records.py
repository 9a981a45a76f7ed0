"""What the checkpoint hands to everything that reports: a run, its containers, its questions with their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from vocabulary import Answer, Case, Phase, SearchResult, Text, Usage, Verdict, Vote, Word, is_none


class StepError(Word):
    """Why a step could not be done: the exception's class name and its text."""

    type: str
    message: Text


class Note(Word):
    """A number about a question, or about a service, whose name stands in the place of the provider's."""

    kind: str
    provider: str
    benchmark: str
    question: str
    value: float


class CallRecord(Word):
    """What a call took.

    `service_ms` is the time of the last attempt alone, measured inside the call; `waited_ms` is everything else that it
    took: queueing, backoff, rate limits. `retried` says that it had ended in an error before, or was made again by
    ``--retry-from``. What comes from the step cache took no attempt.
    """

    phase: Phase
    service_ms: float = 0.0
    waited_ms: float = 0.0
    attempts: int = 1
    retried: bool = False


class Step(CallRecord):
    """One step of one question (or the ingest that it waited for).

    An ingest step exists only where the ingest failed at some time, or where a run ends with it.
    """

    error: StepError | None = None
    usage: Usage | None = None


class RecordedVote(CallRecord):
    """A vote that is in the checkpoint, with the times and attempts of its call."""

    phase: Phase = "judge"
    vote: Vote


class QuestionRecord(Word):
    """One selected question of one provider, with as much as is done of it.

    `steps` holds at most one step of each phase. `results`, `answer` and `verdict` are None until their step is done.
    `votes` are those of several judges or repeats that are done, also where another vote failed. `replayed` says that
    steps were kept when ``--retry-from`` asked for later ones again.
    """

    provider: str
    case: Case
    steps: tuple[Step, ...] = ()
    results: tuple[SearchResult, ...] | None = None
    answer: Answer | None = None
    verdict: Verdict | None = None
    replayed: bool = False
    votes: tuple[RecordedVote, ...] = ()

    @property
    def cached(self) -> frozenset[Phase]:
        """The phases of which anything comes from the step cache: they have no time of this run."""
        steps = (step.phase for step in self.steps if step.attempts == 0 and step.error is None)
        return frozenset((*steps, *(vote.phase for vote in self.votes if vote.attempts == 0)))

    @property
    def error(self) -> Step | None:
        """The step that ended in an error, if one did and nothing came after it."""
        return next((step for step in self.steps if step.error), None)

    @property
    def outcome(self) -> str:
        """How it ended: "correct", "wrong", "abstained", "error" or "unjudged"; an error is never a verdict."""
        if self.error is not None:
            return "error"
        return self.verdict.label if self.verdict is not None else "unjudged"


class ContainerRecord(Word):
    """One haystack in one provider, as it was finally ingested.

    `tokens` is the estimated size of the haystack's rendered messages. `ingest_ms` has one service time a session,
    `attempts` one count a session. `indexing_ms` is None where indexing did not end. `cached` says that it was ingested
    before, and comes from a step cache: then it has no times.
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
    cached: bool = False


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


class CodeChange(Word):
    """Code that was not the same when a run was continued; `begun` and `continued` name a commit, or a file's hash."""

    subject: str
    begun: str
    continued: str


class ProviderRecord(Word):
    """A provider as the run uses it; `api` is the generation of the service or engine behind it, "" for none."""

    name: str
    version: str
    api: str = ""
    settings: dict[str, JsonValue]


class SampleRecord(Word):
    """What a run chose from a benchmark, before pytest's own options (``-k``, node ids) took any of it away.

    `description` is the choice in plain words, None where everything was chosen. `population` has how many questions of
    each type the benchmark has; `types` are those of them that the choice was made among, and `clusters` counts the
    clusters that their questions belong to. `chosen` questions were chosen. `drawn` says that they were drawn by
    chance.
    """

    description: str | None
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
    corrected_key: str | None = Field(default=None, exclude_if=is_none)
    judges: tuple[JudgeRecord, ...] = ()
    sample: SampleRecord | None = None


class AnswererRecord(Word):
    """An answering model as the run uses it."""

    name: str
    version: str
    offline: bool
    priced_by: str | None = None


class RequestsRecord(Word):
    """Requests to a language model: what ``--model-option`` sets, and the `form` that its server takes.

    `form` is None where it is not known: before the preflight check.
    """

    role: Literal["answer", "judge"]
    name: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    form: dict[str, JsonValue] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.role, self.name

    @property
    def part(self) -> str:
        """Its name among what a run's numbers depend on."""
        return f"{self.role}.request_form.{self.name}"

    @property
    def answers_depend_on(self) -> JsonValue:
        """What of the form may change a reply: the name of a parameter does not."""
        return None if self.form is None else {name: value for name, value in self.form.items() if name != "cap"}


class OutageRecord(Word):
    """A time in which calls to a service paused because it failed for everybody.

    `began` is a Unix time; `over` is False if the service was given up at its end.
    """

    service: str
    began: float
    seconds: float
    over: bool


class ShardRecord(Word):
    """Which part of a selection a run asks: number `index`, from 1, of `count`.

    `selected` questions are in all parts together; `selection` is a hash of their keys in order.
    """

    index: int
    count: int
    selected: int
    selection: str

    def __str__(self) -> str:
        return f"shard {self.index} of {self.count}"


class RunRecord(Word):
    """A run: what was asked for, with what, and when.

    `sampled` describes a selection that is not the whole benchmark in plain words, None for the whole. `until` is the
    last phase that was asked for. `second_look_at` names the finished run whose wrong questions are asked again here.
    `in_flight` is the total over all workers; `loop_lag_ms_p99` the worst worker's event-loop lag,
    None where every call was timed in a thread and not on the loop. `outages` are in the order of their beginning.
    `answers_from` names the run that holds the answers where they were not made here: an import, which names itself.
    `finished` is None until every selected question has come to its end. `requests` has one record for each language
    model, `notes` are those of `reports.store.notes`.
    `code` names the commits of the suite and of providers from elsewhere; `code_changes` is what differed when the run
    was continued. `shard` is None where everything selected is asked in this run.
    """

    id: str
    fingerprint: str
    started: datetime
    finished: datetime | None
    command: str
    versions: Versions
    git: Git | None
    code: dict[str, str] = Field(default_factory=dict)
    code_changes: tuple[CodeChange, ...] = ()
    until: Phase
    top_k: int
    isolation: Literal["haystack", "question"]
    selection: dict[str, JsonValue]
    sampled: str | None
    shard: ShardRecord | None = None
    second_look_at: str | None
    answers_from: str | None = None
    in_flight: int
    workers: int
    loop_lag_ms_p99: float | None
    providers: tuple[ProviderRecord, ...]
    benchmarks: tuple[BenchmarkRecord, ...]
    answerer: AnswererRecord
    judge: JudgeRecord
    requests: tuple[RequestsRecord, ...] = ()
    notes: tuple[Note, ...] = Field(default=(), exclude=True)
    outages: tuple[OutageRecord, ...] = ()
