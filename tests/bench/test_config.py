"""Settings from a program, the environment and the defaults, in this order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.config import ENVIRONMENT_PREFIX, BenchmarkConfig, build_benchmark_config, option_name
from vocabulary import ConfigurationError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BenchmarkConfig.model_fields:
        monkeypatch.delenv(ENVIRONMENT_PREFIX + name.upper(), raising=False)


def test_without_anything_it_is_the_defaults() -> None:
    assert build_benchmark_config() == BenchmarkConfig()


def test_what_is_given_comes_before_the_environment_and_the_environment_before_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORYBENCH_TOP_K", "7")
    monkeypatch.setenv("MEMORYBENCH_IN_FLIGHT", "9")
    monkeypatch.setenv("MEMORYBENCH_PROVIDER", " bm25, none ,")
    monkeypatch.setenv("MEMORYBENCH_RUNS_DIR", "/tmp/elsewhere")
    monkeypatch.setenv("MEMORYBENCH_UNTIL", "")
    config = build_benchmark_config(top_k=3, in_flight=None, question_type=["temporal"])
    assert (config.top_k, config.in_flight, config.provider) == (3, 9, ("bm25", "none"))
    assert config.question_type == ("temporal",)
    assert config.runs_dir == Path("/tmp/elsewhere")
    assert config.until == "judge", "an empty variable is none"


def test_every_field_has_a_description_an_option_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = {bool: "yes", int: "12", float: "0.5", tuple: "12", Path: "x"}
    for name, field in BenchmarkConfig.model_fields.items():
        assert field.description, name
        assert option_name(name) == "--" + name.replace("_", "-")
        default = field.get_default()
        words = {
            "until": "search",
            "retry_from": "search",
            "isolation": "question",
            "answer_prompt": "provider",
            "part": "tune",
            "locomo_key": "both",
            "shard": "2/8",
            "engine": "ray",
        }
        text = words.get(name, "12")
        text = samples.get(type(default), text)
        monkeypatch.setenv(ENVIRONMENT_PREFIX + name.upper(), text)
        assert getattr(build_benchmark_config(), name) != default, name
        monkeypatch.delenv(ENVIRONMENT_PREFIX + name.upper())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topk": 3}, "unknown option 'topk'. Known: provider, provider_option, answering_model,"),
        ({"top_k": 0}, "--top-k 0: input should be greater than or equal to 1"),
        ({"top_k": "many"}, "--top-k 'many': input should be a valid integer"),
        ({"until": "report"}, "--until 'report': input should be 'ingest', 'search', 'answer' or 'judge'"),
        ({"isolation": "none"}, "--isolation 'none'"),
        ({"provider": []}, "--provider []"),
        ({"sample": -1, "limit": 0}, "; "),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)) as refused:
        build_benchmark_config(**options)
    assert "\n" not in str(refused.value)


def test_a_variable_that_does_not_fit_is_refused_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORYBENCH_TOP_K", "lots")
    with pytest.raises(ConfigurationError, match="--top-k 'lots'"):
        build_benchmark_config()


def test_the_part_for_loading_is_what_was_given() -> None:
    options = build_benchmark_config(
        data="x",
        as_of=True,
        context_size=(30,),
        locomo_key="corrected",
        dataset=["/y"],
        synthetic_sessions=20,
        synthetic_questions=7,
        synthetic_seed=3,
    )
    assert options.benchmark_options.model_dump() == {
        "data": "x",
        "as_of": True,
        "context_size": (30,),
        "locomo_key": "corrected",
        "dataset": ("/y",),
        "synthetic_sessions": 20,
        "synthetic_questions": 7,
        "synthetic_seed": 3,
    }
