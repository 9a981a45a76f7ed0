"""``--provider-option``: whose setting it is, what is refused, and what is recorded."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from pydantic import Field, SecretStr

from bench.config import build_benchmark_config
from bench.pipeline.participants import Participants, parts_of
from bench.pipeline.provider_options import provider_settings, recorded_settings
from providers import Provider, ProviderSettings
from providers.baselines.none import NoMemory
from vocabulary import ConfigurationError

KEY = "sk-0123456789abcdef"


class AlphaSettings(ProviderSettings):
    size: int = Field(10, ge=1)
    share: float | None = None
    mode: Literal["fast", "exact"] = "fast"
    deep: bool = False
    api_key: SecretStr = SecretStr(KEY)
    other_key: SecretStr | None = None


class BetaSettings(ProviderSettings):
    size: int = 5
    place: str = "here"


class NeedySettings(ProviderSettings):
    place: str
    api_key: SecretStr


class Alpha(NoMemory):
    name = "alpha"
    Settings = AlphaSettings


class Beta(NoMemory):
    name = "beta"
    Settings = BetaSettings


class Needy(NoMemory):
    name = "needy"
    Settings = NeedySettings


BOTH: dict[str, type[Provider]] = {"alpha": Alpha, "my.package:Beta": Beta, "none": NoMemory}


def test_without_options_it_is_the_defaults() -> None:
    assert provider_settings(BOTH, []) == {
        "alpha": AlphaSettings(),
        "my.package:Beta": BetaSettings(),
        "none": ProviderSettings(),
    }


def test_texts_become_what_the_settings_are() -> None:
    options = ["share=0.25", "mode=exact", "deep=yes", "alpha.size=3", "place=a=b, c"]
    made = provider_settings(BOTH, options)
    assert made["alpha"] == AlphaSettings(share=0.25, mode="exact", deep=True, size=3)
    assert made["my.package:Beta"] == BetaSettings(place="a=b, c")


def test_without_a_provider_it_is_for_all_who_have_it_and_with_one_for_that_one() -> None:
    for options in (["size=7", "my.package:Beta.size=8"], ["my.package:Beta.size=8", "size=7"]):
        made = provider_settings(BOTH, options)
        assert (made["alpha"], made["my.package:Beta"]) == (AlphaSettings(size=7), BetaSettings(size=8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["size"], "--provider-option size: write it as NAME=VALUE or PROVIDER.NAME=VALUE."),
        (["=3"], "--provider-option =3: write it as NAME=VALUE"),
        (
            ["sise=3"],
            "--provider-option sise=3: there is no 'sise'. Did you mean 'size'? alpha has size, share, mode, deep; "
            "my.package:Beta has size, place; none has nothing to set.",
        ),
        (["alpha.place=x"], "there is no 'place'. alpha has size, share, mode, deep."),
        (["none.size=1"], "there is no 'size'. none has nothing to set."),
        (["zep.size=1"], "zep is not among the chosen providers: alpha, my.package:Beta, none."),
        (["size=many"], "--provider-option alpha.size=many: input should be a valid integer"),
        (["alpha.size=0"], "--provider-option alpha.size=0: input should be greater than or equal to 1"),
        (["mode=slow"], "--provider-option alpha.mode=slow: input should be 'fast' or 'exact'"),
        (["size=1", "size=2"], "--provider-option size=2: size is '1' already. Give it once."),
        ([f"api_key={KEY}"], "--provider-option api_key=…: a secret is not given on the command line"),
        ([f"alpha.other_key={KEY}"], "a secret is not given on the command line"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        provider_settings(BOTH, options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert KEY not in str(refused.value)


def test_settings_that_are_missing_are_asked_for() -> None:
    with pytest.raises(ConfigurationError) as refused:
        provider_settings({"needy": Needy}, [])
    assert "provider needy needs --provider-option place=VALUE" in str(refused.value)
    assert "provider needy needs its api_key: set the environment variable" in str(refused.value)


def test_secrets_are_not_recorded() -> None:
    assert recorded_settings(AlphaSettings(other_key=SecretStr("x"))) == {
        "size": 10,
        "share": None,
        "mode": "fast",
        "deep": False,
    }


def test_options_are_in_the_record_and_the_fingerprint() -> None:
    options = ("embedder=http://127.0.0.1:9/v1", "embedding_model=m", "key_variable=MY_KEY")
    parts = []
    for more in ((), ("rrf_k=60",), ("hybrid.rrf_k=60", "depth=50")):
        config = build_benchmark_config(provider=("none", "hybrid"), provider_option=(*options, *more))
        participants = Participants.of(config)
        parts.append(parts_of(config, participants, "1"))
        (none, hybrid) = participants.provider_records
        assert none.settings == {}
        assert hybrid.settings["rrf_k"] == (60 if more else 10)
        assert hybrid.settings["embedder"] == "http://127.0.0.1:9/v1"
        assert "key_variable" not in hybrid.settings
        assert hybrid.settings == recorded_settings(participants.settings["hybrid"])
    assert parts[0] != parts[1] != parts[2]
    assert {key for key in parts[0] if parts[0][key] != parts[1][key]} == {"ingest.provider.hybrid"}


def test_they_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "MEMORYBENCH_PROVIDER_OPTION", "embedder=http://127.0.0.1:9/v1, embedding_model=m,hybrid.rrf_k=10"
    )
    settings = Participants.of(build_benchmark_config(provider=("hybrid",))).settings["hybrid"]
    assert recorded_settings(settings)["rrf_k"] == 10


def test_an_option_that_does_not_fit_is_refused_with_the_provider_that_it_is_for() -> None:
    config = build_benchmark_config(provider=("dense",), provider_option=("embedder=ollama",))
    with pytest.raises(ConfigurationError, match=re.escape("provider dense: embedder 'ollama' is not an address")):
        Participants.of(config)
