"""What all hosted memory systems need: a key and an address."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from net import check_address
from providers.base import ProviderSettings


class HostedSettings(BaseSettings, ProviderSettings):
    """Settings of a hosted service, each read from the environment too: ``key`` of mem0 from ``MEM0_API_KEY``.

    A subclass sets ``env_prefix`` and its own defaults. Options on the command line come before the environment. The
    key is never recorded; it is no option, because reports show the command.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)

    api_key: SecretStr = Field(exclude=True, description="the key; no option, for reports show the command")
    base_url: str
    timeout: float = Field(60.0, gt=0, exclude=True, description="seconds that one request may take")
    indexing_timeout: float = Field(
        600.0, gt=0, exclude=True, description="seconds to wait for a container to become ready"
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        key = f"the environment variable {cls.model_config.get('env_prefix', '').upper()}API_KEY"
        return check_address("base_url", value, key=key, example="https://host or http://host:8000")
