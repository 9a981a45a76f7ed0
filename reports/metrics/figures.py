"""The figures that a report is made of: counts, shares, times."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, PlainSerializer

from reports.metrics.documented import Documented
from vocabulary import Phase

Ratio = Annotated[float, PlainSerializer(lambda value: round(value, 6), return_type=float)]
"""A share or a mean; full precision in memory, six decimals when serialized."""

Milliseconds = Annotated[float, PlainSerializer(lambda value: round(value, 3), return_type=float)]
"""A time; full precision in memory, three decimals when serialized."""


class Block(Documented):
    """A part of the report: it cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcomes(Block):
    """How the selected questions ended; the five add up to `selected`."""

    correct: int
    wrong: int
    abstained: int
    """Declined although the question can be answered."""
    error: int
    """A step could not be done: no verdict."""
    unjudged: int
    """Without verdict and without error: not asked yet, or `until` came before judge."""


class Questions(Block):
    """Counts of questions."""

    selected: int
    """The denominator, always."""
    judged: int
    correct: int
    errors: int
    replayed: int
    """Kept earlier steps when later ones were asked again."""
    retried: int
    """Needed more than one attempt at a step, or ended in an error before."""
    cached: int = 0
    """Took a step from the step cache."""
    outcomes: Outcomes


class Accuracy(Block):
    """Correct answers among ALL selected questions: errors and unjudged ones count as not correct."""

    value: Ratio
    correct: int
    n: int
    ci95: tuple[Ratio, Ratio]
    """The 95 % interval, low and high."""
    method: str
    """How the interval was made."""


class Retrieval(Block):
    """What was found of the evidence, by cut-off "1" … "50".

    Null where `n` is 0, and for cut-offs beyond the run's top-k: what was not asked for was not measured.
    """

    n: int
    """Selected questions that have evidence; one whose search failed stays in and counts 0."""
    recall: dict[str, Ratio | None]
    """Share of the evidence in the first k places."""
    hit: dict[str, Ratio | None]
    """Share of questions with any evidence in the first k places."""
    ndcg: dict[str, Ratio | None]
    """Normalised discounted cumulative gain, the ideal being over all evidence."""
    mrr: Ratio | None
    """Mean reciprocal rank of the first place that holds evidence."""
    unattributed: Ratio | None
    """Share of places whose origin the provider did not tell; null where nothing was found at all."""


class RetrievalLevels(Block):
    """Retrieval by what counts as found. Null where nothing was searched or results do not say where they come from."""

    message: Retrieval | None
    session: Retrieval | None


class OfficialScores(Block):
    """A data set's own retrieval metrics at one level, by cut-off "1" … "50".

    Null where `n` is 0, and for cut-offs beyond the run's top-k.
    """

    n: int
    """Questions that the data set's own script would average; one whose search failed stays in and counts 0."""
    recall_any: dict[str, Ratio | None]
    """Share of questions with any evidence in the first k places."""
    recall_all: dict[str, Ratio | None]
    """Share of questions with all of their evidence in the first k places."""
    ndcg_any: dict[str, Ratio | None]
    """Normalised discounted cumulative gain in an older form: ranks 1 and 2 weigh the same."""


class OfficialRetrieval(Block):
    """Null where nothing was searched or results do not say where they come from."""

    session: OfficialScores | None
    """In `longmemeval_official` from a ranking of turns, in `longmemeval_session_corpus` from one of sessions."""
    turn: OfficialScores | None
    """Among what the user said; null in `longmemeval_session_corpus`, which has no turns."""


class Estimate(Block):
    """Accuracy of all questions that a sample stands for."""

    value: Ratio
    """Each question type weighs what it weighs in the benchmark."""
    ci95: tuple[Ratio, Ratio]
    """The 95 % interval, low and high."""
    n: int
    """The questions that it is about: those of `types`."""
    method: str
    """How the interval was made."""


