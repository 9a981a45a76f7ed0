"""Trials of a study: proposed, run, written down; those of a worker that died are taken up by another."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any  # fields of a configuration

import optuna
from optuna.trial import FrozenTrial, TrialState

from reports.store import is_gone, this_process
from tuner.attributes import dead_of, paid_beside_trials
from tuner.evaluation import TrialMetrics, TrialOptions, evaluate
from tuner.objectives import is_time
from tuner.settings import StudySettings
from tuner.spaces import Space
from tuner.watching import Stop, Watch
from vocabulary import ConfigurationError, MemoryBenchError, SettingValue

BEAT_SECONDS = 5.0
"""How often a worker says that it is still at its trial."""

STALE_SECONDS = 60.0
"""After so long without a word a trial is taken to be abandoned."""

RUN, METRICS, ERROR, CONTINUES, SAME_AS, PAID = "run_id", "metrics", "error", "continues", "same_as", "usd"
STOPPED = "stopped_early"
"""Attributes of trials.

`CONTINUES` and `SAME_AS` are numbers of other trials, `PAID` US dollars by run id. A trial that a pruner stopped has
`STOPPED`, a `Stop` as JSON, in place of `METRICS`.
"""

TIMED = "-timed"
"""What the id of a trial's second run ends in: one without the cache, for its times."""

LEASE = "lease"
"""Attribute of a trial that a worker elsewhere has: until when (Unix time in seconds, ``until``), and who that is."""

_BEAT, _WORKER = "beat", "worker"


class UnfinishedError(MemoryBenchError):
    """A run ended before its last question: its money was spent."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial: its settings, the figures of its run, and whether it keeps all constraints."""

    number: int
    params: Mapping[str, SettingValue]
    metrics: Mapping[str, float]
    run_id: str
    feasible: bool

    def cost(self, *, priced: bool) -> tuple[float, float]:
        """What it costs to answer so: dollars where they are `priced`, then tokens that are handed over."""
        return (self.metrics.get("usd", 0.0) if priced else 0.0), round(self.metrics.get("context_tokens", 0.0))


def finished(study: optuna.Study) -> list[Trial]:
    """All trials that were measured to the end, by number, without those whose settings an earlier one had.

    Those that a pruner stopped are not among them: see `stopped`.
    """
    return [
        Trial(
            number=one.number,
            params=one.user_attrs.get("params", one.params),
            metrics=one.user_attrs[METRICS],
            run_id=one.user_attrs[RUN],
            feasible=all(excess <= 0 for excess in one.constraints.values()),
        )
        for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if METRICS in one.user_attrs and SAME_AS not in one.user_attrs
    ]


def stopped(study: optuna.Study) -> dict[int, Stop]:
    """The trials that a pruner stopped, by number; they are not ranked, compared or recommended."""
    return {
        one.number: Stop(**one.user_attrs[STOPPED])
        for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if STOPPED in one.user_attrs and SAME_AS not in one.user_attrs
    }


def paid(study: optuna.Study) -> dict[str, float]:
    """What each run of `study` has cost so far, in US dollars by run id: those beside trials too.

    What a run spent that was killed counts when the run goes on.
    """
    by_run = paid_beside_trials(study)
    for one in study.get_trials(deepcopy=False):
        by_run |= one.user_attrs.get(PAID, {})
    return by_run


def spent(study: optuna.Study) -> float:
    """What all runs of `study` have cost so far, in US dollars."""
    return sum(paid(study).values())


def propose_defaults(study: optuna.Study, space: Space) -> None:
    """Make the default settings trial 0."""
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(space.defaults)


def run_one(study: optuna.Study, settings: StudySettings, *, max_usd: float | None = None) -> FrozenTrial:
    """Propose a trial, measure it and write it down; one that fails is written down too, with its reason.

    `max_usd` is what it may cost. Raises `UnfinishedError` when that is spent: the trial is proposed again.
    """
    space = settings.parameters.without(dead_of(study))
    with _uninterrupted():  # a trial that names no worker is not known to be abandoned for a while
        trial = study.ask()
        trial.set_user_attr(_WORKER, this_process())
    try:
        with _beating(trial):
            values = _measured(study, trial, settings, space, max_usd)
        return study.tell(trial, values, skip_if_finished=True)
    except UnfinishedError:
        give_back(study, study.get_trials()[trial.number])
        raise
    except MemoryBenchError as error:
        trial.set_user_attr(ERROR, f"{type(error).__name__}: {error}")
        return study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
    except BaseException:
        give_back(study, study.get_trials()[trial.number])
        raise


def take_up_abandoned(study: optuna.Study, stale: float = STALE_SECONDS, most: int | None = None) -> int:
    """End trials whose worker is dead or silent for so many seconds, and propose each again: its run goes on.

    A trial is proposed again `most` times; one that has a lease is abandoned when that ends.
    """
    taken = 0
    for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_abandoned(one, stale):
            continue
        taken += 1
        if most is None or _continued(study, one) < most:
            give_back(study, one)
        else:
            study.tell(one.number, state=TrialState.FAIL, skip_if_finished=True)
    return taken


