"""What a search shows while it runs: a table on a terminal, lines elsewhere; and how Ctrl-C ends it."""

from __future__ import annotations

import io
import signal
from collections import Counter

import pytest
from optuna.trial import TrialState
from rich.console import Console

from tests.tuner.conftest import Tuner
from tuner.search import Limits, Search
from tuner.show import shown_live
from tuner.storage import load_study
from tuner.trials import take_up_abandoned

pytestmark = pytest.mark.long


def search_of(tuner: Tuner, limits: Limits) -> Search:
    return Search(*load_study("s", tuner.storage()), limits, note=print)


def test_a_terminal_has_a_table_of_the_last_trials(ended: Tuner) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, color_system=None)
    with shown_live(search_of(ended, Limits(4, seconds=3600.0, max_usd=5.0)), console) as look:
        look()
    last = screen.getvalue()[screen.getvalue().rindex("TRIAL") :]
    rows = [line.split() for line in last.splitlines()]
    assert rows[0][:3] == ["TRIAL", "STATE", "RECALL@10"]
    assert [row[:2] for row in rows[1:5]] == [["0", "measured"], ["1", "measured"], ["2", "stopped"], ["3", "as"]]
    assert "stopped at 75 of 120" in last
    assert "2 of 4 trials measured; best so far: trial 1, recall@10 0." in last
    assert "$0.00 of $5 spent; 3600 s left" in last


def test_a_log_has_a_line_for_each_trial_that_ends(ended: Tuner, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_live(search_of(ended, Limits(4))) as look:
        look()
    assert capsys.readouterr().out == "", "what had ended before is not said again"
    assert ended.printed.count("trial 2: stopped") == 1


def test_ctrl_c_gives_the_trial_back(tuner: Tuner) -> None:
    process = tuner.start("--trials=500", "--preset=quick", "--no-dead-check", "--noise-repeats=2", "--sampler=random")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("trial 1:"):
            break
    process.send_signal(signal.SIGINT)
    assert process.stdout.read().endswith("python -m tuner: interrupted; the same command goes on\n")
    assert process.wait() == 130
    study, _ = load_study("s", tuner.storage())
    take_up_abandoned(study)  # as the same command does
    states = Counter(trial.state for trial in study.get_trials())
    assert states[TrialState.RUNNING] == 0
    assert states[TrialState.FAIL] == states[TrialState.WAITING] <= 1
