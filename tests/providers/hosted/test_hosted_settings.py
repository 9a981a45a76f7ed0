"""The settings of a hosted service: from the environment and the command line, never a key in a record."""

from __future__ import annotations

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from bench.pipeline.provider_options import provider_settings, recorded_settings
from providers.baselines.none import NoMemory
from providers.hosted.settings import HostedSettings
from vocabulary import ConfigurationError

KEY = "key-UNMISTAKABLE"


class CloudSettings(HostedSettings):
    model_config = SettingsConfigDict(env_prefix="CLOUD_")

    base_url: str = "https://cloud.example"
    threshold: float = Field(0.1, ge=0)


class Cloud(NoMemory):
    name = "cloud"
    Settings = CloudSettings


def made(*options: str) -> CloudSettings:
    settings = provider_settings({"cloud": Cloud}, options)["cloud"]
    assert isinstance(settings, CloudSettings)
    return settings


def test_the_key_comes_from_the_environment_and_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_API_KEY", KEY)
    settings = made()
    assert settings.api_key.get_secret_value() == KEY
    assert KEY not in repr(settings)
    assert recorded_settings(settings) == {"base_url": "https://cloud.example", "threshold": 0.1}


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUD_API_KEY", raising=False)
    with pytest.raises(
        ConfigurationError, match=r"^provider cloud needs its api_key: set the environment variable CLOUD_API_KEY$"
    ):
        made()


def test_an_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_API_KEY", KEY)
    monkeypatch.setenv("CLOUD_THRESHOLD", "0.5")
    monkeypatch.setenv("CLOUD_BASE_URL", "http://localhost:8000/")
    assert made().threshold == 0.5
    assert made("threshold=0").threshold == 0
    assert made().base_url == "http://localhost:8000"


def test_a_key_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="a secret is not given on the command line"):
        made("api_key=abc")


@pytest.mark.parametrize("address", ["cloud.example", "https://user:word@cloud.example", "https://cloud.example?key=1"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CLOUD_API_KEY", KEY)
    message = r"^(provider cloud: )?base_url ('cloud.example' is not an address|holds a user, a password or a query)"
    with pytest.raises(ConfigurationError, match=message):
        made(f"base_url={address}")
