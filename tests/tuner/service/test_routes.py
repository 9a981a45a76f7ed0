"""Every route through the real server and the real client, in every kind of storage."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from tests.tuner.service.conftest import SPACE, several, spec
from tuner import settings
from tuner.service import AsyncTunerClient, ParameterSpec, TunerClient, TunerError, calls
from tuner.service.messages import PrunerName, SamplerName
from tuner.service.studies import Studies


@contextlib.contextmanager
def refused(status: int, words: str) -> Iterator[None]:
    with pytest.raises(TunerError, match=words) as caught:
        yield
    assert caught.value.status == status


@pytest.mark.long
def test_a_study_from_its_creation_to_its_end(client: TunerClient) -> None:
    made = client.create(spec("life"))
    assert (made.origin, made.trials, made.states) == ("http", 1, {"WAITING": 1})
    assert client.create(spec("life")) == made
    with refused(409, "there is a study 'life' already"):
        client.create(spec("life", seed=2))

    first = client.ask("life", worker="one", key="k")
    assert client.ask("life", key="k") == first
    assert (first.number, first.state, first.worker, first.params["x"]) == (0, "RUNNING", "one", 0.5)
    assert ("depth" in first.params) == (first.params["mode"] == "deep")
    assert first.lease_ends is not None
    renewed = client.heartbeat("life", 0, lease_seconds=3600)
    assert renewed.lease_ends is not None
    assert renewed.lease_ends > first.lease_ends
    assert client.report("life", 0, 0, 1.5).reports == {0: 1.5}
    assert client.report("life", 0, 0, 1.5).reports == {0: 1.5}
    with refused(409, "another value at step 0"):
        client.report("life", 0, 0, 2.5)
    assert client.should_prune("life", 0).prune is False

    told = client.tell("life", 0, [0.25], constraints={"late": -1.0}, attributes={"host": ["a", 1]})
    assert client.tell("life", 0, [0.25]) == told == client.trial("life", 0)
    assert (told.state, told.values, told.constraints) == ("COMPLETE", (0.25,), {"late": -1.0})
    assert told.attributes == {"host": ["a", 1]}
    with refused(409, "trial 0 has ended already"):
        client.tell("life", 0, [0.5])
    with refused(409, "has ended already"):
        client.heartbeat("life", 0)

    queued = client.enqueue("life", {"x": -0.5, "n": 7}, key="q")
    assert client.enqueue("life", {"x": -0.5, "n": 7}, key="q").number == queued.number == 1
    with refused(409, "trial 1 has not been asked for"):
        client.tell("life", 1, [1.0])
    second = client.ask("life")
    assert (second.number, second.params["x"], second.params["n"]) == (1, -0.5, 7)
    assert client.tell("life", 1, [0.125], constraints={"late": 2.0}).state == "COMPLETE"
    assert client.best("life").number == 0, "trial 1 breaks its constraint"

    third = client.ask("life")
    failed = client.fail("life", third.number, "out of memory", again=True)
    assert client.fail("life", third.number) == failed
    assert (failed.state, failed.reason, failed.lease_ends) == ("FAIL", "out of memory", None)
    fourth = client.ask("life")
    assert (fourth.continues, fourth.params) == (third.number, third.params)
    client.report("life", fourth.number, 3, 9.0)
    assert client.tell("life", fourth.number, pruned=True).state == "PRUNED"
    assert client.tell("life", fourth.number, pruned=True).state == "PRUNED"

    assert [one.number for one in client.front("life")] == [0]
    shares = client.importance("life")
    assert (shares.objective, shares.trials) == ("value", 2)
    assert {"x", "n", "mode"} <= set(shares.shares)
    assert [one.number for one in client.trials("life", limit=2, offset=1)] == [1, 2]
    assert [one.number for one in client.trials("life", state="FAIL")] == [2]
    assert client.study("life").states == {"COMPLETE": 2, "FAIL": 1, "PRUNED": 1}
    assert client.study("life").space == SPACE
    assert [(one.name, one.trials) for one in client.studies() if one.name == "life"] == [("life", 4)]
    client.delete("life")
    with refused(404, "there is no study 'life'"):
        client.study("life")


def test_several_objectives_have_a_front_and_no_best(client: TunerClient) -> None:
    client.create(several("front"))
    for values in ([0.9, 3.0], [0.8, 1.0], [0.7, 2.0]):
        client.tell("front", client.ask("front").number, values)
    assert [one.number for one in client.front("front")] == [0, 1]
    assert client.importance("front", 1).objective == "usd"
    with refused(409, "several objectives"):
        client.best("front")
    running = client.ask("front").number
    with refused(409, "several objectives"):
        client.report("front", running, 0, 1.0)
    with refused(422, "has 2 objectives, and 1 values came"):
        client.tell("front", running, [1.0])
    with refused(404, "has 2 objectives; they count from 0"):
        client.importance("front", 2)


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_every_sampler_proposes_by_the_study_s_own_settings(here: TunerClient, sampler: str) -> None:
    if sampler == "gp":
        pytest.importorskip("torch", reason="the sampler gp needs torch, which is not among the test dependencies")
    space = (ParameterSpec(name="a", kind="int", low=0, high=3), ParameterSpec(name="b", kind="choice", choices=(1, 2)))
    name = f"by-{sampler}"
    here.create(spec(name, space=space, sampler=sampler))
    asked = [here.ask(name) for _ in range(8)]
    for one in asked:
        here.tell(name, one.number, [float(str(one.params["a"]))])
    points = {tuple(one.params.items()) for one in asked}
    assert len(points) > 2
    if sampler == "grid":
        assert len(points) == 8
        with refused(409, "every point of the grid"):
            here.ask(name)
        with refused(422, "give all of a, b"):
            here.enqueue(name, {"a": 1})
    else:
        assert here.ask(name).number == 8


def test_samplers_and_pruners_are_those_of_the_command_line() -> None:
    assert get_args(SamplerName) == get_args(settings.SamplerName)
    assert get_args(PrunerName) == get_args(settings.PrunerName)


def test_every_pruner_is_made_from_the_study_s_own_settings() -> None:
    with contextlib.closing(Studies("memory")) as studies:
        for name in get_args(PrunerName):
            studies.create(spec(name, pruner=name, prune_from=8))
        made = [type(studies._open(name)[0].pruner).__name__ for name in get_args(PrunerName)]
    assert made == ["WilcoxonPruner", "HyperbandPruner", "MedianPruner", "NopPruner"]


def test_a_trial_that_is_worse_than_others_is_to_be_pruned(here: TunerClient) -> None:
    for name in ("median", "none"):
        here.create(spec(name, pruner=name, prune_from=8))
        for _ in range(5):
            good = here.ask(name).number
            here.report(name, good, 8, 1.0)
            here.tell(name, good, [1.0])
        bad = here.ask(name).number
        here.report(name, bad, 0, 10.0)
        assert not here.should_prune(name, bad).prune, "too early"
        here.report(name, bad, 8, 10.0)
        assert here.should_prune(name, bad).prune == (name == "median")


def test_a_front_has_no_pruner(here: TunerClient) -> None:
    answer = here._http.post("/v1/studies", json=several("no").model_dump(mode="json") | {"pruner": "median"})
    assert (answer.status_code, "has no pruner" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ([{"name": "a", "kind": "int", "low": 2, "high": 1}], "the lower end must be below"),
        ([{"name": "a", "kind": "int", "low": 0.5, "high": 2}], "of an int are whole numbers"),
        ([{"name": "a", "kind": "float", "low": 1, "high": 9, "log": True, "step": 1}], "has no step"),
        ([{"name": "a", "kind": "float", "low": 0, "high": 9, "default": 10}], "a = 10: it is searched in 0..9"),
        ([{"name": "a", "kind": "int", "low": 0, "high": 9, "step": 3, "default": 4}], "a = 4: it is searched in"),
        ([{"name": "a", "kind": "choice", "choices": ["x"]}], "two values or more"),
        ([{"name": "a", "kind": "choice", "low": 1}], "a choice has choices"),
        ([{"name": "a", "kind": "int", "low": 0, "high": 1}] * 2, "parameter a is there twice"),
        ([{"name": "a", "kind": "int", "low": 0, "high": 1, "active_if": {"b": [1]}}], "a parameter further up"),
        ([{"name": "a/b", "kind": "int", "low": 0, "high": 1}], "should match pattern"),
        ([{"name": "a", "kind": "int", "low": 0, "high": 1, "hihg": 2}], "Extra inputs"),
        ([], "at least 1 item"),
    ],
)
def test_a_space_that_makes_no_sense_is_422(here: TunerClient, space: list[object], words: str) -> None:
    answer = here._http.post("/v1/studies", json={"name": "s", "space": space})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"values": [NaN]}', "finite number"),
        ('{"values": [Infinity]}', "finite number"),
        ('{"values": [1e999]}', "finite number"),
        ('{"values": ["much"]}', "valid number"),
        ('{"values": []}', "give values, or pruned"),
        ('{"values": [1], "pruned": true}', "give values, or pruned"),
        ('{"values": [1, 2]}', "has 1 objectives, and 2 values came"),
        ('{"values": [1], "constraints": {"c": NaN}}', "finite number"),
        ('{"valeus": [1]}', "Extra inputs"),
        ("[", "JSON"),
    ],
)
def test_values_that_are_none_are_422_and_change_nothing(here: TunerClient, body: str, words: str) -> None:
    here.create(spec("nonsense"))
    number = here.ask("nonsense", key="the same").number
    answer = here._http.post(
        f"/v1/studies/nonsense/trials/{number}/tell", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]
    assert here.trial("nonsense", number).state == "RUNNING"
    with pytest.raises(ValueError, match="finite"):
        here.tell("nonsense", number, [math.nan])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"x": 2}, "x = 2: it is searched in -1..1"),
        ({"x": True}, "x = True"),
        ({"n": 2.5}, "n = 2.5"),
        ({"depth": 3}, "depth = 3: it is searched in 2..8 step 2"),
        ({"mode": "flat"}, "plain|deep"),
        ({"moed": "deep"}, "Did you mean 'mode'"),
    ],
)
def test_parameters_that_are_not_searched_are_422(here: TunerClient, params: dict[str, object], words: str) -> None:
    here.create(spec("queue"))
    answer = here._http.post("/v1/studies/queue/enqueue", json={"params": params})
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text


def test_what_is_not_there_is_404(here: TunerClient) -> None:
    here.create(spec("there"))
    absent: tuple[calls.Call[Any], ...] = (
        calls.study("threr"), calls.ask("threr"), calls.best("threr"), calls.delete("threr"), calls.trials("threr"),
        calls.trial("there", 99), calls.tell("there", 99, [1.0]), calls.fail("there", 99), calls.best("there"),
    )  # fmt: skip
    for call in absent:
        with refused(404, "no "):
            here.send(call)
    with refused(409, "fewer than two trials"):
        here.importance("there")


def test_every_call_is_there_for_an_event_loop_and_described(here: TunerClient) -> None:
    described = {
        name
        for name, _ in inspect.getmembers(calls, inspect.isfunction)
        if getattr(calls, name).__module__ == calls.__name__
    }
    for kind in (TunerClient, AsyncTunerClient):
        assert described <= set(vars(kind))
        assert all(getattr(kind, name).__doc__ for name in described)

    async def work() -> list[float]:
        async with AsyncTunerClient(str(here._http.base_url)) as client:
            await client.create(spec("loop"))
            asked = await asyncio.gather(*(client.ask("loop") for _ in range(5)))
            told = await asyncio.gather(*(client.tell("loop", one.number, [one.number]) for one in asked))
            with pytest.raises(TunerError, match="no study 'lop'"):
                await client.study("lop")
            return sorted(value for one in told for value in one.values if value is not None)

    assert asyncio.run(work()) == [0, 1, 2, 3, 4]


def test_openapi_describes_all_routes(here: TunerClient) -> None:
    routes = here._http.get("/v1/openapi.json").json()["paths"]
    for path, methods in routes.items():
        for operation in methods.values():
            assert operation["summary"], path
            assert path in ("/health", "/ready") or {"401", "404", "409", "422", "503"} <= set(operation["responses"])
    assert len(routes) == 16
    assert here._http.get("/health").json() == {"status": "ok"}
    assert here._http.get("/ready").json() == {"status": "ready"}
