"""What an engine in this process needs of its models: any server that speaks OpenAI's protocol, by its address."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from net import MODEL_TRANSIENT_STATUSES, Reply, Service, check_address, excerpt, failure, redact
from providers.base import Provider, ProviderSettings
from vocabulary import ConfigurationError, ProviderError

OPENAI = "https://api.openai.com/v1"
KEYS = "the environment variable that key_variable (or embedder_key_variable) names"


class ModelSettings(ProviderSettings):
    """A language model and an embedder by their addresses.

    Making one raises `ConfigurationError` for an address that is none and where OpenAI's key is missing.
    """

    llm: str = Field("gpt-6-luna", description="the language model's name at its server")
    llm_url: str = Field(OPENAI, description="base address of its server, in OpenAI's protocol")
    embedder: str = Field("text-embedding-3-small", description="the embedder's name at its server")
    embedder_url: str = Field(OPENAI, description="base address of its server, in OpenAI's protocol")
    # None of these changes what is remembered or found, so another machine may choose otherwise and go on.
    key_variable: str = Field(
        "OPENAI_API_KEY", exclude=True, description="environment variable that holds the language model's key"
    )
    embedder_key_variable: str = Field(
        "OPENAI_API_KEY", exclude=True, description="environment variable that holds the embedder's key"
    )
    timeout: float = Field(120.0, gt=0, exclude=True, description="seconds that one request to a model may take")

    @field_validator("llm_url", "embedder_url")
    @classmethod
    def _address(cls, value: str, asked: ValidationInfo) -> str:
        return check_address(str(asked.field_name), value, key=KEYS)

    @model_validator(mode="after")
    def _keys(self) -> Self:
        for url, variable in ((self.llm_url, self.key_variable), (self.embedder_url, self.embedder_key_variable)):
            if urlsplit(url).hostname == urlsplit(OPENAI).hostname and not os.environ.get(variable):
                raise ConfigurationError(
                    f"{url} needs a key: set the environment variable {variable}, or name models of your own with "
                    "--provider-option llm_url=http://HOST:PORT/v1 and embedder_url=…"
                )
        return self

    @property
    def llm_key(self) -> str:
        """The language model's key, "" where there is none."""
        return os.environ.get(self.key_variable, "")

    @property
    def embedder_key(self) -> str:
        """The same for the embedder."""
        return os.environ.get(self.embedder_key_variable, "")


def require(provider: str, *packages: str) -> None:
    """Raise `ConfigurationError`, naming the extra to install, unless all `packages` can be imported."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            f"{provider} needs {', '.join(missing)}, which is not installed: pip install -e '.[{provider}]'."
        )


async def ask_for_models(provider: Provider, url: str, key: str) -> None:
    """Ask a server what models it has, which costs nothing; raises `ProviderError` if it lets nobody in.

    Not every server can say what it has: that it answers is enough.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    service = Service(provider.name, url, headers, hold=provider.hold)
    try:
        await service.ask(_Anything, "GET", "/models")
    except ProviderError as error:
        if error.status is None or error.status in (401, 403) or error.status >= 500:
            raise
    finally:
        await service.aclose()


class _Anything(Reply):
    """Whatever a server says of its models."""


@contextmanager
def model_errors(
    provider: str, *, secrets: Sequence[str] = (), unusable: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Within it, what OpenAI's client raises, be it wrapped by an engine, becomes a `ProviderError`; see `net.failure`.

    Transient is also what an engine raises for a reply that it cannot use, of the types `unusable` or pydantic's: asked
    again, a model may say something better.
    """
    try:
        yield
    except Exception as error:
        failed = failure(error, provider, ProviderError, secrets=secrets, transient=MODEL_TRANSIENT_STATUSES)
        if failed is not None and failed is not error:
            raise failed from None
        if isinstance(error, (ValidationError, *unusable)):
            text = f"{type(error).__name__}: {excerpt(redact(str(error), secrets))}"
            raise ProviderError(f"{provider}: the model's reply cannot be used: {text}", transient=True) from error
        raise
