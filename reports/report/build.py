"""From the records of a run to its report: one pass, of which only small numbers are kept."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Literal

from reports.metrics import (
    EXACT_MATCHES,
    OFFICIAL_ACCURACY,
    OFFICIAL_RETRIEVAL,
    AnswerMean,
    AnswerScores,
    Calls,
    Comparison,
    Failure,
    Level,
    NuggetTally,
    OfficialAccuracy,
    PhaseLatency,
    PromptCounts,
    Sample,
    compare,
    summarise,
)
from reports.report.cautions import clock_warnings_of, warnings_of
from reports.report.corrected import CorrectedTally
from reports.report.gates import Against, Threshold, evaluate
from reports.report.judging import JudgingTally
from reports.report.model import (
    AnsweringModelDetails,
    AuditedJudge,
    BenchmarkBlock,
    Report,
    Result,
    Run,
    RunSettings,
)
from reports.report.prices import Prices, Spending, question_paid, tokens
from reports.report.published import PublishedTally, made_here
from reports.report.sampled import sample_of
from reports.report.tally import GROUPS, LEVELS, ContextTally, Tally, digest, is_replaced, step_latency
from reports.store import BenchmarkRecord, ContainerRecord, ProviderRecord, QuestionRecord, RunRecord
from vocabulary import PHASES, CheckpointError, Phase, Usage, has_unspaced

COMPARED_K = 10


def build_report(
    run: RunRecord,
    questions: Iterable[QuestionRecord],
    containers: Iterable[ContainerRecord],
    *,
    thresholds: Sequence[Threshold] = (),
    max_errors: int | None = None,
    unmeasured: Mapping[str, str] = MappingProxyType({}),
    against: Against | None = None,
) -> Report:
    """The report of `run` over all its selected questions, in the order of their selection.

    Reads each iterable once, containers first. There is a gate if there are `thresholds` or `max_errors`, or if the run
    is held `against` a baseline; `unmeasured` gives requested benchmarks without data, with the reason. Raises
    `CheckpointError` if a record belongs to no provider and benchmark of the run.
    """
    prices = Prices(run.started)
    pairs = {(provider.name, benchmark.name): _Pair(run, provider, benchmark, prices)
             for benchmark in run.benchmarks for provider in run.providers}  # fmt: skip
    for container in containers:
        _pair_of(pairs, container.provider, container.benchmark).add_container(container)
    for record in against.watch(questions) if against else questions:
        _pair_of(pairs, record.provider, record.case.benchmark).add_question(record)
    asked = [pair for pair in pairs.values() if pair.all.outcomes]
    results = tuple(pair.result() for pair in asked)
    gate = None
    if thresholds or against or max_errors is not None:
        finished, second_look = run.finished is not None, run.second_look_at is not None
        gate = evaluate(
            results,
            thresholds,
            max_errors,
            finished=finished,
            second_look=second_look,
            unmeasured=unmeasured,
            against=against,
        )
    return Report(run=_run(run), results=results, comparisons=tuple(_comparisons(run, asked)), gate=gate)


class _Pair:
    """What is known so far of one provider on one benchmark."""

    def __init__(self, run: RunRecord, provider: ProviderRecord, benchmark: BenchmarkRecord, prices: Prices) -> None:
        self.run, self.provider, self.benchmark = run, provider, benchmark
        self.recorded = run.answers_from is not None
        searched, top_k = run.until != "ingest" and not self.recorded, max(1, run.top_k)
        self.all = Tally(top_k)
        self.judging = JudgingTally(benchmark.judges or (run.judge,))
        self.published = PublishedTally(run, provider, benchmark)
        self.by_type, self.by_group = (defaultdict[str, Tally](lambda: Tally(top_k)) for _ in range(2))
        self.answered = run.until in ("answer", "judge")
        own = (benchmark.official_f1,) if benchmark.official_f1 else ()
        named = (*own, *benchmark.paper_metrics) if self.answered else ()
        self.answer_means = {name: AnswerMean(name) for name in named}
        self.corrected = CorrectedTally(benchmark, top_k, named)
        wanted = OFFICIAL_RETRIEVAL.get(benchmark.official_retrieval or "") if searched else None
        self.official = wanted(top_k) if wanted else None
        self.haystack_tokens: dict[str, int] = {}
        self.nuggets = NuggetTally()
        self.context = ContextTally(rendered=self.answered and not run.answerer.offline)
        self.ingest_ms, self.indexing_ms = array("d"), array("d")
        self.calls: Counter[str] = Counter()
        self.cached: Counter[Phase] = Counter()
        self.usage: dict[str, Usage] = {}
        self.spending = Spending(prices)
        self.prompts = PromptCounts()
        self.failures: list[Failure] = []
        self.results_seen = self.replaced = self.unspaced = 0
        self.without_origin: dict[Level, int] = dict.fromkeys(LEVELS, 0)
        self.comparable: dict[str, tuple[str, bool, bool | None]] | None = {} if len(run.providers) > 1 else None

    def add_container(self, container: ContainerRecord) -> None:
        self.haystack_tokens[container.haystack] = container.tokens
        self.ingest_ms.extend(container.ingest_ms)
        if container.indexing_ms is not None:
            self.indexing_ms.append(container.indexing_ms)
        if container.error is None:
            self.calls["ingest_sessions"] += container.sessions
        self.cached["ingest"] += container.cached
        self.calls["retries"] += sum(max(attempts - 1, 0) for attempts in container.attempts)

    def add_question(self, record: QuestionRecord) -> None:
        record = made_here(record) if self.recorded else record
        one, gold = digest(record), record.case.gold
        self.all.add(one)
        self.judging.add(record)
        self.published.add(record, self.judging.shown().name)
        self.corrected.add(record)
        self.by_type[gold.question_type].add(one)
        for group in dict.fromkeys((GROUPS[not gold.answerable], *gold.groups)):
            self.by_group[group].add(one)
        for mean in self.answer_means.values():
            mean.add(None if record.answer is None else record.answer.hypothesis, gold)
        self.nuggets.add(record.verdict, gold)
        if self.official is not None:
            self.official.add(record.results, gold)
        if self.comparable is not None:
            self.comparable[record.case.id] = one.comparable(COMPARED_K)
        self._add_steps(record)
        self._add_results(record)
        self.replaced += is_replaced(record)
        self.unspaced += has_unspaced(record.case.gold.ground_truth)

    def _add_steps(self, record: QuestionRecord) -> None:
        self.cached.update(record.cached)
        for step in record.steps:
            if step.phase == "ingest":
                continue  # many questions wait for one ingest; it is counted with its container
            self.calls[step.phase] += step.error is None and step.attempts > 0
            self.calls["retries"] += max(step.attempts - 1, 0)
            if step.usage is not None:
                self.usage[step.phase] = self.usage.get(step.phase, Usage(calls=0)) + step.usage
        if record.answer is not None:
            self.prompts.add(f"answering model {self.run.answerer.name}", record.answer.usage)
        judges = self.benchmark.judges or (self.run.judge,)
        self.spending.add(question_paid(None if self.recorded else self.run.answerer, judges, record))
        if record.votes:
            for recorded in record.votes:
                self.prompts.add(f"judge {recorded.vote.judge}", recorded.vote.usage)
        elif record.verdict is not None:
            self.prompts.add(f"judge {judges[0].name}", record.verdict.usage)
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
        self.context.add(record, self.haystack_tokens.get(record.case.haystack))
        self.results_seen += len(record.results)
        self.without_origin["message"] += sum(not result.message_ids for result in record.results)
        self.without_origin["session"] += sum(not result.session_ids for result in record.results)

    def levels(self) -> set[Level]:
        """At which levels retrieval can be measured."""
        if self.run.until == "ingest" or self.recorded:
            return set()
        return {level for level in LEVELS if not self.results_seen or self.without_origin[level] < self.results_seen}

    def result(self) -> Result:
        shown, judged, questions = self.levels(), self.run.until == "judge", self.all.questions()
        seen, name = self.results_seen, self.provider.name
        unattributed = {level: self.without_origin[level] / seen for level in LEVELS if seen}
        latency_ms, sample = self._latency(), self._sample()
        answers = {name: self._in_order(mean.summary()) for name, mean in self.answer_means.items()}
        return Result(
            provider=self.provider,
            benchmark=self._benchmark(sample),
            answering_model=self.run.answerer.name,
            answering_model_details=AnsweringModelDetails(
                version=self.run.answerer.version, offline=self.run.answerer.offline
            ),
            answer_prompt=self.benchmark.own_prompts.get(self.provider.name, self.benchmark.answer_prompt),
            judge=AuditedJudge(**dict(self.judging.shown())),
            judges=self.judging.judges(judged),
            agreement=self.judging.agreement(),
            published=self.published.summary(self._types()),
            questions=questions,
            accuracy=self.all.accuracy() if judged else None,
            by_type={name: self.by_type[name].breakdown(shown, judged) for name in self._types()},
            by_group={name: self.by_group[name].breakdown(shown, judged) for name in self._groups()},
            retrieval=self.all.levels(shown),
            official_retrieval=self.official.summary(shown) if self.official else {},
            f1={name: scores for name, scores in answers.items() if name not in EXACT_MATCHES},
            exact_match={name: scores for name, scores in answers.items() if name in EXACT_MATCHES},
            corrected=self.corrected.result(self._types(), shown, judged),
            official_accuracy=self._official_accuracy(judged),
            nuggets=self.nuggets.summary(self._types()),
            context=self.context.summary(),
            latency_ms=latency_ms,
            waited_ms=step_latency(self.all.waited),
            calls=Calls(**{name: self.calls[name] for name in Calls.model_fields}),
            cached={phase: self.cached[phase] for phase in PHASES if self.cached[phase]},
            usage={phase: tokens(self.usage[phase]) for phase in PHASES if phase in self.usage},
            cost=self.spending.cost(),
            errors=tuple(self.failures),
            warnings=(
                *warnings_of(
                    self.run, self.benchmark, sample, questions, unattributed, name, self.replaced, self.unspaced
                ),
                *self.prompts.warnings(),
            ),
            clock_warnings=tuple(clock_warnings_of(self.run, name, latency_ms.search.p50)),
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
        return sample_of(self.benchmark.sample, counts, self.run)

    def _benchmark(self, sample: Sample | None) -> BenchmarkBlock:
        shown = {name: getattr(self.benchmark, name) for name in BenchmarkBlock.model_fields}
        return BenchmarkBlock(**{**shown, "types": tuple(self._types()), "sample": sample})

    def _in_order(self, scores: AnswerScores) -> AnswerScores:
        by_type = {name: scores.by_type[name] for name in self._types() if name in scores.by_type}
        return scores.model_copy(update={"by_type": by_type})

    def _official_accuracy(self, judged: bool) -> dict[str, OfficialAccuracy]:
        name = self.benchmark.official_accuracy
        if name is None or not judged:
            return {}
        by_type = {kind: tally.correct_of() for kind, tally in self.by_type.items()}
        unanswerable = self.by_group.get(GROUPS[1])
        return {name: OFFICIAL_ACCURACY[name](by_type, unanswerable.correct_of() if unanswerable else (0, 0))}

    def _latency(self) -> PhaseLatency:
        steps = step_latency(self.all.service)
        return PhaseLatency(ingest=summarise(self.ingest_ms), indexing=summarise(self.indexing_ms), **dict(steps))


def _pair_of(pairs: dict[tuple[str, str], _Pair], provider: str, benchmark: str) -> _Pair:
    if (provider, benchmark) not in pairs:
        known = ", ".join(f"{one} on {other}" for one, other in pairs)
        raise CheckpointError(
            f"the run holds a record of {provider} on {benchmark}, but was made for {known}; its checkpoint is damaged."
        )
    return pairs[provider, benchmark]


def _numbers_by_size(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _comparisons(run: RunRecord, asked: Sequence[_Pair]) -> Iterator[Comparison]:
    for one, other in combinations(asked, 2):
        if one.benchmark.name != other.benchmark.name:
            continue
        first, second = one.comparable or {}, other.comparable or {}
        both = [(first[key], second[key]) for key in first if key in second]
        metric: Literal["accuracy", "hit@10"] = "accuracy"
        if run.until == "judge":
            outcomes = [(mine[0], mine[1], theirs[1]) for mine, theirs in both]
        elif run.top_k >= COMPARED_K and "message" in one.levels() and "message" in other.levels():
            metric = "hit@10"
            outcomes = [(mine[0], bool(mine[2]), bool(theirs[2])) for mine, theirs in both if mine[2] is not None]
        else:
            continue
        names = {"benchmark": one.benchmark.name, "first": one.provider.name, "second": other.provider.name}
        if (found := compare(outcomes, **names, metric=metric)) is not None:
            yield found


def _run(run: RunRecord) -> Run:
    settings = RunSettings.model_validate(run, from_attributes=True)
    kept = {name: getattr(run, name) for name in Run.model_fields if name != "settings"}
    return Run(**kept, settings=settings)
