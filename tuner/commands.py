"""What the commands of ``python -m tuner`` do; each gives the lines that it prints."""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from bench import BenchmarkConfig, build_benchmark_config
from bench.pipeline import OpenBenchmark, find_benchmarks
from reports.store import is_locked, without_password
from tuner import show
from tuner.export import export
from tuner.objectives import cutoff_of, parse_constraints, parse_objectives
from tuner.pruners import choose_pruner
from tuner.search import Limits, Search
from tuner.settings import StudySettings, record_of, shared_config
from tuner.spaces import Space, narrow, parse, space_of
from tuner.storage import close_storage, create_study, load_study, open_storage, quiet
from tuner.trials import TIMED, Trial, finished, stopped
from vocabulary import ConfigurationError, usual_runs_dir

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def run(chosen: argparse.Namespace) -> Iterator[str]:
    """Do a command line as its parser understood it; raises `MemoryBenchError`."""
    quiet()
    command = getattr(_Commands(chosen), chosen.command)
    yield from command() or ()


class _Commands:
    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen

    def space(self) -> Iterator[str]:
        return show.space_lines(_space(self.chosen, _config(self.chosen)))

    def optimize(self) -> Iterator[str]:
        settings = _study_settings(self.chosen)
        limits = _limits(self.chosen)
        study = create_study(settings, self._storage())
        search = Search(study, settings, limits, note=_print)
        yield (
            f"study {settings.name}: {settings.base.provider[0]} on {settings.benchmark}, searching "
            f"{', '.join(one.name for one in settings.parameters)} for {', '.join(map(str, settings.goals))}"
        )
        search.measure_defaults()
        if not self.chosen.no_dead_check:
            search.drop_dead_parameters()
        self._search(search)
        yield ""
        yield from self._conclusion(search)

    def worker(self) -> Iterator[str]:
        study, settings = load_study(self.chosen.study, self._storage(), self.chosen.number)
        search = Search(study, settings, _limits(self.chosen), note=_ignore)
        search.work(lambda: None)
        return iter(())

    def list(self) -> Iterator[str]:
        summaries = optuna.get_all_study_summaries(self._storage())
        rows = [("STUDY", "TRIALS", "OBJECTIVES", "BENCHMARK")]
        for summary in summaries:
            with contextlib.suppress(ConfigurationError):
                _, settings = load_study(summary.study_name, self._storage())
                objectives = ", ".join(map(str, settings.goals))
                rows.append((summary.study_name, str(summary.n_trials), objectives, settings.benchmark))
        return iter(show.table(rows) if len(rows) > 1 else ["no studies; `python -m tuner optimize` makes one"])

    def status(self) -> Iterator[str]:
        return show.status_lines(*self._study())

    def best(self) -> Iterator[str]:
        study, settings = self._study()
        search = Search(study, settings, Limits(0), note=_ignore)
        ranking = search.ranking()
        yield from show.trial_lines(study, settings, ranking)
        for trial in ranking.trials:
            if verdict := show.verdict_of(study, trial):
                yield f"trial {trial.number}: {verdict.sentence()}"

    def front(self) -> Iterator[str]:
        return show.front_lines(*self._study())

    def importance(self) -> Iterator[str]:
        study, settings = self._study()
        if len(finished(study)) < 2:
            raise ConfigurationError(f"study {settings.name} has fewer than two finished trials to compare.")
        return show.importance_lines(study, settings)

    def show(self) -> Iterator[str]:
        study, settings = self._study()
        return show.show_lines(settings, self._trial(study, settings))

    def compare(self) -> Iterator[str]:
        rows = [("STUDY", "TRIALS", "FIRST OBJECTIVE (TUNE PART)", "BEST", "SETTINGS")]
        verdicts = []
        for name in self.chosen.studies:
            study, settings = load_study(name, self._storage())
            ranking = Search(study, settings, Limits(0), note=_ignore).ranking()
            best = ranking.recommended
            goal = settings.goals[0]
            value = f"{best.metrics[goal.metric]:.4g}" if best else "-"
            rows.append((name, str(len(finished(study))), str(goal), value, show.settings_of(best) if best else "-"))
            if best and (verdict := show.verdict_of(study, best)):
                verdicts.append(f"{name}, trial {best.number}: {verdict.sentence()}")
        return iter([*show.table(rows), *verdicts])

    def enqueue(self) -> Iterator[str]:
        study, settings = self._study()
        known = {parameter.name: parameter for parameter in settings.parameters}
        params = dict(settings.parameters.defaults)
        for text in self.chosen.settings:
            name, _, value = text.partition("=")
            if name not in known:
                raise ConfigurationError(f"{text}: the study searches {', '.join(known)}.")
            parameter = known[name]
            if parameter.kind == "choice":
                (params[name],) = parse(parameter, value)["choices"]
            else:
                params[name] = parse(parameter, f"{value}..{value}")["low"]
            if not parameter.contains(params[name]):
                raise ConfigurationError(f"{text}: {name} is searched in {parameter.describe()}.")
        study.enqueue_trial(settings.parameters.active(params))
        yield f"the next trial of {settings.name} has {' '.join(f'{name}={value}' for name, value in params.items())}"

    def export(self) -> Iterator[str]:
        study, settings = self._study()
        yield export(settings, self._trial(study, settings).params, self.chosen.format)

    def report(self) -> Iterator[str]:
        from reports.pages import write_page

        study, settings = self._study()
        file = Path(self.chosen.output or settings.base.runs_dir / f"{settings.name}.html")
        try:
            write_page(file, show.study_page(Search(study, settings, Limits(0), note=_ignore)))
        except OSError as error:
            raise ConfigurationError(f"--output {file}: {error.strerror}.") from error
        yield f"the report of study {settings.name} is {file}"

    def delete(self) -> Iterator[str]:
        _study, settings = self._study()
        optuna.delete_study(study_name=settings.name, storage=self._storage())
        yield f"study {settings.name} is forgotten"

    def serve(self) -> None:
        if find_spec("fastapi") is None or find_spec("uvicorn") is None:
            raise ConfigurationError("the service needs FastAPI and uvicorn: pip install 'memorybench[tuner]'")
        from tuner.service import serve

        chosen = self.chosen
        serve(self._url(), chosen.host, chosen.port, rate=chosen.rate, dashboard=chosen.dashboard, note=_print)

    def migrate(self) -> Iterator[str]:
        close_storage(self._storage())
        yield f"{without_password(self._url())} is ready for studies"

    def clean(self) -> Iterator[str]:
        study, settings = self._study()
        tied = {trial.run_id for trial in Search(study, settings, Limits(0), note=_ignore).ranking().tied}
        runs = settings.base.runs_dir
        folders = [one for one in runs.glob(f"{settings.name}-*") if one.is_dir()]
        own = re.compile(re.escape(settings.name) + r"-(\d{4,}(-timed)?|default-\d+|knob-\d+|holdout-(default|\d{4,}))")
        removed = 0
        for folder in folders:
            kept = folder.name.removesuffix(TIMED) in tied
            if own.fullmatch(folder.name) and not kept and not is_locked(folder):
                shutil.rmtree(folder)
                removed += 1
        yield f"removed {removed} runs of study {settings.name}; kept {', '.join(sorted(tied)) or 'none'}"

    def _search(self, search: Search) -> None:
        with show.shown_live(search) as look:
            if self.chosen.workers == 1:
                search.work(look)
            else:
                search.work_with(self.chosen.workers, self._url(), look)

    def _conclusion(self, search: Search) -> Iterator[str]:
        ranking = search.ranking()
        yield from show.trial_lines(search.study, search.settings, ranking)
        defaults = search.settings.parameters.defaults
        if any(trial.params == defaults for trial in ranking.tied):
            yield "the tune part cannot tell the default settings (trial 0) from the best trial"
        winner = search.candidate(ranking)
        if winner is None:
            yield "nothing was found that is better than the default settings: keep them"
            return
        yield ""
        verdict = search.judge(winner)
        yield f"trial {winner.number} ({show.settings_of(winner)})"
        yield verdict.sentence()
        if verdict.better:
            yield f"use it: {export(search.settings, winner.params, 'command')}"

    def _study(self) -> tuple[optuna.Study, StudySettings]:
        return load_study(self.chosen.study, self._storage())

    def _trial(self, study: optuna.Study, settings: StudySettings) -> Trial:
        number = getattr(self.chosen, "trial", None)
        trials = {trial.number: trial for trial in finished(study)}
        if number is None:
            best = Search(study, settings, Limits(0), note=_ignore).ranking().recommended
            if best is None:
                raise ConfigurationError(f"study {settings.name} has no finished trial that keeps its constraints.")
            return best
        if stop := stopped(study).get(number):
            raise ConfigurationError(f"study {settings.name}, {show.stopped_line(number, stop)}.")
        if number not in trials:
            raise ConfigurationError(f"study {settings.name} has no finished trial {number}.")
        return trials[number]

    def _url(self) -> str:
        runs = Path(self.chosen.runs_dir or usual_runs_dir())
        return self.chosen.storage or f"journal:{runs / 'studies.journal'}"

    def _storage(self) -> BaseStorage:
        return open_storage(self._url())


