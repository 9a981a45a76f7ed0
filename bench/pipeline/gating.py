"""What a run is held to: thresholds for its figures, and what it may lose against a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from bench.config import BenchmarkConfig, option_name
from bench.pipeline.participants import Participants, record_of
from bench.pipeline.selection import OpenBenchmark
from reports.report import (
    Against,
    Gate,
    Relative,
    Scope,
    Threshold,
    check_against,
    check_baseline,
    check_thresholds,
    evaluate,
    find_baseline,
    lasting_name,
    parse_relative,
    parse_threshold,
)
from vocabulary import ConfigurationError, Gold

if TYPE_CHECKING:
    from bench.base import Benchmark


class Gating:
    """The gate of a run. Making one understands all options; raises `ConfigurationError`."""

    def __init__(self, config: BenchmarkConfig, run_id: str) -> None:
        self.thresholds: list[Threshold] = [parse_threshold(text) for text in config.fail_under]
        self.max_errors = config.max_errors
        self.config = config
        self.run_id = run_id
        self.rules: list[Relative] = [
            *(parse_relative("no-worse", text) for text in config.no_worse),
            *(parse_relative("max-drop", text) for text in config.max_drop),
            *(parse_relative("max-rise", text) for text in config.max_rise),
        ]
        _check_options(config, self.rules)

    @property
    def asks(self) -> bool:
        """Whether a benchmark without data misses the gate."""
        return bool(self.thresholds or self.rules)

    @cached_property
    def against(self) -> Against | None:
        """The baseline, read when it is first needed; raises `ConfigurationError` if it is none."""
        name = self.config.baseline
        if name is None:
            return None
        baseline = find_baseline(name, self.config.runs_dir)
        check_baseline(baseline)
        if baseline.run.id == self.run_id:
            raise ConfigurationError(f"--baseline {name}: run {self.run_id} would be held against itself.")
        return Against(baseline, self.rules)

    def check(self, benchmarks: Iterable[type[Benchmark]], golds: Iterable[Gold]) -> None:
        """Make sure that a run over questions of `benchmarks` with these `golds` gives a value for each rule.

        Raises `ConfigurationError` otherwise.
        """
        own_metrics = [benchmark.official_answer for benchmark in benchmarks]
        scope = Scope.of(golds, own_metrics, self.config.until, self.config.top_k)
        held = [*self.thresholds, *(rule.threshold for rule in self.rules)]
        check_thresholds(held, scope)
        for one in held:
            if self.config.answers and not one.is_of_judging:
                raise ConfigurationError(
                    f"{one.name} has no value with --answers {self.config.answers}: the answers are recorded, and only "
                    "judging is measured. Leave one of the two out."
                )

    def check_baseline(
        self, opened: Sequence[OpenBenchmark], questions: Mapping[str, list[str]], participants: Participants
    ) -> None:
        """Make sure that the baseline has these benchmarks, with the same data, judges and some of the `questions`.

        Raises `ConfigurationError` otherwise.
        """
        if self.against is not None:
            records = [record_of(one.benchmark, one.selection.sample, participants) for one in opened]
            providers = dict.fromkeys(self.config.provider)
            check_against(self.against, records, questions, providers, top_k=participants.top_k(self.config))

    def without_run(self, unmeasured: Mapping[str, str]) -> Gate | None:
        """The gate where no question could be asked; None if none is asked for."""
        if not self.asks:
            return None
        return evaluate(
            (), self.thresholds, self.max_errors, finished=True, second_look=False, unmeasured=unmeasured,
            against=self.against,
        )  # fmt: skip


def _check_options(config: BenchmarkConfig, rules: Sequence[Relative]) -> None:
    is_part = config.shard and not config.shares_run
    if is_part and (config.fail_under or config.max_errors is not None or config.baseline):
        given = "fail_under" if config.fail_under else "baseline" if config.baseline else "max_errors"
        raise ConfigurationError(
            f"{option_name(given)} with --shard {config.shard}: a gate is about the whole run, and this is a part of "
            "it. Leave it out here, and give it to python -m reports merge."
        )
    if rules and config.baseline is None:
        raise ConfigurationError(
            f"{rules[0].option} needs --baseline: a run, its folder or report.json, or a file that "
            "`python -m reports baseline RUN` made."
        )
    if config.baseline is not None and not rules:
        raise ConfigurationError(
            f"--baseline {config.baseline}: nothing is held against it. Add --no-worse accuracy, or see the "
            "differences afterwards with python -m reports compare."
        )


def with_lasting_baseline(config: BenchmarkConfig) -> BenchmarkConfig:
    """The same, whose baseline is the same run when ``--lf`` goes on."""
    if config.baseline is None:
        return config
    return config.model_copy(update={"baseline": lasting_name(config.baseline, config.runs_dir)})
