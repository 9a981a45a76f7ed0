"""What the service does with studies: each function is one request, and leaves the storage whole when it fails."""

from __future__ import annotations

import contextlib
import time
import warnings
from typing import TYPE_CHECKING, Any, cast  # Any: options of Optuna

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.storages import get_storage
from optuna.trial import FrozenTrial, TrialState

from tuner.pruners import make_pruner
from tuner.samplers import sampler_of
from tuner.service.locks import Locks
from tuner.service.messages import (
    AskRequest,
    EnqueueRequest,
    FailRequest,
    Importance,
    ReportRequest,
    State,
    StudyRecord,
    StudySpec,
    StudySummary,
    TellRequest,
    TrialRecord,
)
from tuner.service.served import (
    ENQUEUED,
    KEPT,
    SPEC,
    ConflictError,
    MissingError,
    Served,
    all_begun,
    check_params,
    check_single,
    is_unfinished,
    space_to_enqueue,
    spec_of,
    study_record,
    study_summary,
    trial_record,
)
from tuner.show import importances
from tuner.storage import close_storage, open_storage
from tuner.trials import ERROR, LEASE, give_back, take_up_abandoned
from vocabulary import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from starlette.types import ASGIApp

RETRIES = 2
"""So often a trial whose worker vanished is proposed again: it may be the trial that ends workers."""


