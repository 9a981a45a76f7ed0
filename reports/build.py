"""From the records of a run to its report: one pass, of which only small numbers are kept."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from reports.answer_metrics import AnswerMean
from reports.cautions import clock_warnings_of, warnings_of
from reports.figures import (
    F1,
    Calls,
    Context,
    Failure,
    OfficialAccuracy,
    OfficialRetrieval,
    PhaseLatency,
    Sample,
)
from reports.gate import Threshold, evaluate
from reports.judging import JudgingTally
from reports.model import (
    AnsweringModelDetails,
    AuditedJudge,
    BenchmarkBlock,
    Comparison,
    Report,
    Result,
    Run,
    RunSettings,
)
from reports.official_accuracy import OFFICIAL_ACCURACY
from reports.official_retrieval import OFFICIAL_RETRIEVAL
from reports.prices import Prices, Spending, answer_paid, tokens, verdict_paid, votes_paid
from reports.records import (
    PHASES,
    BenchmarkRecord,
    ContainerRecord,
    ProviderRecord,
    QuestionRecord,
    RunRecord,
)
from reports.retrieval_metrics import Level
from reports.sampled import sample_of
from reports.statistics import ExactMean, compare
from reports.tally import LEVELS, Digest, Tally, digest, latency, official_levels, step_latency
from reports.votes import JudgedRecord
from schema import CheckpointError, Usage, estimate_tokens

GROUPS = ("answerable", "unanswerable")
COMPARED_K = 10


def build_report(
    run: RunRecord,
    questions: Iterable[QuestionRecord],
    containers: Iterable[ContainerRecord],
    *,
    thresholds: Sequence[Threshold] = (),
    max_errors: int | None = None,
) -> Report:
    """The report of `run` over all its selected questions, in the order of their selection.

    Reads each iterable once, containers first. There is a gate if there are `thresholds` or `max_errors`. Raises
    `schema.CheckpointError` if a record belongs to no provider and benchmark of the run.
    """
    prices = Prices(run.started)
    pairs = {(provider.name, benchmark.name): _Pair(run, provider, benchmark, prices)
             for benchmark in run.benchmarks for provider in run.providers}  # fmt: skip
    for container in containers:
        _pair_of(pairs, container.provider, container.benchmark).add_container(container)
    for record in questions:
        _pair_of(pairs, record.provider, record.case.benchmark).add_question(record)
    asked = [pair for pair in pairs.values() if pair.all.outcomes]
    results = tuple(pair.result() for pair in asked)
    gate = None
    if thresholds or max_errors is not None:
        finished, second_look = run.finished is not None, run.second_look_at is not None
        gate = evaluate(results, thresholds, max_errors, finished=finished, second_look=second_look)
    return Report(run=_run(run), results=results, comparisons=tuple(_comparisons(run, asked)), gate=gate)


class _Pair:
    """What is known so far of one provider on one benchmark."""

    def __init__(self, run: RunRecord, provider: ProviderRecord, benchmark: BenchmarkRecord, prices: Prices) -> None:
        self.run, self.provider, self.benchmark = run, provider, benchmark
        self.all = Tally(run.top_k)
        self.judging = JudgingTally(benchmark.judges or (run.judge,))
        self.by_type: dict[str, Tally] = {}
        self.by_group: dict[str, Tally] = {}
        self.answered = run.until in ("answer", "judge")
        own = (benchmark.official_f1,) if benchmark.official_f1 else ()
        named = (*own, *benchmark.paper_metrics) if self.answered else ()
        self.f1 = {name: AnswerMean(name) for name in named}
        wanted = OFFICIAL_RETRIEVAL.get(benchmark.official_retrieval or "") if run.until != "ingest" else None
        self.official = wanted(run.top_k) if wanted else None
        self.haystack_tokens: dict[str, int] = {}
        self.context_tokens, self.haystack_share = ExactMean(), ExactMean()
        self.ingest_ms, self.indexing_ms = array("d"), array("d")
        self.calls: Counter[str] = Counter()
        self.usage: dict[str, Usage] = {}
        self.spending = Spending(prices)
        self.failures: list[Failure] = []
        self.results_seen = 0
        self.without_origin: dict[Level, int] = dict.fromkeys(LEVELS, 0)
        self.comparable: dict[str, tuple[str, bool, bool | None]] | None = {} if len(run.providers) > 1 else None

    def add_container(self, container: ContainerRecord) -> None:
        self.haystack_tokens[container.haystack] = container.tokens
        self.ingest_ms.extend(container.ingest_ms)
        if container.indexing_ms is not None:
            self.indexing_ms.append(container.indexing_ms)
        if container.error is None:
            self.calls["ingest_sessions"] += container.sessions
        self.calls["retries"] += sum(max(attempts - 1, 0) for attempts in container.attempts)

    def add_question(self, record: QuestionRecord) -> None:
        one, gold = digest(record), record.case.gold
        self.all.add(one)
        self.judging.add(record)
        self.by_type.setdefault(gold.question_type, Tally(self.run.top_k)).add(one)
        for group in dict.fromkeys((GROUPS[not gold.answerable], *gold.groups)):
            self.by_group.setdefault(group, Tally(self.run.top_k)).add(one)
        for f1 in self.f1.values():
            f1.add(None if record.answer is None else record.answer.hypothesis, gold)
        if self.official is not None:
            self.official.add(record.results, gold)
        if self.comparable is not None:
            self.comparable[record.case.id] = _comparable(one)
        self._add_steps(record)
        self._add_results(record)

    def _add_steps(self, record: QuestionRecord) -> None:
        for step in record.steps:
            if step.phase == "ingest":
                continue  # many questions wait for one ingest; it is counted with its container
            self.calls[step.phase] += step.error is None
            self.calls["retries"] += max(step.attempts - 1, 0)
            if step.usage is not None:
                self.usage[step.phase] = self.usage.get(step.phase, Usage(calls=0)) + step.usage
        if record.answer is not None:
            self.spending.add(answer_paid(self.run.answerer, record.answer))
        judges = self.benchmark.judges or (self.run.judge,)
        if isinstance(record, JudgedRecord) and record.votes:
            self.spending.add(votes_paid(judges, (cast.vote for cast in record.votes)))
        elif record.verdict is not None:
            self.spending.add(verdict_paid(judges, record.verdict))
        failed = record.error
        if failed is not None and failed.error is not None:
            self.failures.append(
                Failure(
                    question_id=record.case.id,
                    phase=failed.phase,
                    type=failed.error.type,
                    message=failed.error.message,
                )
            )

    def _add_results(self, record: QuestionRecord) -> None:
        if record.results is None:
            return
        tokens = sum(estimate_tokens(result.text) for result in record.results)
        self.context_tokens.add(tokens)
        if haystack := self.haystack_tokens.get(record.case.haystack):
            self.haystack_share.add(tokens / haystack)
        self.results_seen += len(record.results)
        self.without_origin["message"] += sum(not result.message_ids for result in record.results)
        self.without_origin["session"] += sum(not result.session_ids for result in record.results)

    def levels(self) -> set[Level]:
        """At which levels retrieval can be measured."""
        if self.run.until == "ingest":
            return set()
        return {level for level in LEVELS if not self.results_seen or self.without_origin[level] < self.results_seen}

    def result(self) -> Result:
        shown, judged, questions = self.levels(), self.run.until == "judge", self.all.questions()
        seen = self.results_seen
        unattributed = {level: self.without_origin[level] / seen for level in LEVELS if seen}
        latency_ms, sample = self._latency(), self._sample()
        return Result(
            provider=self.provider,
            benchmark=self._benchmark(sample),
            answering_model=self.run.answerer.name,
            answering_model_details=AnsweringModelDetails(
                version=self.run.answerer.version, offline=self.run.answerer.offline
            ),
            answer_prompt=self.benchmark.own_prompts.get(self.provider.name, self.benchmark.answer_prompt),
            judge=AuditedJudge(**self.judging.shown().model_dump()),
            judges=self.judging.judges(judged),
            agreement=self.judging.agreement(),
            questions=questions,
            accuracy=self.all.accuracy() if judged else None,
            by_type={name: self.by_type[name].breakdown(shown, judged) for name in self._types()},
            by_group={name: self.by_group[name].breakdown(shown, judged) for name in self._groups()},
            retrieval=self.all.levels(shown),
            official_retrieval=self._official_retrieval(shown),
            f1={name: self._f1(mean) for name, mean in self.f1.items()},
            official_accuracy=self._official_accuracy(judged),
            context=Context(
                n=self.context_tokens.n,
                tokens_mean=self.context_tokens.value,
                haystack_share_mean=self.haystack_share.value,
            ),
            latency_ms=latency_ms,
            waited_ms=step_latency(self.all.waited),
            calls=Calls(**{name: self.calls[name] for name in Calls.model_fields}),
            usage={phase: tokens(self.usage[phase]) for phase in PHASES if phase in self.usage},
            cost=self.spending.cost(),
            errors=tuple(self.failures),
            warnings=tuple(warnings_of(self.run, self.benchmark, sample, questions, unattributed)),
            clock_warnings=tuple(clock_warnings_of(self.run, latency_ms.search.p50)),
        )

    def _types(self) -> list[str]:
        """The types that were selected: in the benchmark's order, then any that it does not list."""
        listed = [name for name in self.benchmark.types if name in self.by_type]
        return listed + sorted(self.by_type.keys() - set(listed))

    def _groups(self) -> list[str]:
        """Answerable or not, then the benchmark's own groups, "context-2" before "context-30"."""
        named = [name for name in GROUPS if name in self.by_group]
        return named + sorted(self.by_group.keys() - set(named), key=_numbers_by_size)

    def _sample(self) -> Sample | None:
        counts = {name: tally.clusters for name, tally in self.by_type.items()}
        judged, second_look_at = self.run.until == "judge", self.run.second_look_at
        return sample_of(self.benchmark.sample, counts, judged=judged, second_look_at=second_look_at)

    def _benchmark(self, sample: Sample | None) -> BenchmarkBlock:
        elsewhere = {"answer_prompt", "own_prompts", "judges", "paper_metrics", "official_accuracy"}
        told = self.benchmark.model_dump(exclude=elsewhere)
        return BenchmarkBlock(**{**told, "types": tuple(self._types()), "sample": sample})

    def _official_retrieval(self, shown: set[Level]) -> dict[str, OfficialRetrieval]:
        if self.official is None or self.benchmark.official_retrieval is None:
            return {}
        return {self.benchmark.official_retrieval: official_levels(self.official.summary(), shown)}

    def _f1(self, mean: AnswerMean) -> F1:
        summary = mean.summary().model_dump()
        summary["by_type"] = {name: summary["by_type"][name] for name in self._types() if name in summary["by_type"]}
        return F1.model_validate(summary)

    def _official_accuracy(self, judged: bool) -> dict[str, OfficialAccuracy]:
        name = self.benchmark.official_accuracy
        if name is None or not judged:
            return {}
        by_type = {kind: tally.correct_of() for kind, tally in self.by_type.items()}
        unanswerable = self.by_group.get(GROUPS[1])
        return {name: OFFICIAL_ACCURACY[name](by_type, unanswerable.correct_of() if unanswerable else (0, 0))}

    def _latency(self) -> PhaseLatency:
        steps = step_latency(self.all.service)
        return PhaseLatency(
            ingest=latency(self.ingest_ms),
            indexing=latency(self.indexing_ms),
            search=steps.search,
            answer=steps.answer,
            judge=steps.judge,
        )


