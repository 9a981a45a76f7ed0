"""Studies on a terminal: tables and sentences. Every figure says on which part of the benchmark it was measured."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import optuna

from reports.show import grid
from tuner.attributes import HOLDOUT, dead_of, noise_of
from tuner.search import Search
from tuner.settings import StudySettings
from tuner.spaces import Space
from tuner.trials import ERROR, Trial, finished, spent, stopped
from tuner.verdict import Ranking, Verdict
from tuner.watching import Stop
from vocabulary import SettingValue

_SHOWN = 10


def space_lines(space: Space) -> Iterator[str]:
    """The parameters of a space, one in a line."""
    rows = [("PARAMETER", "VALUES", "DEFAULT", "CHANGES", "ONLY WHERE")]
    for one in space:
        only = ", ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in one.active_if.items())
        rows.append((one.name, one.describe(), written(one.default), one.changes, only))
    yield from table(rows)


def trial_lines(study: optuna.Study, settings: StudySettings, ranking: Ranking) -> Iterator[str]:
    """The best trials, those that the tune part cannot distinguish marked, and what the defaults' repeats differ by."""
    goals = settings.goals
    yield f"study {settings.name}: {len(ranking.trials)} trials that keep all constraints, on the tune part"
    tied = {trial.number for trial in ranking.tied}
    header = ("", "TRIAL", *(goal.metric.upper() for goal in goals), "SETTINGS")
    rows = [header]
    for trial in ranking.trials[:_SHOWN]:
        mark = "*" if ranking.recommended is trial else "=" if trial.number in tied and len(tied) > 1 else ""
        rows.append(
            (mark, str(trial.number), *(f"{trial.metrics[goal.metric]:.4g}" for goal in goals), settings_of(trial))
        )
    yield from table(rows)
    if len(tied) > 1:
        yield (
            f"= {len(tied)} trials that the tune part cannot tell from the best; * the cheapest of them is recommended"
        )
    for metric, values in noise_of(study).items():
        low, high = min(values), max(values)
        repeats = f"{len(values)} runs of the default settings on the tune part"
        yield f"noise: {metric} of {repeats}: {low:.4g} to {high:.4g}"
    if early := stopped(study):
        words = (
            "1 trial was stopped early and is" if len(early) == 1 else f"{len(early)} trials were stopped early and are"
        )
        yield f"{words} not compared: `status` says where"
    for name, words in dead_of(study).items():
        yield f"not searched: {name} changes nothing ({words})"


def verdict_of(study: optuna.Study, trial: Trial) -> Verdict | None:
    """What the holdout part said of `trial`, if it was asked."""
    kept: Mapping[str, object] = study.user_attrs.get(HOLDOUT, {})
    known = kept.get(str(trial.number))
    return None if known is None else Verdict.model_validate(known)


def front_lines(study: optuna.Study, settings: StudySettings) -> Iterator[str]:
    """The trials that none is better than in every objective."""
    known = {trial.number: trial for trial in finished(study)}
    goals = settings.goals
    rows = [("TRIAL", *(goal.metric.upper() for goal in goals), "SETTINGS")]
    for one in study.best_trials if len(goals) > 1 else ():
        if one.number in known:
            trial = known[one.number]
            rows.append((str(trial.number), *(f"{trial.metrics[g.metric]:.4g}" for g in goals), settings_of(trial)))
    if len(goals) == 1:
        yield f"study {settings.name} has one objective, {goals[0].metric}: `best` shows its best trials"
        return
    yield f"study {settings.name}: {len(rows) - 1} trials on the front, on the tune part"
    yield from table(rows)


def status_lines(study: optuna.Study, settings: StudySettings) -> Iterator[str]:
    """How far a study is."""
    trials = study.get_trials(deepcopy=False)
    counts = Counter(one.state.name for one in trials)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none yet"
    yield f"study {settings.name}: {settings.base.provider[0]} on {settings.benchmark}"
    yield f"  objectives   {', '.join(map(str, settings.goals))}"
    if settings.constraints:
        yield f"  constraints  {', '.join(map(str, settings.limits))}"
    yield f"  sampler      {settings.sampler}, seed {settings.seed}; parts by seed {settings.part_seed}"
    yield f"  pruner       {settings.pruner}"
    yield f"  parameters   {', '.join(one.name for one in settings.parameters)}"
    yield f"  trials       {states}"
    yield f"  spent        ${spent(study):.2f}"
    for number, stop in stopped(study).items():
        yield f"  {stopped_line(number, stop)}"
    for one in trials:
        if ERROR in one.user_attrs:
            yield f"  trial {one.number} failed: {one.user_attrs[ERROR]}"


def importance_lines(study: optuna.Study, settings: StudySettings) -> Iterator[str]:
    """How much of the first objective's variation each parameter explains (PED-ANOVA, by Optuna)."""
    goal = settings.goals[0]
    target = None if len(settings.goals) == 1 else lambda trial: trial.values[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all trials are equally good shows in equal shares
        found = optuna.importance.get_param_importances(study, target=target)
    yield f"study {settings.name}: importance for {goal.metric} on the tune part, of {len(finished(study))} trials"
    yield from table([("PARAMETER", "SHARE", ""), *((n, f"{s:.2f}", "#" * round(s * 40)) for n, s in found.items())])


def show_lines(settings: StudySettings, trial: Trial) -> Iterator[str]:
    """All of one trial."""
    yield f"study {settings.name}, trial {trial.number}: run {trial.run_id}, on the tune part"
    for name, value in trial.params.items():
        yield f"  {name} = {written(value)}"
    if not trial.feasible:
        broken = [limit for limit in settings.limits if limit.excess(trial.metrics[limit.metric]) > 0]
        yield f"  does not keep {', '.join(map(str, broken))}"
    yield from table([("FIGURE", "VALUE"), *((name, f"{value:.4g}") for name, value in sorted(trial.metrics.items()))])


def progress_line(search: Search, trial: Trial) -> str:
    """What there is to say of a trial that has just ended."""
    goals = search.settings.goals
    values = ", ".join(f"{goal.metric} {trial.metrics[goal.metric]:.4g}" for goal in goals)
    kept = "" if trial.feasible else " (breaks a constraint)"
    return f"trial {trial.number}: {values}{kept}; {settings_of(trial)}"


def stopped_line(number: int, stop: Stop) -> str:
    """Why a trial was stopped early."""
    return f"trial {number}: {stop_words(stop)}"


def stop_words(stop: Stop) -> str:
    """How far a trial came that was stopped early, and what was better."""
    words = f"stopped after {stop.asked} of {stop.total} questions of the tune part at {stop.value:.4g}"
    if stop.best is None or stop.behind is None:
        return words
    return f"{words}, where trial {stop.best} is better by {stop.behind:.4g}"


def settings_of(trial: Trial) -> str:
    """The settings of a trial in a line."""
    return " ".join(f"{name}={written(value)}" for name, value in trial.params.items())


def written(value: SettingValue) -> str:
    """A value as options take it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """`rows` in aligned columns, the last one wrapped to the terminal's width."""
    width = shutil.get_terminal_size((100, 24)).columns
    return grid(rows, width, wrapped=(len(rows[0]) - 1,))