def any_without_worker(study: optuna.Study) -> bool:
    """Whether a trial names no worker: it will at once, or its worker was killed before and it is abandoned later."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return any(_WORKER not in one.user_attrs and LEASE not in one.user_attrs for one in running)


def _continued(study: optuna.Study, trial: FrozenTrial) -> int:
    """How many trials before `trial` had its settings because their workers were gone."""
    trials = study.get_trials(deepcopy=False)
    earlier = 0
    while (number := trial.user_attrs.get(CONTINUES)) is not None:
        trial = trials[number]
        earlier += 1
    return earlier


def _is_abandoned(trial: FrozenTrial, stale: float) -> bool:
    if lease := trial.user_attrs.get(LEASE):
        return time.time() >= float(lease["until"])
    if (worker := trial.user_attrs.get(_WORKER)) and is_gone(worker):
        return True
    started = trial.datetime_start.timestamp() if trial.datetime_start else time.time()
    last: float = max(started, trial.user_attrs.get(_BEAT, 0.0))
    return time.time() - last >= stale


def give_back(study: optuna.Study, trial: FrozenTrial) -> None:
    """Propose the settings of a trial once more, for the same run, then end it as failed; nothing if it has ended.

    In this order, so that it is not lost if the process is killed in between. Where two processes do it at once, both
    propose it, and the later proposal is dropped when it is drawn.
    """
    if trial.state.is_finished():
        return
    if _continuation(study, trial.number) is None:
        attributes = {CONTINUES: trial.number}
        if run_id := trial.user_attrs.get(RUN):
            attributes[RUN] = run_id
        study.enqueue_trial(trial.params, user_attrs=attributes)
    with suppress(ValueError):  # another process was faster, or it ended by itself
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _continuation(study: optuna.Study, number: int) -> int | None:
    """The first trial that continues the trial of that number."""
    trials = study.get_trials(deepcopy=False)
    return next((one.number for one in trials if one.user_attrs.get(CONTINUES) == number), None)


def _measured(
    study: optuna.Study, trial: optuna.Trial, settings: StudySettings, space: Space, max_usd: float | None
) -> Sequence[float]:
    origin = trial.user_attrs.get(CONTINUES)
    first = None if origin is None else _continuation(study, origin)
    if first not in (None, trial.number):
        raise ConfigurationError(f"proposed twice: trial {first} continues trial {origin}")
    params = space.suggest(trial)
    trial.set_user_attr("params", params)
    if known := _known(study, trial, settings, params):
        return known
    run_id = trial.user_attrs.get(RUN) or f"{settings.name}-{trial.number:04d}"
    trial.set_user_attr(RUN, run_id)
    default = params == settings.parameters.defaults  # what all is compared with
    watch = None if settings.pruner == "none" else Watch(study, trial, settings, run_id=run_id, whole=default)
    costs = {run: usd for run, usd in paid(study).items() if run in (run_id, f"{run_id}{TIMED}")}

    def run(name: str, **changes: Any) -> TrialMetrics:
        # the limit of a run is for all that it has cost, in earlier processes too
        limit = None if max_usd is None else max_usd + before - sum(costs.values()) + costs.get(name, 0.0)
        config = settings.run_config(name, "tune", max_usd=limit, **changes)
        done = evaluate(params, TrialOptions(settings.benchmark, config), watch if name == run_id else None)
        costs[name] = done.values.get("usd", 0.0)
        trial.set_user_attr(PAID, costs)
        if not done.complete and not (watch and watch.stop):
            raise UnfinishedError(f"run {name} ended before its last question: its money was spent")
        return done

    before = sum(costs.values())
    done = run(run_id)
    if watch and watch.stop:
        trial.set_user_attr(STOPPED, watch.attributes())
        return [watch.estimate()]
    missing = any(metric not in done.values for metric in settings.figures)
    if settings.cache and (missing or (done.cached and any(map(is_time, settings.figures)))):
        done = run(f"{run_id}{TIMED}", cache=None)  # steps that came from the cache have no times
    return _recorded(trial, settings, done.values)


def _known(
    study: optuna.Study, trial: optuna.Trial, settings: StudySettings, params: Mapping[str, SettingValue]
) -> Sequence[float] | None:
    """The values of an earlier trial with the same settings, measured or stopped; None if there is none."""
    for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        attributes = one.user_attrs
        if SAME_AS in attributes or attributes.get("params") != params:
            continue
        trial.set_user_attr(SAME_AS, one.number)
        trial.set_user_attr(RUN, attributes[RUN])
        if STOPPED not in attributes:
            return _recorded(trial, settings, attributes[METRICS])
        trial.set_user_attr(STOPPED, attributes[STOPPED])
        return [one.value] if one.value is not None else None
    return None


def _recorded(trial: optuna.Trial, settings: StudySettings, metrics: Mapping[str, float]) -> Sequence[float]:
    missing = [metric for metric in settings.figures if metric not in metrics]
    if missing:
        raise ConfigurationError(
            f"{settings.benchmark} gives no {', '.join(missing)}; it gives {', '.join(sorted(metrics))}."
        )
    trial.set_user_attr(METRICS, dict(metrics))
    for limit in settings.limits:
        trial.set_constraint(str(limit), limit.excess(metrics[limit.metric]))
    return [metrics[goal.metric] for goal in settings.goals]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the block ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[FrameType | None] = []
    before = signal.signal(signal.SIGINT, lambda _number, frame: caught.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught and callable(before):
        before(signal.SIGINT, caught[0])


@contextmanager
def _beating(trial: optuna.Trial) -> Iterator[None]:
    """Write down again and again that somebody is at work on `trial`."""
    ended = threading.Event()

    def beat() -> None:
        while True:
            trial.set_user_attr(_BEAT, time.time())
            if ended.wait(BEAT_SECONDS):
                return

    heart = threading.Thread(target=beat, name=f"trial {trial.number}", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
