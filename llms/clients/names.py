"""Which model a name means: whose it is, where it is reached, how it is spoken to, and which key that takes.

    gpt-6-luna, o3, claude-sonnet-5-5, gemini-3.5-flash      by family, at the vendor's own address
    openai/NAME, anthropic/NAME, google/NAME                 the same for names without a family
    azure/DEPLOYMENT@URL                                     Azure, at either kind of its addresses
    PROVIDER/NAME@URL                                        any server, as in ollama/llama3:8b@http://localhost:11434/v1

Nothing is guessed: a name that fits none of these is an error.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from llms.clients.shutdowns import SHUTDOWNS
from net import check_address
from vocabulary import ConfigurationError, UnknownNameError

WireProtocol = Literal["openai", "anthropic"]
"""How a server is spoken to: OpenAI's chat completions or Anthropic's messages."""

FORMS = (
    *("gpt-…", "chatgpt-…", "o3…", "claude-…", "gemini-…", "openai/NAME", "anthropic/NAME", "google/NAME"),
    "PROVIDER/NAME@URL",
)
"""The forms of a model's name, as messages show them."""

HINT = (
    "A model on a server of your own is given with its address, as in ollama/llama3@http://localhost:11434/v1: "
    "anthropic/… speaks Anthropic's protocol, every other word before the slash OpenAI's."
)

_ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
}
_KEYS = {"google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "azure": ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY")}
_FAMILIES = (
    (re.compile(r"(?:chat)?gpt-[^\s:/@]+|o\d[^\s:/@]*"), "openai"),
    (re.compile(r"claude-[^\s:/@]+"), "anthropic"),
    (re.compile(r"gemini-[^\s:/@]+"), "google"),
)
_PROVIDER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# Whose price list holds at an address that was given: the seller's name as genai-prices has it.
_SELLERS = {urlsplit(address).hostname: provider for provider, address in _ADDRESSES.items()} | {
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.together.xyz": "together",
    "api.x.ai": "x-ai",
}


_AZURE_API_VERSION = "2024-10-21"  # where a deployment's address has none
_AZURE_HOST = re.compile(r".+\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)")
_ENDPOINTS = {"openai": r"/chat/completions/?$", "anthropic": r"(?:/v1)?/messages/?$"}  # often copied with the address


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """Where a model is reached.

    `name` is what it was asked for by, `model` what its server is asked for. `provider` is the word for who runs the
    server, `priced_by` who sells it, None where nobody does or nobody knows. A key is looked for in `key_variables`, in
    their order; without `key_needed` there need not be one. `shutdown` is the day that the vendor published for the
    model's end. `azure` says that the key goes into Azure's header too, and `query` is sent with every request.
    """

    name: str
    protocol: WireProtocol
    provider: str
    model: str
    base_url: str
    key_variables: tuple[str, ...]
    key_needed: bool
    priced_by: str | None
    shutdown: date | None = None
    azure: bool = False
    query: tuple[tuple[str, str], ...] = ()


def is_model_name(name: str) -> bool:
    """Whether a name is meant for a language model, and not for a class or a dotted path (``package.module:Class``).

    Such a name may still be one that `resolve` refuses.
    """
    return "/" in name or "@" in name or _family(name) is not None


def resolve(name: str) -> ModelAddress:
    """What `name` means.

    Raises `UnknownNameError` for a name of no known form, and `ConfigurationError` for an address that
    cannot be used.
    """
    model, at, url = _split(name)
    provider, slash, rest = model.partition("/")
    provider = provider.lower()
    if at:
        if not (slash and rest and _PROVIDER.fullmatch(provider)):
            raise UnknownNameError("model", without_query(name), FORMS, HINT)
        return _at(name, provider, rest, url)
    family = _family(model)
    if family is None and slash and rest:
        family, model = (provider if provider in _ADDRESSES else None), rest
    if family is None:
        raise UnknownNameError("model", name, FORMS, HINT)
    return ModelAddress(
        name=name,
        protocol=_protocol(family),
        provider=family,
        model=model,
        base_url=_ADDRESSES[family],
        key_variables=_key_variables(family),
        key_needed=True,
        priced_by=family,
        shutdown=SHUTDOWNS.get(model),
    )


