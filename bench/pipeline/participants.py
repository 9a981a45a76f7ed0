"""Who takes part in a run: providers, the answering model and the judges, and what the record keeps of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from bench.base import Benchmark, BenchmarkOptions
from bench.config import BenchmarkConfig, option_name
from bench.pipeline.provider_options import provider_settings, recorded_settings
from bench.published import RecordedAnswerer, RecordedAnswers, RecordedProvider
from judges import FAMILY_MODELS, Judge, ModelJudge, open_judge, protocol_names
from llms import Answerer, open_answerer
from llms.answering import AnswerOptions, ModelAnswerer
from llms.clients import ROLES, BatchRecord, ChatModel, ModelOptions, Role, is_model_name, read_options, remark
from llms.offline import ExtractiveAnswerer
from providers import Provider, ProviderSettings, find_provider
from registry import declared_names, find_class, known_classes
from reports.store import (
    AnswererRecord,
    BenchmarkRecord,
    JudgeRecord,
    Parts,
    ProviderRecord,
    RequestsRecord,
    SampleRecord,
)
from vocabulary import ConfigurationError, Phase

_MODEL_SETTINGS = ("context_tokens", "answer_prompt")
_EXTRACTIVE_SETTINGS = ("abstain_below", "abstain_gap")


class LanguageModel(NamedTuple):
    """A language model of a run: what it is used for, its name, and the `reply` that it is asked for, None for text."""

    role: Role
    name: str
    chat: ChatModel
    reply: type[BaseModel] | None


@dataclass(frozen=True)
class Participants:
    """Who takes part in a run, found by name before anything is begun.

    `own_prompts` are the providers that are answered for with a prompt of their own. `options` are settings of
    requests to language models. `recorded` has the answers where they are another run's: then nothing but the judges is
    called.
    """

    providers: dict[str, type[Provider]]
    settings: dict[str, ProviderSettings]
    answerer: Answerer
    judges: tuple[Judge, ...]
    protocol: str | None
    own_prompts: frozenset[str] = frozenset()
    recorded: RecordedAnswers | None = None
    options: Mapping[Role, ModelOptions] = field(default_factory=dict)

    @classmethod
    def of(
        cls, config: BenchmarkConfig, batches: BatchRecord | None = None, recorded: RecordedAnswers | None = None
    ) -> Participants:
        """Those whom `config` names, the providers with their settings; raises `ConfigurationError`.

        `batches` is where the run records them; it is not opened before the first call.
        """
        providers = {name: RecordedProvider if recorded else find_provider(name) for name in config.provider}
        options = {role: read_options(config.model_option, role, strict=config.strict) for role in ROLES}
        answerer = RecordedAnswerer(recorded.digest) if recorded else _open_answerer(config, options["answer"])
        judges = tuple(open_judge(name, options["judge"]) for name in dict.fromkeys(config.judge))
        _check_options(config, answerer, judges)
        if config.judge_batch:
            assert batches is not None, "a run has a record of them"
            judges = tuple(_in_batches(judge, batches) for judge in judges)
        if config.judge_protocol is not None:
            judges = tuple(judge.for_protocol(config.judge_protocol) for judge in judges)
        return cls(
            providers,
            provider_settings(providers, config.provider_option),
            answerer,
            judges,
            config.judge_protocol,
            _own_prompts(providers) if config.answer_prompt == "provider" else frozenset(),
            recorded,
            options,
        )

    def answerer_for(self, benchmark: Benchmark, name: str = "", provider: Provider | None = None) -> Answerer:
        """The answering model with the prompt of the benchmark's family, or with that of `provider`, called `name`."""
        answerer = self.answerer.for_family(benchmark.family)
        if provider is not None and name in self.own_prompts and isinstance(answerer, ModelAnswerer):
            return answerer.with_own_prompt(name, provider.answer_prompt)
        return answerer

    def judges_for(self, benchmark: Benchmark) -> tuple[Judge, ...]:
        """The judges, each with the rules that were asked for or else the benchmark's, which may have its own judge."""
        if benchmark.own_judge is not None and self.protocol is None:
            return (open_judge(benchmark.own_judge),)
        return tuple(judge.for_protocol(self.protocol or benchmark.protocol) for judge in self.judges)

    def models(self, until: Phase) -> list[LanguageModel]:
        """The language models of a run that goes `until` a phase."""
        answerers = [self.answerer] if until in ("answer", "judge") else []
        answering = [one for one in answerers if isinstance(one, ModelAnswerer)]
        judging = [one for one in self.judges if isinstance(one, ModelJudge)] if until == "judge" else []
        return [
            *(LanguageModel("answer", one.name, one.chat.inner, None) for one in answering),
            *(LanguageModel("judge", one.name, one.chat.inner, one.reply) for one in judging),
        ]

    def top_k(self, config: BenchmarkConfig) -> int:
        """How many results the providers are asked for: none where the answers are recorded."""
        return 0 if self.recorded else config.top_k

    def requests(self, until: Phase) -> tuple[RequestsRecord, ...]:
        """What is kept of their requests, as far as it is known."""
        return tuple(
            RequestsRecord(
                role=model.role,
                name=model.name,
                options=self.options[model.role].recorded,
                form=model.chat.form.model_dump() if model.chat.form and model.chat.negotiated else None,
            )
            for model in self.models(until)
        )

    def depends_on_options(self, role: Role) -> dict[str, JsonValue] | None:
        """What is set about the requests to the models in `role`; None for nothing."""
        options = self.options.get(role)
        return (options.recorded or None) if options else None

    @property
    def provider_records(self) -> tuple[ProviderRecord, ...]:
        """What a report says of the providers."""
        if self.recorded:
            return self.recorded.providers(self.providers)
        return tuple(
            ProviderRecord(
                name=name, version=found.version, api=found.api, settings=recorded_settings(self.settings[name])
            )
            for name, found in self.providers.items()
        )

    @property
    def answerer_record(self) -> AnswererRecord:
        """What a report says of the answering model."""
        return AnswererRecord(
            name=self.answerer.name,
            version=self.answerer.version,
            offline=self.answerer.offline and self.recorded is None,
            priced_by=self.answerer.priced_by,
        )

    @property
    def judge_record(self) -> JudgeRecord:
        """What a report says of the judge, the first of several, before it is known what is judged."""
        return judge_record(self.judges[0])


