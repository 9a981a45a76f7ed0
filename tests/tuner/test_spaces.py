"""A space holds what settings declare, and refuses nonsense before anything is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from bench import BenchmarkConfig
from providers.baselines import packaged_model
from providers.baselines.rerank import find_reranker
from tuner.objectives import cutoff_of, parse_constraints, parse_objectives
from tuner.settings import StudySettings, record_of
from tuner.spaces import Parameter, Space, narrow, space_of
from vocabulary import ConfigurationError

MEMORY = BenchmarkConfig(provider=("tests.subjects.tunable:Memory",))
DEPTH = Parameter("depth", "int", 20, low=10, high=100)
RERANK = Parameter("rerank", "choice", "none", choices=("none", "cross"))
TIER = Parameter("tier", "choice", "fast", choices=("fast", "slow"), active_if={"rerank": ("cross",)})


def test_a_space_is_what_the_settings_declare() -> None:
    space = {one.name: one for one in space_of(MEMORY, preset="full")}
    assert list(space) == ["skip", "idle", "order", "abstain_below", "abstain_gap", "top_k"]
    assert space["order"].choices == ("best", "worst")
    assert (space["skip"].kind, space["idle"].kind) == ("int", "float")


def test_presets_choose_by_the_phase_that_a_setting_changes() -> None:
    assert [one.name for one in space_of(MEMORY, preset="quick")] == ["skip", "idle", "top_k"]
    assert [one.name for one in space_of(MEMORY, preset="standard")] == ["skip", "idle", "order", "top_k"]


def test_only_what_the_answering_model_has_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    model = MEMORY.model_copy(update={"answering_model": "gpt-5.4-mini"})
    assert [one.name for one in space_of(model, preset="full")] == ["skip", "idle", "order", "context_tokens", "top_k"]
    retrieval = MEMORY.model_copy(update={"until": "search"})
    assert [one.name for one in space_of(retrieval, preset="full")] == ["skip", "idle", "order", "top_k"]


def test_a_choice_that_cannot_be_used_here_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    served = ("embedder=http://localhost:1/v1", "embedding_model=m")
    hybrid = BenchmarkConfig(provider=("hybrid",), provider_option=served, until="search")
    monkeypatch.setattr(packaged_model, "_PACKAGES", ("not_installed",))
    find_reranker.cache_clear()
    try:
        names = [one.name for one in space_of(hybrid)]
    finally:
        find_reranker.cache_clear()
    assert "rrf_k" in names
    assert not {"rerank", "rerank_depth"} & {*names}


def test_a_given_option_is_the_default_that_trial_0_has() -> None:
    config = MEMORY.model_copy(update={"provider_option": ("skip=3",)})
    assert space_of(config).defaults["skip"] == 3


def test_top_k_is_never_below_the_objective() -> None:
    (top_k,) = [one for one in space_of(MEMORY, deepest=30) if one.name == "top_k"]
    assert top_k.low == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 200}, "lower end must be below"),
        ({"log": True, "step": 5}, "a logarithmic range has no step"),
        ({"log": True, "low": 0}, "begins above 0"),
        ({"step": 0}, "the step must be above 0"),
        ({"step": 500}, "the step must be above 0 and fit"),
        ({"high": float("inf")}, "both ends must be finite"),
        ({"low": 30}, "the default 20 is not in it"),
    ],
)
def test_nonsense_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Space((DEPTH,)).narrowed({"depth": change})


@pytest.mark.parametrize(
    ("choices", "message"),
    [(("none",), "two values or more"), (("none", "none"), "twice"), (("a", "b"), "the default none is not in it")],
)
def test_nonsense_among_choices_is_refused(choices: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Space((RERANK,)).narrowed({"rerank": {"choices": choices}})


def test_an_unknown_parameter_is_refused_with_a_guess() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'depth'"):
        Space((DEPTH,)).narrowed({"dept": {"low": 1}})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("depth=5..50", replace(DEPTH, low=5, high=50)),
        ("depth=5..50 step 7", replace(DEPTH, low=5, high=47, step=7)),
        ("depth=5..50 log", replace(DEPTH, low=5, high=50, log=True)),
        ("rerank=cross|none", replace(RERANK, choices=("cross", "none"))),
    ],
)
def test_param_narrows(spec: str, expected: Parameter) -> None:
    space = narrow(Space((DEPTH, RERANK)), [spec], None)
    assert expected in tuple(space)


@pytest.mark.parametrize("spec", ["depth", "depth=", "depth=5", "depth=a..b", "depth=1.5..9", "depth=5..50 step"])
def test_a_spec_that_cannot_be_read_is_refused(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="--param depth"):
        narrow(Space((DEPTH,)), [spec], None)


def test_a_file_narrows_too_and_the_command_line_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('[depth]\nlow = 15\nhigh = 40\n[rerank]\nchoices = ["none", "cross", "late"]\n')
    space = {one.name: one for one in narrow(Space((DEPTH, RERANK)), ["depth=10..60"], file)}
    assert (space["depth"].low, space["depth"].high) == (10, 60)
    assert space["rerank"].choices == ("none", "cross", "late")
    file.write_text("[depth]\nlows = 15\n")
    with pytest.raises(ConfigurationError, match="has lows"):
        narrow(Space((DEPTH,)), [], file)


def test_a_conditional_parameter_has_a_value_only_where_it_matters() -> None:
    space = Space((RERANK, TIER))
    assert space.defaults == {"rerank": "none"}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = [space.suggest(study.ask()) for _ in range(20)]
    assert {values["rerank"] for values in seen} == {"none", "cross"}
    assert all(("tier" in values) == (values["rerank"] == "cross") for values in seen)


def test_a_space_survives_its_record() -> None:
    space = Space((DEPTH, RERANK, TIER))
    settings = StudySettings(
        name="s", benchmark="synthetic", config={}, data="", space=record_of(space), objectives=("accuracy",)
    )
    assert StudySettings.model_validate_json(settings.model_dump_json()).parameters == space


def test_a_grid_has_every_value() -> None:
    grid = Space((replace(DEPTH, low=10, high=30, step=10), RERANK)).grid()
    assert grid == {"depth": [10, 20, 30], "rerank": ("none", "cross")}
    with pytest.raises(ConfigurationError, match="weight has no steps"):
        Space((Parameter("weight", "float", 0.5, low=0, high=1),)).grid()


def test_objectives_know_their_direction() -> None:
    objectives = parse_objectives(["recall@10", "context_tokens", "p95.search_ms", "usd:max"], "judge")
    assert [one.direction for one in objectives] == ["maximize", "minimize", "minimize", "maximize"]
    assert [cutoff_of(one.metric) for one in objectives] == [10, None, None, None]


@pytest.mark.parametrize(
    ("text", "until", "message"),
    [
        ("recall@7", "judge", "there is no figure 'recall@7'"),
        ("accuracy:up", "judge", "a direction is min or max"),
        ("accuracy", "search", "nothing is answered with --until search"),
    ],
)
def test_an_objective_that_no_run_measures_is_refused(text: str, until: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_objectives([text], until)  # type: ignore[arg-type]  # one of the phases


def test_a_constraint_is_kept_or_broken() -> None:
    slow, good = parse_constraints(["p95.search_ms<=300", "recall@10 >= 0.5"], "judge")
    assert [slow.excess(310), good.excess(0.6)] == pytest.approx([10, -0.1])
    for text in ("p95.search_ms<300", "p95.search_ms<=fast", "p95.search_ms<=nan"):
        with pytest.raises(ConfigurationError, match="write it as METRIC<=VALUE"):
            parse_constraints([text], "judge")