def _pair_of(pairs: dict[tuple[str, str], _Pair], provider: str, benchmark: str) -> _Pair:
    if (provider, benchmark) not in pairs:
        known = ", ".join(f"{one} on {other}" for one, other in pairs)
        raise CheckpointError(
            f"the run holds a record of {provider} on {benchmark}, but was made for {known}; its checkpoint is damaged."
        )
    return pairs[provider, benchmark]


def _numbers_by_size(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _comparable(one: Digest) -> tuple[str, bool, bool | None]:
    """(cluster, correct, found a message of the evidence; None without evidence)."""
    scores = one.retrieval.get("message")
    return one.cluster, one.outcome == "correct", None if scores is None else scores.hit[COMPARED_K] > 0


def _comparisons(run: RunRecord, asked: Sequence[_Pair]) -> Iterator[Comparison]:
    for one, other in combinations(asked, 2):
        if one.benchmark.name != other.benchmark.name:
            continue
        first, second = one.comparable or {}, other.comparable or {}
        both = [(first[key], second[key]) for key in first if key in second]
        if run.until == "judge":
            found = compare((mine[0], mine[1], theirs[1]) for mine, theirs in both)
        elif run.top_k >= COMPARED_K and "message" in one.levels() and "message" in other.levels():
            found = compare((mine[0], bool(mine[2]), bool(theirs[2])) for mine, theirs in both if mine[2] is not None)
        else:
            continue
        if found.n:
            yield Comparison.model_validate(
                {
                    "benchmark": one.benchmark.name,
                    "first": one.provider.name,
                    "second": other.provider.name,
                    "metric": "accuracy" if run.until == "judge" else f"hit@{COMPARED_K}",
                    "n": found.n,
                    "first_value": found.first,
                    "second_value": found.second,
                    "difference": found.difference,
                    "ci95": found.ci95,
                    "only_first": found.b,
                    "only_second": found.c,
                    "p_value": found.p_value,
                    "different": found.different,
                    "method": found.method,
                }
            )


def _run(run: RunRecord) -> Run:
    settings = RunSettings(**{name: getattr(run, name) for name in RunSettings.model_fields})
    kept = {name: getattr(run, name) for name in Run.model_fields if name != "settings"}
    return Run(**kept, settings=settings)