def key_of(address: ModelAddress) -> SecretStr | None:
    """The key from the environment, None if there is none and none is needed.

    Raises `ConfigurationError` with the variable's name for a key that is missing or cannot be sent.
    """
    for variable in address.key_variables:
        key = os.environ.get(variable, "").strip()
        if not key:
            continue
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(
                f"the key in {variable} holds a blank, a line break or another character that cannot be sent. Set it "
                "anew."
            )
        return SecretStr(key)
    if not address.key_needed:
        return None
    variables = " (or ".join(address.key_variables) + ")" * (len(address.key_variables) - 1)
    raise ConfigurationError(f"there is no key for {address.name}: set {variables} in the environment.")


def remark(name: str, today: date) -> str | None:
    """What is to be said of a model that its vendor has shut down, or will within 90 days; None if there is nothing."""
    address = resolve(name)
    if address.shutdown is None or (address.shutdown - today).days > 90:
        return None
    if address.shutdown <= today:
        return (
            f"{name} is past the shutdown date that {address.provider} published, {address.shutdown}: it may not "
            "answer, or something else may answer in its name."
        )
    return f"{name} will be shut down by {address.provider} on {address.shutdown}: its figures cannot be repeated then."


def without_query(name: str) -> str:
    """A name without what follows a question mark: there may be a key in it."""
    return re.sub(r"\?.*", "?…", name)


def _split(name: str) -> tuple[str, str, str]:
    """A name at the ``@`` before its address: there may be others in the model's own name."""
    begins = re.search(r"@(?=[A-Za-z][A-Za-z0-9+.-]*://)", name)
    return (name[: begins.start()], "@", name[begins.end() :]) if begins else name.partition("@")


def _at(name: str, provider: str, model: str, url: str) -> ModelAddress:
    bare, mark, rest = url.partition("?")
    url = re.sub(_ENDPOINTS[_protocol(provider)], "", bare) + mark + rest
    plain, query = _azure_address(url) if _is_azure(provider, url) else (url, {})
    base_url = check_address(f"model {provider}/{model}: its address", plain, key=_key_variables(provider)[0])
    seller = _SELLERS.get(urlsplit(base_url).hostname)
    return ModelAddress(
        name=name,
        protocol=_protocol(provider),
        provider=provider,
        model=model,
        base_url=base_url,
        key_variables=_key_variables(provider),
        key_needed=seller in _ADDRESSES,
        priced_by=seller,
        shutdown=SHUTDOWNS.get(model) if seller in _ADDRESSES else None,
        azure=_is_azure(provider, url),
        query=tuple(query.items()),
    )


def _is_azure(provider: str, url: str) -> bool:
    """Whether a model is served by Azure: its name's first word or its address says so."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return provider == "azure" or _AZURE_HOST.fullmatch(host) is not None


def _azure_address(url: str) -> tuple[str, dict[str, str]]:
    """The base address of requests, and the query that each of them needs.

    A deployment's own address (``…/openai/deployments/NAME``) needs the version of the interface, any other is plain
    OpenAI's. What else stands in a query is left in the address, where it is refused.
    """
    bare, mark, query = url.partition("?")
    bare = bare.rstrip("/")
    given = parse_qsl(query, keep_blank_values=True)
    if any(name != "api-version" or not re.fullmatch(r"[\w.-]+", value) for name, value in given):
        return bare + mark + query, {}
    if re.search(r"/openai/deployments/[^/]+$", bare):
        return bare, {"api-version": _AZURE_API_VERSION, **dict(given)}
    if not urlsplit(bare).path:
        bare += "/openai/v1"
    return bare, dict(given)


def _protocol(provider: str) -> WireProtocol:
    return "anthropic" if provider == "anthropic" else "openai"


def _family(name: str) -> str | None:
    return next((provider for pattern, provider in _FAMILIES if pattern.fullmatch(name)), None)


def _key_variables(provider: str) -> tuple[str, ...]:
    own = re.sub(r"\W", "_", provider.upper(), flags=re.ASCII) + "_API_KEY"
    return _KEYS.get(provider, (own,))
