"""Who takes part in a run: providers, the answering model and the judges, and what the record keeps of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.base import Benchmark
from bench.config import SELECTION_FIELDS, BenchmarkConfig
from bench.provider_options import provider_settings, recorded_settings
from judges import FAMILY_MODELS, Judge, ModelJudge, open_judge, protocol_names
from llms import Answerer, AnswerOptions, ModelAnswerer, is_model_name, open_answerer, remark
from providers import Provider, ProviderSettings, find_provider
from reports import AnswererRecord, BenchmarkRecord, JudgeRecord, Parts, ProviderRecord, SampleRecord
from schema import ConfigurationError, find_class, known_classes


@dataclass(frozen=True)
class Cast:
    """Who takes part in a run, found by name before anything is begun.

    `own_prompts` are the providers that are answered for with a prompt of their own.
    """

    providers: dict[str, type[Provider]]
    settings: dict[str, ProviderSettings]
    answerer: Answerer
    judges: tuple[Judge, ...]
    protocol: str | None
    own_prompts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: BenchmarkConfig, folder: Path | None = None) -> Cast:
        """Those whom `config` names, the providers with their settings; raises `schema.ConfigurationError`.

        `folder` is the run's own, None as long as nobody is asked anything.
        """
        providers = {name: find_provider(name) for name in config.provider}
        judges = tuple(open_judge(name) for name in dict.fromkeys(config.judge))
        if config.judge_batch:
            judges = tuple(_in_batches(judge, batches_of(folder or config.runs_dir)) for judge in judges)
        if config.judge_protocol is not None:
            judges = tuple(judge.for_protocol(config.judge_protocol) for judge in judges)
        return cls(
            providers,
            provider_settings(providers, config.provider_option),
            _open_answerer(config),
            judges,
            config.judge_protocol,
            _own_prompts(providers) if config.answer_prompt == "provider" else frozenset(),
        )

    def answerer_for(self, benchmark: Benchmark, name: str = "", provider: Provider | None = None) -> Answerer:
        """The answering model with the prompt of the benchmark's family, or with that of `provider`, called `name`."""
        answerer = self.answerer.for_family(benchmark.family)
        if provider is not None and name in self.own_prompts and isinstance(answerer, ModelAnswerer):
            return answerer.with_own_prompt(name, provider.answer_prompt)
        return answerer

    def judges_for(self, benchmark: Benchmark) -> tuple[Judge, ...]:
        """The judges, each with the rules that were asked for or else those of the benchmark."""
        return tuple(judge.for_protocol(self.protocol or benchmark.protocol) for judge in self.judges)

    @property
    def provider_records(self) -> tuple[ProviderRecord, ...]:
        """What a report says of the providers."""
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
            offline=self.answerer.offline,
            priced_by=self.answerer.priced_by,
        )

    @property
    def judge_record(self) -> JudgeRecord:
        """What a report says of the judge, the first of several, before it is known what is judged."""
        return judge_record(self.judges[0])


def _open_answerer(config: BenchmarkConfig) -> Answerer:
    """The answering model; raises `schema.ConfigurationError` if it cannot do as it is told."""
    answerer = open_answerer(config.answering_model, AnswerOptions(context_tokens=config.context_tokens))
    told = [
        *([f"--context-tokens {config.context_tokens}"] if config.context_tokens is not None else []),
        *([f"--answer-prompt {config.answer_prompt}"] if config.answer_prompt != "shared" else []),
    ]
    if told and not isinstance(answerer, ModelAnswerer):
        raise ConfigurationError(
            f"{' '.join(told)}: this is for language models, and answering model {config.answering_model!r} is none. "
            "Leave it out, or name a language model with --answering-model."
        )
    return answerer


def batches_of(folder: Path) -> Path:
    """Where a run writes down which batches it has sent."""
    return folder / "judge_batches.sqlite"


def _in_batches(judge: Judge, record: Path) -> Judge:
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
    return [told for name in names if is_model_name(name) and (told := remark(name, today))]


def known_types() -> set[str]:
    """The question types of all benchmarks."""
    return {name for benchmark in known_classes(Benchmark, "bench").values() for name in benchmark.types}


def benchmark_names() -> list[str]:
    """The benchmarks that can be asked for by name."""
    return sorted(known_classes(Benchmark, "bench"))


def find_benchmark(name: str) -> type[Benchmark]:
    """The benchmark class of that name or dotted path; raises `schema.UnknownNameError`."""
    return find_class("benchmark", name, Benchmark, "bench")


def record_of(benchmark: Benchmark, sample: SampleRecord, cast: Cast) -> BenchmarkRecord:
    """What the checkpoint keeps of a benchmark, of what was chosen from it, and of how it is answered and judged."""
    return BenchmarkRecord(
        **benchmark.info.model_dump(),
        types=benchmark.types,
        official_f1=benchmark.official_f1,
        official_retrieval=benchmark.official_retrieval,
        official_accuracy=benchmark.official_accuracy,
        paper_metrics=benchmark.paper_metrics,
        sample=sample,
        answer_prompt=cast.answerer_for(benchmark).prompt,
        own_prompts={name: f"provider:{name}" for name in sorted(cast.own_prompts)},
        judges=tuple(judge_record(judge) for judge in cast.judges_for(benchmark)),
    )


def parts_of(config: BenchmarkConfig, cast: Cast, version: str) -> Parts:
    """All that the numbers depend on and that is known before any data is read."""
    selection = config.model_dump(mode="json", include=set(SELECTION_FIELDS))
    return {
        "suite.version": version,
        "ingest.isolation": config.isolation,
        "search.top_k": config.top_k,
        "answer.model": cast.answerer_record.model_dump(mode="json"),
        "answer.prompt": config.answer_prompt,
        "answer.context_tokens": config.context_tokens,
        "judge.judges": [judge_record(judge).model_dump(mode="json") for judge in cast.judges],
        "judge.protocol": config.judge_protocol,
        "judge.protocols": list(protocol_names()) if any(judge.model for judge in cast.judges) else None,
        "judge.repeats": config.judge_repeats,
        **{f"selection.{name}": value for name, value in selection.items()},
        **{f"ingest.provider.{record.name}": record.model_dump(mode="json") for record in cast.provider_records},
    }
