"""Studies that were not made over HTTP, or only half; and requests that meet."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from tests.tuner.service.conftest import serving, spec
from tuner.attributes import DEAD, HOLDOUT
from tuner.service import TunerClient, TunerError, calls
from tuner.settings import StudySettings, record_of
from tuner.spaces import Parameter, Space
from tuner.storage import create_study, open_storage
from tuner.trials import METRICS
from tuner.verdict import Verdict

SEARCHED = Space((
    Parameter("depth", "int", 20, low=10, high=100), Parameter("idle", "choice", "a", choices=("a", "b")),
))  # fmt: skip
VERDICT = Verdict(trial=1, metric="accuracy", default=0.5, tuned=0.6, gain=0.1, low=0.02, high=0.18, n=40, clusters=40)


def test_a_study_of_optimize_is_read_and_takes_parameters_but_does_its_trials_itself(tmp_path: Path) -> None:
    url = f"journal:{tmp_path / 'studies'}"
    settings = StudySettings(
        name="found", benchmark="synthetic", config={}, data="", space=record_of(SEARCHED), objectives=("accuracy",)
    )
    study = create_study(settings, open_storage(url))
    for depth, accuracy in ((20, 0.5), (50, 0.625)):
        study.enqueue_trial({"depth": depth})
        trial = study.ask()
        SEARCHED.suggest(trial)
        trial.set_user_attr(METRICS, {"accuracy": accuracy, "usd": 0.25})
        study.tell(trial, accuracy)
    study.set_user_attr(HOLDOUT, {"1": VERDICT.model_dump(mode="json")})
    study.set_user_attr(DEAD, {"idle": "b gives what a gives"})

    with serving(url) as address, TunerClient(address) as client:
        found = client.study("found")
        assert (found.origin, found.states, found.measured_on) == ("optimize", {"COMPLETE": 2}, "the tune part")
        assert [(one.name, one.direction) for one in found.objectives] == [("accuracy", "maximize")]
        assert [(one.name, one.low, one.high, one.choices) for one in found.space] == [
            ("depth", 10, 100, ()), ("idle", None, None, ("a", "b"))
        ]  # fmt: skip
        assert found.verdicts == (f"trial 1: {VERDICT.sentence()}",)
        best = client.best("found")
        assert (best.number, best.values, best.attributes["usd"]) == (1, (0.625,), 0.25)
        assert client.importance("found").objective == "accuracy"
        assert client.enqueue("found", {"depth": 70}).number == 2
        for refused in (calls.enqueue("found", {"idle": "b"}), calls.enqueue("found", {"depth": 7})):
            with pytest.raises(TunerError) as caught:
                client.send(refused)
            assert caught.value.status == 422
        for refused in (calls.ask("found"), calls.tell("found", 2, [1.0])):
            with pytest.raises(TunerError, match="was not made over HTTP") as caught:
                client.send(refused)
            assert caught.value.status == 409
    assert study.ask().params == {"depth": 70} or study.get_trials()[2].system_attrs["fixed_params"] == {"depth": 70}


def test_a_study_of_other_programs_is_read_and_one_whose_creation_was_cut_off_is_completed(tmp_path: Path) -> None:
    url = f"journal:{tmp_path / 'studies'}"
    storage = open_storage(url)
    foreign = optuna.create_study(study_name="foreign", storage=storage, directions=["minimize", "maximize"])
    foreign.tell(foreign.ask(), [float("inf"), 1.0])
    optuna.create_study(study_name="half", storage=storage, direction="minimize")
    with serving(url) as address, TunerClient(address) as client:
        assert [(one.name, one.origin) for one in client.studies()] == [("foreign", "other"), ("half", "other")]
        assert [one.name for one in client.study("foreign").objectives] == ["value0", "value1"]
        assert client.trial("foreign", 0).values == (None, 1.0)
        for refused in (calls.ask("foreign"), calls.enqueue("foreign", {"x": 1})):
            with pytest.raises(TunerError) as caught:
                client.send(refused)
            assert caught.value.status == 409
        with pytest.raises(TunerError, match="there is a study 'foreign' already"):
            client.create(spec("foreign"))
        assert client.create(spec("half")).origin == "http"
        assert client.ask("half").params["x"] == 0.5


def test_of_requests_that_meet_one_has_its_effect(here: TunerClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: here.create(spec("met")), range(8)))
        assert {one.name for one in made} == {"met"}
        assert here.study("met").trials == 1, "the defaults are there once"
        assert {one.number for one in pool.map(lambda _: here.ask("met", key="same"), range(8))} == {0}
        assert {one.number for one in pool.map(lambda _: here.enqueue("met", {"n": 2}, key="same"), range(8))} == {1}

        def tell(value: int) -> float | int | None:
            try:
                return here.tell("met", 0, [value]).values[0]
            except TunerError as error:
                return error.status

        ended = Counter(pool.map(tell, range(1000, 1008)))
    (value,) = here.trial("met", 0).values
    assert ended == {value: 1, 409: 7}
