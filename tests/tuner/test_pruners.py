"""Trials that are worse are stopped early, and are never taken for whole."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from bench import QuestionOutcome
from reports.store import SelectedQuestion
from tests.tuner.conftest import Tuner
from tuner.objectives import parse_objectives
from tuner.pruners import EVERY, FIRST, choose_pruner
from tuner.settings import PrunerName, StudySettings
from tuner.storage import create_study
from tuner.trials import STOPPED, finished, stopped
from tuner.watching import Watch
from vocabulary import Case, ConfigurationError, Gold, Question, Verdict

CASES = [
    Case(
        id=f"q{number}", source_id=str(number), benchmark="synthetic", haystack="h", cluster="c",
        question=Question(id=f"o{number}", text="?"), gold=Gold(question_type="t", ground_truth="yes"),
    )
    for number in range(200)
]  # fmt: skip


def settings(pruner: PrunerName, name: str = "s") -> StudySettings:
    return StudySettings(
        name=name, benchmark="synthetic", config={}, data="", space=(), objectives=("accuracy",), pruner=pruner
    )


def follow(study: optuna.Study, wanted: StudySettings, right: float) -> tuple[int, Watch]:
    """One trial that has that share of questions right: how many were asked, and what watched them."""
    trial = study.ask()
    watch = Watch(study, trial, wanted, run_id=f"s-{trial.number}")
    asked = watch.order([SelectedQuestion("p", case) for case in CASES])
    assert {one.case.id for one in asked} == {case.id for case in CASES}
    assert [one.case for one in asked] != CASES
    count = 0
    for one in asked:
        count += 1
        correct = int(one.case.id[1:]) < right * len(CASES)
        verdict = Verdict(label="correct" if correct else "wrong", explanation="")
        if watch.ends(QuestionOutcome("p", one.case, None, verdict, failed=False)):
            break
    study.tell(trial, right if watch.stop is None else watch.estimate())
    return count, watch


@pytest.mark.parametrize("pruner", ["wilcoxon", "hyperband", "median", "none"])
def test_a_pruner_stops_what_is_much_worse(pruner: PrunerName) -> None:
    wanted = settings(pruner)
    study = create_study(wanted, optuna.storages.InMemoryStorage())
    assert [follow(study, wanted, right)[0] for right in (0.6, 0.6, 0.6, 0.6, 0.6)] == [200] * 5
    asked, watch = follow(study, wanted, 0.1)
    if pruner == "none":
        assert (asked, watch.stop) == (200, None)
        return
    assert FIRST <= asked <= FIRST + EVERY
    assert watch.stop is not None
    assert (watch.stop.asked, watch.stop.total, watch.stop.best) == (asked, 200, 0)
    assert watch.stop.behind == pytest.approx(0.5, abs=0.15)
    assert study.trials[-1].value == pytest.approx(0.6 - (watch.stop.behind or 0))


def test_a_best_trial_without_values_of_its_questions_stops_nothing_and_warns_of_nothing() -> None:
    wanted = settings("wilcoxon")
    study = create_study(wanted, optuna.storages.InMemoryStorage())
    study.add_trial(optuna.create_trial(value=1.0))
    asked, watch = follow(study, wanted, 0.1)
    assert (asked, watch.stop) == (200, None)


def test_by_default_there_is_a_pruner_where_every_question_has_a_score() -> None:
    assert choose_pruner(None, parse_objectives(["recall@10"], "search")) == "wilcoxon"
    assert choose_pruner(None, parse_objectives(["recall@10", "context_tokens"], "search")) == "none"
    assert choose_pruner(None, parse_objectives(["p95.search_ms"], "search")) == "none"
    with pytest.raises(ConfigurationError, match=r"single questions have no p95\.search_ms"):
        choose_pruner("median", parse_objectives(["p95.search_ms"], "search"))
    with pytest.raises(ConfigurationError, match="several objectives"):
        choose_pruner("wilcoxon", parse_objectives(["recall@10", "mrr"], "search"))


@pytest.mark.long
def test_a_stopped_trial_is_not_compared_with_whole_ones(ended: Tuner) -> None:
    assert "trial 2: stopped after 75 of 120 questions of the tune part at 0." in ended.printed
    assert "where trial 1 is better by 0." in ended.printed
    assert "1 trial was stopped early and is not compared" in ended.printed

    study = optuna.load_study(study_name="s", storage=ended.storage())
    assert [one.state for one in study.trials] == [TrialState.COMPLETE] * 4
    assert study.trials[2].user_attrs[STOPPED] == study.trials[3].user_attrs[STOPPED], "it is not measured again"
    assert [one.number for one in finished(study)] == [0, 1]
    assert study.best_trial.number == 1
    assert [(number, stop.asked) for number, stop in stopped(study).items()] == [(2, 75)]
    tune, holdout, checks = 120, 80, 5 * 40
    whole_runs = 3 * tune + 2 * holdout
    assert len(ended.asked("search")) < whole_runs + checks + 75 + 40, "40: what was begun when it was stopped"
    assert "trial 2: stopped after" in ended.main("export", "s", "--trial=2")[2]
    assert "trial 2: stopped after" in ended.main("status", "s")[1]
