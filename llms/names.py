"""Which model a name means: whose it is, where it is reached, how it is spoken to, and which key that takes.

    gpt-6-luna, o3, claude-sonnet-5-5, gemini-3.5-flash      by family, at the vendor's own address
    openai/NAME, anthropic/NAME, google/NAME                 the same for names without a family
    PROVIDER/NAME@URL                                        any server, as in ollama/llama3:8b@http://localhost:11434/v1

Nothing is guessed: a name that fits none of these is an error.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from llms.chat import ChatModel
from llms.shutdowns import SHUTDOWNS
from schema import ConfigurationError, UnknownNameError

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
_KEYS = {"google": ("GEMINI_API_KEY", "GOOGLE_API_KEY")}
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


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """Where a model is reached.

    `name` is what it was asked for by, `model` what its server is asked for. `provider` is the word for who runs the
    server, `priced_by` who sells it, None where nobody does or nobody knows. A key is looked for in `key_variables`, in
    their order; without `key_needed` there need not be one. `shutdown` is the day that the vendor published for the
    model's end.
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


def is_model_name(name: str) -> bool:
    """Whether a name is meant for a language model, and not for a class or a dotted path (``package.module:Class``).

    Such a name may still be one that `resolve` refuses.
    """
    return "/" in name or "@" in name or _family(name) is not None


def resolve(name: str) -> ModelAddress:
    """What `name` means.

    Raises `schema.UnknownNameError` for a name of no known form, and `schema.ConfigurationError` for an address that
    cannot be used.
    """
    model, at, url = name.partition("@")
    provider, slash, rest = model.partition("/")
    if at:
        if not (slash and rest and _PROVIDER.fullmatch(provider)):
            raise UnknownNameError("model", without_query(name), FORMS, HINT)
        return _at(provider, rest, _checked(url, model))
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

    Raises `schema.ConfigurationError` with the variable's name for a key that is missing or cannot be sent.
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


def open_chat(name: str) -> ChatModel:
    """The language model of that name; its client is opened by the first call.

    Raises `schema.UnknownNameError` for a name of no form, `schema.ConfigurationError` for a missing key.
    """
    from llms.anthropic_chat import AnthropicChat  # both stand on this module
    from llms.openai_chat import OpenAIChat

    address = resolve(name)
    return AnthropicChat(address) if address.protocol == "anthropic" else OpenAIChat(address)


def without_query(name: str) -> str:
    """A name without what follows a question mark: there may be a key in it."""
    return re.sub(r"\?.*", "?…", name)


def _at(provider: str, model: str, url: str) -> ModelAddress:
    seller = _SELLERS.get(urlsplit(url).hostname)
    return ModelAddress(
        name=f"{provider}/{model}@{url}",
        protocol=_protocol(provider),
        provider=provider,
        model=model,
        base_url=url.rstrip("/"),
        key_variables=_key_variables(provider),
        key_needed=seller in _ADDRESSES,
        priced_by=seller,
        shutdown=SHUTDOWNS.get(model) if seller in _ADDRESSES else None,
    )


def _checked(url: str, model: str) -> str:
    """The address, if nothing in it is secret: names stand in every report."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        parts, usable = urlsplit(""), False
    if "@" in url or parts.username or parts.password or parts.query or parts.fragment or "?" in url:
        raise ConfigurationError(
            f"the address of {model} holds a user, a password or a query. Names stand in reports: give the address "
            f"alone, and a key in {_key_variables(model.partition('/')[0])[0]}."
        )
    if not usable:
        raise ConfigurationError(
            f"{url!r} is not an address for {model}. Write it as in {model}@http://localhost:11434/v1."
        )
    return url


def _protocol(provider: str) -> WireProtocol:
    return "anthropic" if provider == "anthropic" else "openai"


def _family(name: str) -> str | None:
    return next((provider for pattern, provider in _FAMILIES if pattern.fullmatch(name)), None)


def _key_variables(provider: str) -> tuple[str, ...]:
    own = re.sub(r"\W", "_", provider.upper(), flags=re.ASCII) + "_API_KEY"
    return _KEYS.get(provider, (own,))