def _config(chosen: argparse.Namespace) -> BenchmarkConfig:
    """The configuration that trials share, before parameters are set in it."""
    values: dict[str, object] = {"provider": (chosen.provider,), "provider_option": tuple(chosen.provider_option)}
    for option in getattr(chosen, "option", ()):
        name, equals, value = option.partition("=")
        field = name.replace("-", "_")
        if not equals or field in (*values, "run_id", "part", "until", "engine", "ray_address"):
            raise ConfigurationError(f"--option {option}: write it as NAME=VALUE, for an option of `pytest bench`.")
        several = field in BenchmarkConfig.model_fields and isinstance(
            BenchmarkConfig.model_fields[field].get_default(), tuple
        )
        values[field] = tuple(value.split(",")) if several else value
    if chosen.until != "judge":
        values["until"] = chosen.until
    if getattr(chosen, "runs_dir", None):
        values["runs_dir"] = chosen.runs_dir
    return build_benchmark_config(**values)


def _space(chosen: argparse.Namespace, config: BenchmarkConfig) -> Space:
    metrics = [one.metric for one in parse_objectives(chosen.objective, config.until)]
    metrics += [one.metric for one in parse_constraints(getattr(chosen, "constraint", ()), config.until)]
    deepest = max((cutoff_of(metric) or 1 for metric in metrics), default=1)
    space = space_of(config, preset=chosen.preset, deepest=deepest)
    return narrow(space, chosen.param, Path(chosen.space) if chosen.space else None)


