"""One configuration measured with the suite's own pipeline: parameters in, named figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import BenchmarkConfig, Follower, run_benchmark
from reports.report import QuestionScores, read_scores
from vocabulary import ConfigurationError, SettingValue


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What all trials have in common: the benchmark, and the configuration that parameters are set in."""

    benchmark: str
    config: BenchmarkConfig

    @property
    def provider(self) -> str:
        """The only provider."""
        return self.config.provider[0]


@dataclass(frozen=True, slots=True)
class TrialMetrics:
    """What a configuration gave.

    `values` has the figures by the names that `bench.run_benchmark` gives them, without provider and benchmark:
    ``accuracy``, ``recall@10``, ``p95.search_ms``, ``context_tokens``, ``usd``, ``errors``. One that was not measured
    is not there. `complete` is False for a run that ended before its last question, as where money ran out. `cached`
    says that a part came from a cache: times are those of the rest.
    """

    values: Mapping[str, float]
    run_id: str
    complete: bool
    cached: bool
    folder: Path
    scores: Sequence[QuestionScores] = field(repr=False)

    def value(self, metric: str) -> float:
        """One figure; raises `ConfigurationError` where the run did not measure it."""
        if metric not in self.values:
            raise ConfigurationError(f"run {self.run_id} gives no {metric}. It gives {', '.join(sorted(self.values))}.")
        return self.values[metric]


def configure(params: Mapping[str, SettingValue], config: BenchmarkConfig) -> BenchmarkConfig:
    """`config` with `params`: settings of the run by their names, all others as settings of its provider.

    A setting of the provider that `config` has already is replaced.
    """
    run = {name: value for name, value in params.items() if name in type(config).model_fields}
    own = [f"{name}={_written(value)}" for name, value in params.items() if name not in run and value is not None]
    provider = config.provider[0]
    given = {option.partition("=")[0].removeprefix(f"{provider}."): option for option in config.provider_option}
    kept = [option for name, option in given.items() if name not in params]
    return config.model_copy(update={**run, "provider_option": (*kept, *own)})


def evaluate(
    params: Mapping[str, SettingValue], options: TrialOptions, follower: Follower | None = None
) -> TrialMetrics:
    """Run the benchmark of `options` with `params` and return what it measured.

    A `follower` may end the run early: it is then not complete.

    The run's id is that of `options.config`, if it has one: a run of it that was begun goes on, and what it has is not
    asked again. Raises `ConfigurationError` for settings that no run accepts, and what `run_benchmark` raises.
    """
    config = configure(params, options.config)
    result = run_benchmark(config, options.benchmark, follower=follower)
    (one,) = result.report.results
    prefix = f"{options.provider}/{one.benchmark.name}/"
    folder = result.jsonl.parent
    return TrialMetrics(
        values={name.removeprefix(prefix): value for name, value in result.metrics.items()},
        run_id=folder.name,
        complete=result.report.run.finished is not None,
        cached=bool(one.cached),
        folder=folder,
        scores=read_scores(folder, provider=options.provider, top_k=config.top_k, judged=config.until == "judge"),
    )


def _written(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