class Sample(Block):
    """What was asked of a benchmark that was not asked whole."""

    description: str
    """How the questions were chosen, in plain words."""
    selected: int
    """Questions that were asked."""
    questions: int
    """Questions that the benchmark has."""
    population: dict[str, int]
    """The same by question type, in the benchmark's order."""
    types: tuple[str, ...]
    """The types that were chosen among."""
    clusters: int
    """Clusters that the questions of `types` belong to, which `estimate` respects where they are fewer."""
    drawn: bool
    """Whether the questions were drawn by chance."""
    estimate: Estimate | None
    """Accuracy, had all questions of `types` been asked. Null where that is unknown."""
    reason: str | None
    """Why there is no estimate."""


class Latency(Block):
    """Service times of the last attempts, without queueing and waiting; null where `n` is 0."""

    n: int
    mean: Milliseconds | None
    p50: Milliseconds | None
    p90: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None
    max: Milliseconds | None
    note: str | None
    """Which percentiles `n` is too small for."""


class StepLatency(Block):
    """Times of the steps of a question."""

    search: Latency
    answer: Latency
    judge: Latency


class PhaseLatency(StepLatency):
    """Times of all phases: ingest for each session, indexing for each container, the others for each question."""

    ingest: Latency
    indexing: Latency


class Breakdown(Block):
    """The numbers of one question type, or of one group."""

    questions: Questions
    accuracy: Accuracy | None
    retrieval: RetrievalLevels
    latency_ms: StepLatency
    """Clock field."""


class Score(Block):
    """A mean over `n` questions; a question without an answer counts 0."""

    value: Ratio | None
    """Null where `n` is 0."""
    n: int


class AnswerScores(Block):
    """An answer metric that needs no judge, over the questions that it is defined for."""

    overall: Score
    answerable: Score
    by_type: dict[str, Score]


class OfficialAccuracy(Block):
    """Accuracies as a data set's own script prints them, from the judge's verdicts; an error counts as not correct."""

    overall: Score
    """Over all questions."""
    task_averaged: Score
    """Mean of the accuracies of the `n` question types that were asked; each counts the same."""
    abstention: Score
    """Over the questions that cannot be answered; they also count in their types."""


class NuggetScores(Block):
    """Grades of rubrics, summed up by one way; a question without a verdict counts 0."""

    overall: Score
    """Mean over all questions."""
    task_averaged: Score
    """Mean of the means of the `n` question types that were asked; each counts the same."""
    passed: Score
    """Share of questions with a score of at least 0.5."""
    by_type: dict[str, Score]


class Context(Block):
    """How much the answering model was given."""

    n: int
    """Questions that were searched; with a language model, that were answered."""
    tokens_mean: Ratio | None
    """Estimated tokens (four characters each) of what was handed over: results as a language model reads them, with
    dates and within ``--context-tokens``; without one, the results' texts."""
    prompt_tokens_mean: Ratio | None
    """Tokens of whole prompts as the answering model's server counted them; null where no server counts."""
    haystack_share_mean: Ratio | None
    """Estimated tokens by the haystack's; above 1 where more is handed over than was said."""


class Failure(Block):
    """A question that ended in an error."""

    question_id: str
    phase: Phase
    type: str
    message: str


class Comparison(Block):
    """Two providers on the same questions of a benchmark."""

    benchmark: str
    first: str
    second: str
    metric: Literal["accuracy", "hit@10"]
    """What was compared: accuracy, or hit@10 of messages where nothing was to be judged."""
    n: int
    """Questions that both were asked (for hit@10: that have evidence)."""
    first_value: Ratio
    second_value: Ratio
    difference: Ratio
    """First minus second."""
    ci95: tuple[Ratio, Ratio]
    only_first: int
    """Questions that only the first has right."""
    only_second: int
    p_value: float
    """Of the exact McNemar test; not rounded."""
    different: bool
    """Whether test and interval both say that they differ; otherwise no difference is shown."""
    method: str


class JudgeNoise(Block):
    """How a judge that voted several times on each answer differs from itself."""

    repeats: int
    n: int
    """Questions with a vote of each repeat."""
    changed: Ratio | None
    """Share of them whose label was not the same in all repeats; null where `n` is 0."""
    accuracy_sd: Ratio
    """Standard deviation of the accuracy over the repeats (sample, one less than the repeats below)."""