def _study_settings(chosen: argparse.Namespace) -> StudySettings:
    if chosen.workers < 1 or chosen.trials < 1 or chosen.noise_repeats < 2:
        raise ConfigurationError("--workers and --trials are at least 1, --noise-repeats at least 2.")
    if chosen.workers > 1 and (chosen.storage or "").startswith("memory"):
        raise ConfigurationError("--workers: a study in memory has one process. Name a --storage that others can open.")
    if chosen.engine == "ray":
        if chosen.cache:
            raise ConfigurationError("--engine ray cannot be used with --cache: it is a folder of one machine.")
        chosen.no_cache = True
    config = _config(chosen)
    if not chosen.objective:
        chosen.objective = ["accuracy" if config.until == "judge" else "recall@10"]
    if not chosen.no_cache and any(text.startswith("usd") for text in (*chosen.objective, *chosen.constraint)):
        raise ConfigurationError(
            "usd cannot be compared between trials that share a cache: what it gives costs nothing. Add --no-cache."
        )
    goals = parse_objectives(chosen.objective, config.until)
    pruner = choose_pruner(chosen.pruner, goals)
    space = _space(chosen, config)
    if not space.parameters:
        raise ConfigurationError(
            f"{chosen.provider} has no setting to search with --preset {chosen.preset}. --preset full has all."
        )
    opened = OpenBenchmark.of(find_benchmarks(chosen.benchmark, config.benchmark_options)[0], config)
    name = chosen.name or f"{chosen.provider}-{opened.benchmark.name}".replace(":", "-")
    return StudySettings(
        name=name, benchmark=chosen.benchmark, config=shared_config(config), data=opened.benchmark.info.sha256,
        space=record_of(space), objectives=tuple(map(str, goals)),
        constraints=tuple(map(str, parse_constraints(chosen.constraint, config.until))), sampler=chosen.sampler,
        pruner=pruner, seed=chosen.seed, part_seed=chosen.part_seed, noise_repeats=chosen.noise_repeats,
        cache=None if chosen.no_cache else chosen.cache or str(config.runs_dir / "cache"),
        engine=chosen.engine, ray_address=chosen.ray_address,
    )  # fmt: skip


def _limits(chosen: argparse.Namespace) -> Limits:
    return Limits(chosen.trials, None if chosen.timeout is None else _seconds(chosen.timeout), chosen.max_usd)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh]?)", text)
    if found is None:
        raise ConfigurationError(f"--timeout {text}: write it as 90s, 30m or 2h.")
    return float(found["number"]) * _UNITS[found["unit"]]


def _print(line: str) -> None:
    print(line, flush=True)


def _ignore(_line: str) -> None:
    """Nobody watches."""
