"""What an engine in this process needs of its models: any server that speaks OpenAI's protocol, by its address."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from providers.address import check_address
from providers.base import ProviderSettings
from schema import ConfigurationError, ProviderError, retry_after

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
KEYS = "the environment variable that key_variable (or embedder_key_variable) names"
_NO_KEY = "none"
"""What is sent to a server that wants no key: OpenAI's client does not go without."""


class ModelSettings(ProviderSettings):
    """A language model and an embedder by their addresses.

    Making one raises `schema.ConfigurationError` for an address that is none and where OpenAI's key is missing.
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
        """The language model's key, or a word in its place where there is none."""
        return os.environ.get(self.key_variable) or _NO_KEY

    @property
    def embedder_key(self) -> str:
        """The same for the embedder."""
        return os.environ.get(self.embedder_key_variable) or _NO_KEY


def require(provider: str, *packages: str) -> None:
    """Raise `schema.ConfigurationError`, naming the extra to install, unless all `packages` can be imported."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            f"{provider} needs {', '.join(missing)}, which is not installed: pip install -e '.[{provider}]'."
        )


async def ask_for_models(provider: str, client: AsyncOpenAI, key: str) -> None:
    """Ask a server what models it has, which costs nothing; raises `schema.ProviderError` if it lets nobody in.

    Not every server can say what it has: that it answers is enough.
    """
    import openai

    with model_errors(provider, secrets=[key]):
        try:
            await client.models.list()
        except openai.APIConnectionError:
            raise
        except openai.APIStatusError as error:
            if error.status_code in (401, 403) or error.status_code >= 500:
                raise
        except (openai.APIError, ValueError, AttributeError):  # it answered with something else than a list
            pass


@contextmanager
def model_errors(
    provider: str, *, secrets: Sequence[str] = (), unusable: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Within it, what OpenAI's client raises, be it wrapped by an engine, becomes a `schema.ProviderError`.

    Transient are lost connections, timeouts and the statuses 408, 425, 429 and 5xx, with `retry_after` as the server
    gave it; so is what an engine raises for a reply that it cannot use, of the types `unusable` or pydantic's: asked
    again, a model may say something better. `secrets` are blotted out of the text.
    """
    import openai

    try:
        yield
    except ProviderError:
        raise
    except Exception as error:
        cause = _cause(error, (openai.APIStatusError, openai.APIConnectionError))
        if isinstance(cause, openai.APIStatusError):
            raise _refused(provider, cause, secrets) from None  # what it holds besides may hold the key
        if isinstance(cause, openai.APIConnectionError):
            detail = cause.__cause__ or cause
            raise ProviderError(
                f"{provider}: {cause.request.method} {cause.request.url} failed: {type(detail).__name__}: {detail}",
                transient=True,
            ) from error
        if isinstance(error, (ValidationError, *unusable)):
            text = " ".join(str(error).split())[:300]
            raise ProviderError(
                f"{provider}: the model's reply cannot be used: {type(error).__name__}: {text}", transient=True
            ) from error
        raise


def _cause(error: BaseException, kinds: tuple[type[Exception], ...]) -> BaseException | None:
    """The error itself or what it was raised from, whichever is first of one of those kinds."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, kinds):
        found = found.__cause__
    return found


def _refused(provider: str, error: APIStatusError, secrets: Sequence[str]) -> ProviderError:
    status = error.status_code
    text = " ".join(error.message.split())
    for secret in secrets:
        if len(secret) >= 6:
            text = text.replace(secret, "***")
    advice = " (check the key and what it may do)" if status in (401, 403) else ""
    return ProviderError(
        f"{provider}: {error.request.method} {error.request.url} answered {status}: {text[:300]}{advice}",
        transient=status in (408, 425, 429) or status >= 500,
        retry_after=retry_after(error.response.headers),
        status=status,
    )
