"""A search from its command to its verdict, in processes of its own."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.prepared_python import run_prepared
from tests.reports.store.postgres_server import PostgresServer
from tests.tuner.conftest import SMALL, Tuner
from tuner.search import Limits, Search
from tuner.storage import close_storage, load_study, open_storage
from tuner.trials import finished

pytestmark = pytest.mark.long


def study_of(tuner: Tuner) -> optuna.Study:
    return load_study("s", open_storage(f"journal:{tuner.runs / 'studies.journal'}"))[0]


def test_a_search_ends_with_a_verdict_and_a_command_that_a_run_accepts(tuner: Tuner) -> None:
    tuner.environment["MEMORYBENCH_DATA"] = str(tuner.folder)  # a setting that has no option
    ended = tuner.optimize("--trials=12", "--seed=1", "--preset=quick", "--param=top_k=10..50 step 40")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "not searched: idle changes nothing (0.0, 1.0 give what the default 0.5 gives" in ended.stdout
    assert "noise: recall@10 of 3 runs of the default settings on the tune part" in ended.stdout
    assert re.search(r"recall@10 on the holdout part \(\d+ questions\): .* better by [\d.]+ \[", ended.stdout)

    study = study_of(tuner)
    trials = study.get_trials()
    assert trials[0].params == {"skip": 6, "idle": 0.5, "top_k": 50}
    assert [trial.number for trial in trials] == list(range(12))
    assert all("idle" not in trial.params for trial in trials[1:])

    *_, line = ended.stdout.strip().splitlines()
    command = line.removeprefix("use it: pytest ")
    report = tuner.folder / "exported"
    wanted = [*shlex.split(command), "--runs-dir", str(report), "--run-id=r"]
    again = run_prepared("pytest", *wanted, env=tuner.environment)
    assert again.returncode in (0, 1), again.stdout + again.stderr
    settings = json.loads((report / "r" / "report.json").read_text())["results"][0]["provider"]["settings"]
    best = tuner.run("best", "s").stdout
    starred = re.search(r"\* .*skip=(\d+)", best)
    assert starred is not None
    assert settings["skip"] == int(starred[1]) < 6

    for form, expected in (("env", "MEMORYBENCH_PROVIDER_OPTION"), ("toml", "memorybench_provider_option")):
        assert expected in tuner.run("export", "s", f"--format={form}").stdout


def test_settings_that_are_ignored_are_named_and_nothing_is_searched(tuner: Tuner) -> None:
    ended = tuner.optimize("--trials=5", "--preset=quick", provider="Deaf")
    assert ended.returncode == 2
    assert "no parameter changes anything, so there is nothing to search" in ended.stderr
    switched_off = tuner.optimize("--trials=5", "--preset=quick", "--no-dead-check", provider="Deaf")
    assert switched_off.returncode == 0, switched_off.stderr
    assert "no difference was shown" in switched_off.stdout


def test_the_embedded_stack_is_searched_without_a_key_to_a_verdict(tuner: Tuner) -> None:
    pytest.importorskip("onnxruntime")
    small = ("--provider=hybrid", "--name=s", *SMALL, "--no-dead-check", "--noise-repeats=2", "--trials=4")
    status, out, err = tuner.main("optimize", *small, "--preset=quick", "--seed=4")
    assert status == 0, err
    assert re.search(r"recall@10 on the holdout part \(\d+ questions\)|nothing was found that is better", out)
    reranked = [one for one in study_of(tuner).get_trials() if one.params["rerank"] != "none"]
    assert reranked
    assert all(
        ("rerank_depth" in one.params) == (one.params["rerank"] != "none") for one in study_of(tuner).get_trials()
    )
    containers = list(tuner.runs.glob("cache/providers/hybrid-*/dense.sqlite"))
    assert len(containers) == 1  # all of them are settings of the search


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'studies.sqlite'}"
        return
    server = PostgresServer()
    yield server.database()
    server.close()


def test_two_workers_share_a_study_in_a_database(tuner: Tuner, database: str) -> None:
    limits = ("--trials=5", "--preset=quick", "--workers=2", "--no-dead-check", "--noise-repeats=2")
    ended = tuner.optimize(*limits, f"--storage={database}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "on the holdout part" in ended.stdout
    storage = open_storage(database)
    trials = load_study("s", storage)[0].get_trials()
    close_storage(storage)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert Counter(trial.state for trial in trials)[TrialState.COMPLETE] >= 5


def test_what_was_killed_goes_on_and_nothing_is_asked_twice(tuner: Tuner) -> None:
    arguments = ("--trials=6", "--preset=quick", "--workers=2", "--no-dead-check", "--noise-repeats=2")
    process = tuner.start(*arguments)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(("trial 1:", "trial 2:")):
            break
    process.signal_all(signal.SIGKILL)
    process.wait()
    ended = tuner.optimize(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    trials = study_of(tuner).get_trials()
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    assert states[TrialState.COMPLETE] >= 6
    assert [trial.number for trial in trials] == list(range(len(trials)))
    twice = [asked for asked, times in Counter(tuner.asked("search")).items() if times > 1]
    assert len(twice) <= 2 * 32, "only what was in flight when the workers were killed"
    continued = [trial for trial in trials if "continues" in trial.user_attrs]
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    assert len(continued) == len(failed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objective=recall@7",), "there is no figure 'recall@7'"),
        (("--param=skips=1..2",), "Did you mean 'skip'?"),
        (("--provider-option=skip=20",), "the default 20 is not in it"),
        (("--option=top_k",), "write it as NAME=VALUE"),
        (("--timeout=soon",), "write it as 90s, 30m or 2h"),
        (("--storage=mysql://x",), "write journal:FILE"),
        (("--workers=2", "--storage=memory"), "a study in memory has one process"),
        (("--trials=0",), "at least 1"),
    ],
)
def test_what_is_asked_for_wrongly_is_one_line_and_costs_nothing(
    tuner: Tuner, arguments: tuple[str, ...], message: str
) -> None:
    status, out, err = tuner.main("optimize", "--provider=tests.subjects.tunable:Memory", *SMALL, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not tuner.runs.exists()


def test_a_study_is_never_continued_with_other_settings(tuner: Tuner) -> None:
    arguments = (
        *("optimize", "--provider=tests.subjects.tunable:Memory", "--name=s", *SMALL),
        *("--preset=quick", "--no-dead-check", "--noise-repeats=2"),
    )
    assert tuner.main(*arguments, "--trials=1")[0] == 0
    status, _, err = tuner.main(*arguments, "--trials=1", "--objective=mrr")
    assert (status, "was begun with another objectives" in err) == (2, True)
    status, _, err = tuner.main(*arguments, "--trials=1", "--pruner=median")
    assert (status, "begun with another pruner: wilcoxon there, median here" in err) == (2, True)
    assert "1 COMPLETE" in tuner.main("status", "s")[1]
    study, settings = load_study("s", open_storage(f"journal:{tuner.runs / 'studies.journal'}"))
    (default,) = finished(study)
    scores = Search(study, settings, Limits(0), note=print).scores(default)
    for metric in ("recall@10", "ndcg@10", "mrr"):
        values = [one.values[metric] for one in scores if metric in one.values]
        assert sum(values) / len(values) == pytest.approx(default.metrics[metric], abs=1e-6), metric
    assert re.search(r"^s +1 +recall@10:max +synthetic$", tuner.main("list")[1], re.MULTILINE)
    assert re.search(r"^recall@10 +0\.\d+$", tuner.main("show", "s", "0")[1], re.MULTILINE)
    assert "skip=2" in tuner.main("enqueue", "s", "skip=2")[1]
    assert tuner.main(*arguments, "--trials=2")[0] == 0
    assert study_of(tuner).get_trials()[1].params["skip"] == 2
    assert "skip=2" in tuner.main("compare", "s")[1]
    assert "idle" in tuner.main("importance", "s")[1]
    (tuner.runs / "s-0007-timed").mkdir()
    assert tuner.main("clean", "s")[1].startswith("removed ")
    assert {folder.name for folder in tuner.runs.glob("s-*")} <= {"s-0000", "s-0001"}
    assert "skip=" in tuner.main("best", "s")[1], "what is known of trials does not depend on their runs"
    assert "is forgotten" in tuner.main("delete", "s")[1]
    assert "there is no study 's'" in tuner.main("status", "s")[2]
