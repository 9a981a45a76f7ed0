"""A study as a page that stands alone: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any  # values of a template

from optuna.trial import TrialState

from reports.metrics import paired_interval
from reports.pages import Bar, Bars, Dot, Scatter, render
from tuner.attributes import DEAD, dead_of, noise_of
from tuner.export import export
from tuner.search import Search
from tuner.show.importance import importances
from tuner.show.tables import settings_of, stop_words, stopped_line, verdict_of, written
from tuner.trials import ERROR, SAME_AS, Trial, finished, spent, stopped
from tuner.verdict import Ranking, Verdict, is_share, paired

_TEMPLATE = Path(__file__).parent / "study.html.j2"


@dataclass(frozen=True, slots=True)
class Slice:
    """The questions of a type on the holdout part: the figure by default and tuned, and the difference in `bar`."""

    name: str
    n: int
    default: float
    tuned: float
    bar: Bar


def study_page(search: Search) -> str:
    """The page of a study, as HTML."""
    study, settings = search.study, search.settings
    ranking = search.ranking()
    candidate = search.candidate(ranking)
    verdicts = [(one, found) for one in finished(study) if (found := verdict_of(study, one))]
    decided = next((pair for pair in verdicts if pair[0] == candidate), verdicts[-1] if verdicts else None)
    winner, verdict = decided or (candidate, None)
    goals = settings.goals
    slices = _slices(search, winner) if winner and verdict else []
    dead = dead_of(study)
    importance = [one for one in importances(study) if one.name not in dead]
    return render(
        _TEMPLATE,
        settings=settings,
        goals=goals,
        provider=settings.base.provider[0],
        headline=_headline(winner, verdict, ranking),
        kind=_kind(verdict.low, verdict.high) if verdict else "",
        verdict=verdict,
        winner=winner,
        others=[one for trial, one in verdicts if trial != winner],
        verdict_chart=_verdict_chart(verdict) if verdict else None,
        command=export(settings, winner.params, "command") if winner else None,
        default_command=export(settings, settings.parameters.defaults, "command"),
        facts=_facts(search, ranking),
        history=_history(search, ranking, winner) if ranking.trials else None,
        tied=ranking.tied,
        recommended=ranking.recommended,
        front=_front(search) if len(goals) > 1 else None,
        front_numbers=_front_numbers(search),
        importance=importance,
        proven=[one.name for one in importance if one.share > one.luck],
        importance_chart=_importance_chart(goals[0].metric, importance) if importance else None,
        slices=slices,
        slices_chart=_slices_chart(goals[0].metric, slices) if slices else None,
        noise=noise_of(study),
        dead=dead,
        checked=DEAD in study.user_attrs,
        rows=_rows(search, ranking),
        settings_of=settings_of,
        written=written,
    )


def _headline(winner: Trial | None, verdict: Verdict | None, ranking: Ranking) -> str:
    if verdict and winner and verdict.better:
        return f"Use the settings of trial {winner.number}"
    if verdict or (ranking.trials and winner is None):
        return "Keep the default settings"
    return "Nothing was measured on the holdout part yet"


def _kind(low: float | None, high: float | None) -> str:
    """The style of a difference with this interval."""
    return "better" if low is not None and low > 0 else "worse" if high is not None and high < 0 else ""


def _facts(search: Search, ranking: Ranking) -> dict[str, str]:
    study, metric = search.study, search.settings.goals[0].metric
    trials = study.get_trials(deepcopy=False)
    counts = {
        "measured": len(finished(study)),
        "stopped early": len(stopped(study)),
        "repeats of earlier settings": sum(SAME_AS in one.user_attrs for one in trials),
        "failed": sum(one.state is TrialState.FAIL for one in trials),
        "unfinished": sum(one.state in (TrialState.RUNNING, TrialState.WAITING) for one in trials),
    }
    facts = {"trials": ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"}
    if values := noise_of(study).get(metric):
        facts["noise floor"] = f"{max(values) - min(values):.4g} ({len(values)} runs)"
    if len(ranking.tied) > 1:
        facts["tied with the best"] = str(len(ranking.tied) - 1)
    facts["spent"] = f"${spent(study):.2f}"
    return facts


def _verdict_chart(verdict: Verdict) -> Bars | None:
    if verdict.low is None or verdict.high is None:
        return None
    scale = 100 if is_share(verdict.metric) else 1
    ends = verdict.low * scale, verdict.high * scale
    row = Bar(f"trial {verdict.trial}", verdict.gain * scale, *ends, _kind(*ends))
    return Bars(
        f"Trial {verdict.trial} against the default settings on the holdout part", verdict.sentence(),
        f"{verdict.metric}: better than the default by" + (", points" if scale == 100 else ""), [row],
    )  # fmt: skip


def _history(search: Search, ranking: Ranking, winner: Trial | None) -> Scatter:
    metric, default = search.settings.goals[0].metric, search.settings.parameters.defaults
    tied = {trial.number for trial in ranking.tied}
    best = ranking.recommended if winner is None else winner
    dots: list[Dot] = []
    line: list[tuple[float, float]] = []
    for trial in finished(search.study):
        value = trial.metrics[metric]
        kind = "plain"
        if not trial.feasible:
            kind = "broken"
        elif best and trial.number == best.number:
            kind = "best"
        elif trial.params == default:
            kind = "default"
        elif trial.number in tied:
            kind = "tied"
        dots.append(Dot(trial.number, value, kind, f"trial {trial.number}: {metric} {value:.4g}; {settings_of(trial)}"))
        better = not line or search.settings.goals[0].better(value, line[-1][1])
        if trial.feasible:
            line.append((trial.number, value if better else line[-1][1]))
    early = [(number, stopped_line(number, stop)) for number, stop in stopped(search.study).items()]
    if line:
        line.append((max([line[-1][0], *(number for number, _ in early)]), line[-1][1]))
    noise = noise_of(search.study).get(metric)
    return Scatter(
        f"{metric} of each trial on the tune part",
        f"{len(dots)} trials, the best with {line[-1][1] if line else 0:.4g}. The table of trials has all values.",
        "trial", metric, dots, early, line, stepped=True, whole=True,
        band=(min(noise), max(noise)) if noise else None, level=noise[0] if noise else None,
    )  # fmt: skip


def _front_numbers(search: Search) -> list[int]:
    """The trials that none is better than in every objective, along the first objective."""
    if len(search.settings.goals) == 1:
        return []
    known = {trial.number: trial for trial in finished(search.study)}
    found = [known[one.number] for one in search.study.best_trials if one.number in known]
    return [one.number for one in sorted(found, key=lambda one: one.metrics[search.settings.goals[0].metric])]


def _front(search: Search) -> Scatter:
    first, second = (goal.metric for goal in search.settings.goals[:2])
    front, known = _front_numbers(search), {trial.number: trial for trial in finished(search.study)}
    dots = [
        Dot(
            one.metrics[first], one.metrics[second],
            "front" if one.number in front else "default" if one.number == 0 else "plain",
            f"trial {one.number}: {first} {one.metrics[first]:.4g}, {second} {one.metrics[second]:.4g}",
        )
        for one in known.values()
    ]  # fmt: skip
    return Scatter(
        f"{second} against {first} on the tune part",
        f"{len(front)} of {len(dots)} trials are on the front. The table beside the chart has their values.",
        first, second, dots, line=[(known[number].metrics[first], known[number].metrics[second]) for number in front],
    )  # fmt: skip


def _importance_chart(metric: str, importance: Sequence[Any]) -> Bars:
    rows = [Bar(one.name, one.share, one.low, one.high) for one in importance]
    text = ", ".join(f"{one.name} {one.share:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in importance)
    return Bars(f"Importance of parameters for {metric}", text, "share of the importance", rows, filled=True)


def _slices(search: Search, winner: Trial) -> list[Slice]:
    """The holdout part by question type; empty if its runs were removed."""
    goal = search.settings.goals[0]
    default, tuned = search.holdout_scores(winner)
    metric, scale = goal.metric, 100 if is_share(goal.metric) else 1
    slices: list[Slice] = []
    for name in dict.fromkeys(one.question_type for one in tuned):
        mine, theirs = ([one for one in part if one.question_type == name] for part in (tuned, default))
        if not (pairs := paired(goal, theirs, mine)):
            continue
        gain, (low, high) = paired_interval(pairs)
        bar = Bar(name, gain * scale, low * scale, high * scale, _kind(low, high))
        before, after = (fmean(one.values[metric] for one in p if metric in one.values) for p in (theirs, mine))
        slices.append(Slice(name, len(pairs), before, after, bar))
    return slices


def _slices_chart(metric: str, slices: Sequence[Slice]) -> Bars:
    rows = [one.bar for one in slices]
    text = ", ".join(f"{bar.name} {bar.value:.1f}" for bar in rows)
    unit = ", points" if is_share(metric) else ""
    return Bars(f"Difference of {metric} by question type", text, f"{metric}: better than the default by{unit}", rows)


def _rows(search: Search, ranking: Ranking) -> list[dict[str, Any]]:
    """All trials, as their study has them."""
    tied = {trial.number for trial in ranking.tied}
    whole, early = {trial.number: trial for trial in finished(search.study)}, stopped(search.study)
    rows = []
    for one in search.study.get_trials(deepcopy=False):
        trial, state, values = whole.get(one.number), one.state.name.lower(), ["" for _ in search.settings.goals]
        if trial:
            values = [f"{trial.metrics[goal.metric]:.4g}" for goal in search.settings.goals]
            state = "measured" if trial.feasible else "breaks a constraint"
            if trial.number in tied and len(tied) > 1:
                state = "tied"
        elif one.number in early:
            state = stop_words(early[one.number])
        elif SAME_AS in one.user_attrs:
            state = f"same settings as trial {one.user_attrs[SAME_AS]}"
        elif ERROR in one.user_attrs:
            state = f"failed: {one.user_attrs[ERROR]}"
        params = one.user_attrs.get("params", one.params)
        shown = " ".join(f"{name}={written(value)}" for name, value in params.items())
        mark = ranking.recommended is not None and one.number == ranking.recommended.number
        rows.append({"number": one.number, "values": values, "state": state, "settings": shown, "mark": mark})
    return rows