def _open_answerer(config: BenchmarkConfig, requests: ModelOptions) -> Answerer:
    """The answering model; raises `ConfigurationError` if it does not support the options."""
    answerer = open_answerer(
        config.answering_model, AnswerOptions(context_tokens=config.context_tokens, requests=requests)
    )
    own = answer_settings(answerer)
    for names, kind in ((_MODEL_SETTINGS, "a language model"), (_EXTRACTIVE_SETTINGS, "a model that extracts")):
        given = config.model_dump(include={*names} - {*own}, exclude_defaults=True)
        if given:
            options = " ".join(f"{option_name(name)} {given[name]}" for name in names if name in given)
            raise ConfigurationError(
                f"{options} needs {kind}, and answering model {config.answering_model!r} is none. Leave it out, or "
                f"name {kind} with --answering-model."
            )
    return type(answerer)(**config.abstention) if isinstance(answerer, ExtractiveAnswerer) else answerer


def answer_settings(answerer: Answerer) -> tuple[str, ...]:
    """The settings of a run that change what `answerer` answers from the same results."""
    if isinstance(answerer, ModelAnswerer):
        return _MODEL_SETTINGS
    return _EXTRACTIVE_SETTINGS if isinstance(answerer, ExtractiveAnswerer) else ()


def _check_options(config: BenchmarkConfig, answerer: Answerer, judges: Sequence[Judge]) -> None:
    """Raise `ConfigurationError` for an option that no language model of the run takes."""
    models = {
        "answer": isinstance(answerer, ModelAnswerer),
        "judge": any(isinstance(one, ModelJudge) for one in judges),
    }
    for option in config.model_option:
        role = option.partition("=")[0].rpartition(".")[0]
        if not (models[role] if role else any(models.values())):
            who = {"answer": "the answering model", "judge": "the judge"}.get(role, "neither answering model nor judge")
            raise ConfigurationError(
                f"--model-option {option}: {who} is {'no' if role else 'a'} language model. Leave it out, or name one "
                "with --answering-model or --judge."
            )


def _in_batches(judge: Judge, record: BatchRecord) -> Judge:
    if not isinstance(judge, ModelJudge):
        raise ConfigurationError(
            f"--judge-batch: judge {judge.name!r} is no language model with a batch endpoint. Leave it out, or name "
            "one of OpenAI or Anthropic with --judge."
        )
    try:
        return judge.in_batches(record)
    except ConfigurationError as error:
        raise ConfigurationError(f"--judge-batch: {error}") from None


