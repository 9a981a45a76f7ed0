"""Trials are never lost or done twice, and all that a study spends is counted."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.processes import PIPE, Process, run
from tests.repository import ROOT
from tests.tuner.conftest import Tuner
from tuner import trials
from tuner.evaluation import TrialMetrics, TrialOptions
from tuner.search import Limits, Search
from tuner.settings import StudySettings, record_of
from tuner.spaces import Parameter, Space
from tuner.storage import create_study, open_storage
from tuner.trials import CONTINUES, ERROR, RUN, run_one, take_up_abandoned

SETTINGS = StudySettings(
    name="s", benchmark="synthetic", config={}, data="", objectives=("accuracy",),
    space=record_of(Space((Parameter("depth", "int", 20, low=10, high=100),))),
)  # fmt: skip

KILLED = """
import os, signal, sys
from tuner.storage import load_study, open_storage
from tuner.trials import RUN, take_up_abandoned

study, _ = load_study("s", open_storage(sys.argv[1]))
trial = study.ask()
trial.set_user_attr("worker", "another-host/1:1:1")
trial.set_user_attr(RUN, "s-0000")
propose, end, calls = study.enqueue_trial, study.tell, []

def second_kills(call):
    def made(*arguments, **named):
        calls.append(call)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return made

study.enqueue_trial, study.tell = second_kills(propose), second_kills(end)
take_up_abandoned(study, stale=0)
"""
"""Takes up a trial that is given up, and is killed before the second of the two things that this takes."""


def test_a_killed_worker_that_its_parent_has_not_looked_after_is_gone(tmp_path: Path) -> None:
    study = create_study(SETTINGS, open_storage(f"journal:{tmp_path / 'studies.journal'}"))
    asks = "import sys; from reports.store import this_process; print(this_process(), flush=True); sys.stdin.read()"
    worker = Process([sys.executable, "-c", asks], stdin=PIPE, stdout=PIPE, cwd=ROOT)
    assert worker.stdout is not None
    study.ask().set_user_attr("worker", worker.stdout.readline().strip())
    assert take_up_abandoned(study) == 0
    worker.kill()  # and nobody waits for it
    end = time.monotonic() + 30
    while not take_up_abandoned(study):
        assert time.monotonic() < end
        time.sleep(0.01)
    worker.communicate()


def test_a_trial_is_not_lost_if_its_worker_is_killed_while_it_is_given_back(tmp_path: Path) -> None:
    url = f"journal:{tmp_path / 'studies.journal'}"
    study = create_study(SETTINGS, open_storage(url))
    killed = run([sys.executable, "-c", KILLED, url], cwd=ROOT, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    take_up_abandoned(study, stale=0)
    first, *others = study.get_trials()
    assert first.state is TrialState.FAIL
    assert [one.state for one in others] == [TrialState.WAITING]
    assert others[0].user_attrs == {CONTINUES: 0, RUN: "s-0000"}


def test_a_worker_that_was_killed_before_it_named_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(_params: object, options: TrialOptions, *_: object) -> TrialMetrics:
        figures = {"accuracy": 0.5}
        return TrialMetrics(figures, str(options.config.run_id), complete=True, cached=False, folder=Path(), scores=())

    monkeypatch.setattr(trials, "evaluate", evaluate)
    study = create_study(SETTINGS, optuna.storages.InMemoryStorage())
    left = optuna.trial.create_trial(state=TrialState.RUNNING)
    assert left.datetime_start
    left.datetime_start -= timedelta(seconds=trials.STALE_SECONDS - 2)
    study.add_trial(left)
    Search(study, SETTINGS, Limits(1), note=print).work(lambda: None)
    assert [one.state for one in study.get_trials()] == [TrialState.FAIL, TrialState.COMPLETE]


def test_of_two_proposals_for_one_trial_the_later_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def evaluate(_params: object, options: TrialOptions, *_: object) -> TrialMetrics:
        asked.append(str(options.config.run_id))
        return TrialMetrics({"accuracy": 0.5}, asked[-1], complete=True, cached=False, folder=Path(), scores=())

    monkeypatch.setattr(trials, "evaluate", evaluate)
    study = create_study(SETTINGS, optuna.storages.InMemoryStorage())
    study.tell(study.ask(), state=TrialState.FAIL)
    for _process in range(2):
        study.enqueue_trial({"depth": 30}, user_attrs={CONTINUES: 0, RUN: "s-0000"})
    first, second = run_one(study, SETTINGS), run_one(study, SETTINGS)
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert second.user_attrs[ERROR] == "ConfigurationError: proposed twice: trial 1 continues trial 0"
    assert asked == ["s-0000"]


def test_times_are_measured_without_a_cache_that_a_part_of_the_trial_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    timed = SETTINGS.model_copy(update={"constraints": ("p95.search_ms<=300",), "cache": str(tmp_path)})

    def evaluate(_params: object, options: TrialOptions, *_: object) -> TrialMetrics:
        shared = options.config.cache is not None
        figures = {"accuracy": 0.5, "p95.search_ms": 1.0 if shared else 200.0}
        return TrialMetrics(figures, "r", complete=True, cached=shared, folder=Path(), scores=())

    monkeypatch.setattr(trials, "evaluate", evaluate)
    study = create_study(timed, optuna.storages.InMemoryStorage())
    assert run_one(study, timed).user_attrs["metrics"]["p95.search_ms"] == 200.0


@pytest.mark.long
def test_the_money_of_a_study_is_for_the_repeats_of_the_default_settings_too(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHED", str(tuner.calls))
    paid = ("--option=answering_model=tests.subjects.paid:Dear", "--option=judge=tests.subjects.paid:DearJudge")
    small = ("--option=synthetic_sessions=20", "--option=synthetic_questions=20", "--option=in_flight=4")
    arguments = ("optimize", "--provider=tests.subjects.tunable:Memory", "--name=s", *paid, *small)
    status, _, err = tuner.main(*arguments, "--no-dead-check", "--preset=quick", "--trials=4", "--max-usd=0.3")
    assert status == 2
    assert "run s-default-2 is not finished: the study has spent $0.342, and --max-usd is 0.3" in err
    assert re.search(r"spent +\$0\.34$", tuner.main("status", "s")[1], re.MULTILINE)