class Studies:
    """The studies in the storage at `url`, for one process that serves them.

    Methods raise `MissingError` for a study or trial that is not there, `ConflictError` where its state does not allow
    what is wanted, and `ConfigurationError` for what no study allows. What the storage raises is passed on.
    """

    def __init__(self, url: str) -> None:
        self._opened = open_storage(url)
        self._storage = get_storage(self._opened)  # with a cache of finished trials that requests share
        self._locks = Locks(url)

    def close(self) -> None:
        """Let others serve the storage."""
        self._locks.close()
        close_storage(self._opened)

    def check(self) -> None:
        """Ask the storage for something; raises what it raises."""
        with contextlib.suppress(KeyError):
            self._storage.get_study_id_from_name("")

    def dashboard(self) -> ASGIApp:
        """Optuna's dashboard of these studies. It has no access control of its own, and takes seconds to import."""
        from a2wsgi import WSGIMiddleware
        from optuna_dashboard import wsgi

        return cast("ASGIApp", WSGIMiddleware(wsgi(self._storage)))

    def create(self, spec: StudySpec) -> tuple[StudyRecord, bool]:
        """The study of `spec`, and whether it is new; raises `ConflictError` for another one of that name."""
        served = Served(spec)
        sampler = sampler_of(served, 0, 0)  # refuses what it cannot search
        make_pruner(spec.pruner, first=spec.prune_from)
        directions = [one.direction for one in spec.objectives]
        stored = spec.model_dump(mode="json")
        with self._locks.held(spec.name):
            new = True
            try:
                study = optuna.create_study(
                    study_name=spec.name, storage=self._storage, directions=directions, sampler=sampler
                )
            except DuplicatedStudyError:
                study = self._load(spec.name)
                new = is_unfinished(study, directions)
                if not new and study.user_attrs.get(SPEC) != stored:
                    raise ConflictError(f"there is a study {spec.name!r} already, and it is not this one.") from None
            if new:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ExperimentalWarning)
                    study.set_metric_names([one.name for one in spec.objectives])
                if served.defaults:
                    study.enqueue_trial(served.defaults, skip_if_exists=True)
                study.set_user_attr(SPEC, stored)
        return study_record(study), new

    def page(self, limit: int, offset: int) -> list[StudySummary]:
        """Studies by name, `limit` of them from `offset` on."""
        names = sorted(optuna.get_all_study_names(self._storage))
        return [study_summary(self._storage, name) for name in names[offset:][:limit]]

    def get(self, name: str) -> StudyRecord:
        """All about a study but its trials."""
        return study_record(self._load(name))

    def delete(self, name: str) -> None:
        """Forget a study and its trials."""
        with self._locks.held(name):
            self._load(name)
            optuna.delete_study(study_name=name, storage=self._storage)

    def ask(self, name: str, request: AskRequest, key: str) -> tuple[TrialRecord, bool]:
        """A trial to work at, and whether it is new: the same `key` gets the same trial, unless that has failed."""
        with self._locks.held(name):
            study, served = self._open(name)
            trials = study.get_trials(deepcopy=False)
            for one in reversed(trials):
                if one.user_attrs.get(LEASE, {}).get("key") == key and one.state != TrialState.FAIL:
                    return trial_record(one), False
            take_up_abandoned(study, most=RETRIES)
            if served.sampler == "grid" and all_begun(study, served.parameters):
                raise ConflictError(f"study {name!r}: every point of the grid has been tried or is being tried.")
            study.sampler = sampler_of(served, 0, sum(one.state != TrialState.WAITING for one in trials))
            trial = study.ask()
            try:
                trial.set_user_attr(LEASE, _lease(request.lease_seconds, request.worker, key))
                served.parameters.suggest(trial)
            except BaseException:
                study.tell(trial, state=TrialState.FAIL)
                raise
            return self._record(study, trial.number), True

    def tell(self, name: str, number: int, request: TellRequest) -> TrialRecord:
        """End a trial with its values. The same once more changes nothing; other values are a `ConflictError`."""
        state = TrialState.PRUNED if request.pruned else TrialState.COMPLETE
        with self._locks.held(name):
            study, _ = self._open(name)
            if request.values and len(request.values) != len(study.directions):
                raise ConfigurationError(
                    f"study {name!r} has {len(study.directions)} objectives, and {len(request.values)} values came."
                )
            known = self._trial(study, number)
            if known.state == state and (request.pruned or known.values == list(request.values)):
                return trial_record(known)
            _check_running(known)
            if request.attributes:
                self._keep(study, number, KEPT, request.attributes)
            if new := {key: value for key, value in request.constraints.items() if key not in known.constraints}:
                trial = optuna.Trial(study, self._id(study, number))
                for constraint, value in new.items():
                    trial.set_constraint(constraint, value)
            return trial_record(study.tell(number, request.values or None, state=state))

    def fail(self, name: str, number: int, request: FailRequest) -> TrialRecord:
        """End a trial without a result; of one that has failed this changes nothing."""
        with self._locks.held(name):
            study, _ = self._open(name)
            known = self._trial(study, number)
            if known.state == TrialState.FAIL:
                return trial_record(known)
            _check_running(known)
            self._keep(study, number, ERROR, request.reason or "its worker gave it up")
            if request.again:
                give_back(study, known)
            else:
                study.tell(number, state=TrialState.FAIL)
            return self._record(study, number)

    def report(self, name: str, number: int, request: ReportRequest) -> TrialRecord:
        """Keep a value of a trial that goes on, and renew its lease."""
        with self._locks.held(name):
            study, _ = self._open(name)
            check_single(study)
            known = self._trial(study, number)
            if known.intermediate_values.get(request.step, request.value) != request.value:
                raise ConflictError(f"trial {number} has reported another value at step {request.step}.")
            _check_running(known)
            if request.step not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(self._id(study, number), request.step, request.value)
            return self._renewed(study, known)

    def should_prune(self, name: str, number: int) -> bool:
        """Whether a trial is not worth the rest of its work, by the study's pruner."""
        study, _ = self._open(name)
        check_single(study)
        known = self._trial(study, number)
        _check_running(known)
        return study.pruner.prune(study, known)

    def heartbeat(self, name: str, number: int, lease_seconds: float) -> TrialRecord:
        """Renew the lease of a trial."""
        with self._locks.held(name):
            study, _ = self._open(name)
            known = self._trial(study, number)
            _check_running(known)
            return self._renewed(study, known, lease_seconds)

    def enqueue(self, name: str, request: EnqueueRequest, key: str) -> tuple[TrialRecord, bool]:
        """Have certain parameters proposed next, once for each `key`; gives the trial and whether it is new."""
        with self._locks.held(name):
            study = self._load(name)
            space = space_to_enqueue(study)
            check_params(space, request.params)
            spec = spec_of(study)
            if spec and spec.sampler == "grid" and len(request.params) < len(spec.space):
                raise ConfigurationError(
                    f"study {name!r} tries a grid: give all of {', '.join(p.name for p in space)}."
                )
            known = [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get(ENQUEUED) == key]
            if not known:
                study.enqueue_trial(request.params, user_attrs={ENQUEUED: key})
            return trial_record(known[0] if known else study.get_trials(deepcopy=False)[-1]), not known

    def trials(self, name: str, state: State | None, limit: int, offset: int) -> list[TrialRecord]:
        """Trials by number, `limit` of them from `offset` on."""
        states = None if state is None else (TrialState[state],)
        trials = self._load(name).get_trials(deepcopy=False, states=states)
        return [trial_record(one) for one in trials[offset:][:limit]]

    def trial(self, name: str, number: int) -> TrialRecord:
        """One trial."""
        return self._record(self._load(name), number)

    def best(self, name: str) -> TrialRecord:
        """The best trial that keeps all constraints, by the only objective."""
        study = self._load(name)
        check_single(study)
        try:
            return trial_record(study.best_trial)
        except ValueError:
            raise MissingError(f"study {name!r} has no trial yet that has ended and keeps its constraints.") from None

    def front(self, name: str) -> list[TrialRecord]:
        """The trials that none is better than in every objective."""
        return [trial_record(one) for one in self._load(name).best_trials]

    def importance(self, name: str, objective: int) -> Importance:
        """How much of the variation of an objective each parameter explains."""
        study = self._load(name)
        goals = study_record(study).objectives
        if objective >= len(goals):
            raise MissingError(f"study {name!r} has {len(goals)} objectives; they count from 0.")
        done = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        if done < 2:
            raise ConflictError(f"study {name!r} has fewer than two trials that have ended.")
        shares = {one.name: one.share for one in importances(study, objective, resamples=0)}
        return Importance(objective=goals[objective].name, trials=done, shares=shares)

    def _load(self, name: str) -> optuna.Study:
        try:
            return optuna.load_study(study_name=name, storage=self._storage)
        except KeyError:
            names = optuna.get_all_study_names(self._storage)
            raise MissingError(f"there is no study {name!r}.{did_you_mean(name, names)}") from None

    def _open(self, name: str) -> tuple[optuna.Study, Served]:
        """A study that was made over HTTP, with the sampler and pruner that its settings name."""
        study = self._load(name)
        spec = spec_of(study)
        if spec is None:
            raise ConflictError(
                f"study {name!r} was not made over HTTP. Trials of `python -m tuner optimize` are runs of the suite: "
                "`python -m tuner worker STUDY` does them."
            )
        served = Served(spec)
        study.sampler = sampler_of(served, 0, 0)
        study.pruner = make_pruner(spec.pruner, first=spec.prune_from)
        return study, served

    def _id(self, study: optuna.Study, number: int) -> int:
        own = self._storage.get_study_id_from_name(study.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(own, number)

    def _trial(self, study: optuna.Study, number: int) -> FrozenTrial:
        try:
            return self._storage.get_trial(self._id(study, number))
        except KeyError:
            raise MissingError(f"study {study.study_name!r} has no trial {number}.") from None

    def _record(self, study: optuna.Study, number: int) -> TrialRecord:
        return trial_record(self._trial(study, number))

    def _keep(self, study: optuna.Study, number: int, name: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._id(study, number), name, value)

    def _renewed(self, study: optuna.Study, trial: FrozenTrial, seconds: float | None = None) -> TrialRecord:
        lease = trial.user_attrs[LEASE]
        self._keep(study, trial.number, LEASE, _lease(seconds or lease["seconds"], lease["worker"], lease["key"]))
        return self._record(study, trial.number)


def _lease(seconds: float, worker: str, key: str) -> dict[str, object]:
    return {"until": time.time() + seconds, "seconds": seconds, "worker": worker, "key": key}


def _check_running(trial: FrozenTrial) -> None:
    if trial.state != TrialState.RUNNING:
        state = {"FAIL": "has failed, or its lease ended", "WAITING": "has not been asked for"}
        raise ConflictError(f"trial {trial.number} {state.get(trial.state.name, 'has ended already')}.")