def _own_prompts(providers: dict[str, type[Provider]]) -> frozenset[str]:
    """Those of `providers` that bring a prompt."""
    found = {name: one.answer_prompt for name, one in providers.items()}
    own = frozenset(name for name, prompt in found.items() if prompt is not Provider.answer_prompt)
    for name in own:
        if inspect.iscoroutinefunction(found[name]):
            raise ConfigurationError(
                f"--answer-prompt provider: answer_prompt of {name!r} is async; make it plain def."
            )
    return own


def judge_record(judge: Judge) -> JudgeRecord:
    """What a report says of a judge."""
    return JudgeRecord(name=judge.name, protocol=judge.protocol, model=judge.model, priced_by=judge.priced_by)


def shutdown_remarks(config: BenchmarkConfig, today: date) -> list[str]:
    """What is to be said of models that their vendor has shut down, or soon will."""
    names = dict.fromkeys(FAMILY_MODELS.get(name, name) for name in (config.answering_model, *config.judge))
    return [message for name in names if is_model_name(name) and (message := remark(name, today))]


def known_benchmarks(options: BenchmarkOptions) -> dict[str, type[Benchmark]]:
    """All benchmarks by name, with the user's own data sets; raises `DataError` if one of these has a fault."""
    kinds = known_classes(Benchmark, "bench.benchmarks").values()
    return {one.name: one for kind in kinds for one in kind.each(options)}


def find_benchmarks(name: str, options: BenchmarkOptions) -> Sequence[type[Benchmark]]:
    """The benchmarks that a name or dotted path means: several where it is that of all the user's own data sets.

    Raises `UnknownNameError`, or `DataError` if one of these data sets has a fault.
    """
    kinds = known_classes(Benchmark, "bench.benchmarks")
    own = {one.name: one for kind in kinds.values() for one in kind.each(options) if one is not kind}
    if name in own and name not in kinds:
        return (own[name],)
    found = find_class("benchmark", name, Benchmark, "bench.benchmarks")
    return found.each(options) or (found,)


def known_types(options: BenchmarkOptions, wanted: Iterable[str]) -> set[str]:
    """The question types of all benchmarks; of other packages' benchmarks only where a `wanted` type needs them."""
    known = {name for benchmark in known_benchmarks(options).values() for name in benchmark.types}
    if not known.issuperset(wanted):
        declared = declared_names("bench.benchmarks")
        known.update(name for one in declared for kind in find_benchmarks(one, options) for name in kind.types)
    return known


def record_of(benchmark: Benchmark, sample: SampleRecord, participants: Participants) -> BenchmarkRecord:
    """What the checkpoint keeps of a benchmark, of what was chosen from it, and of how it is answered and judged."""
    info = benchmark.info.model_dump()
    if participants.recorded and (answered := participants.recorded.benchmark(benchmark.name)):
        info["notes"] = answered.notes  # with those about what was imported
    return BenchmarkRecord(
        **info,
        types=benchmark.types,
        official_f1=benchmark.official_answer,
        official_retrieval=benchmark.official_retrieval,
        official_accuracy=benchmark.official_accuracy,
        paper_metrics=benchmark.paper_metrics,
        sample=sample,
        answer_prompt=participants.answerer_for(benchmark).prompt,
        own_prompts={name: f"provider:{name}" for name in sorted(participants.own_prompts)},
        judges=tuple(judge_record(judge) for judge in participants.judges_for(benchmark)),
    )


def parts_of(config: BenchmarkConfig, participants: Participants, version: str) -> Parts:
    """All that the numbers depend on and that is known before any data is read."""
    return {
        "suite.version": version,
        "ingest.isolation": config.isolation,
        "search.top_k": participants.top_k(config),
        "answer.model": participants.answerer_record.model_dump(mode="json"),
        "answer.prompt": config.answer_prompt,
        "answer.context_tokens": config.context_tokens,
        **{f"answer.{name}": value for name, value in config.abstention.items()},
        **({"answer.imported": participants.recorded.digest} if participants.recorded else {}),
        "answer.options": participants.depends_on_options("answer"),
        "judge.options": participants.depends_on_options("judge"),
        "judge.judges": [judge_record(judge).model_dump(mode="json") for judge in participants.judges],
        "judge.protocol": config.judge_protocol,
        "judge.protocols": list(protocol_names()) if any(judge.model for judge in participants.judges) else None,
        "judge.repeats": config.judge_repeats,
        **{f"selection.{name}": value for name, value in config.selection.items()},
        **{
            f"ingest.provider.{record.name}": record.model_dump(mode="json") for record in participants.provider_records
        },
    }
