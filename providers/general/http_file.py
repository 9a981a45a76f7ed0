"""What may stand in the file of an ``http`` provider, and which placeholders each request may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from net import check_address
from providers.general import scopes
from providers.general.declared import DeclaredCapabilities, DeclaredLimits, ResultPaths
from providers.general.reply_paths import ReplyPath
from providers.general.templates import names_in, problems
from providers.general.toml_file import Key
from vocabulary import ConfigurationError

_SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "password")
_NOT_IN_PATHS = re.compile(r"[\s?#\\%\x00-\x1f]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PAGES = ("page.next", "page.number", "page.offset", "page.size")


def _usable_path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("must begin with one slash: the path below base_url")
    if _NOT_IN_PATHS.search(path):
        raise ValueError(
            "must hold no query, blank or percent sign: [….query] is a table of its own, and values are encoded"
        )
    if {".", ".."} & set(path.split("/")):
        raise ValueError("must hold no . or ..")
    return path


def _flat(query: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name, value in query.items():
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value)):
            raise ValueError(f"{name} must be a value or a list of values")
    return query


def usable_address(address: str) -> str:
    """An address without a user, a password or a query; raises `ValueError`."""
    try:
        return check_address("it", address, key="the environment, see [auth],", example="https://host")
    except ConfigurationError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is no name of a header")
    return name


def _plain_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        _header_name(name)
        if any(word in name.lower() for word in _SECRET_WORDS):
            raise ValueError(f"header {name!r} looks like a secret: name its environment variable in [auth]")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"header {name!r} holds a character that cannot be sent")
    return headers


class Table(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Auth(Table):
    """How the key in the environment variable `env` is sent; ``{key}`` in `value` is where it goes."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    header: Annotated[str, AfterValidator(_header_name)] = "Authorization"
    value: str = Field("Bearer {key}", pattern=r"^[\x20-\x7e]*\{key\}[\x20-\x7e]*$")


class Request(Table):
    """One request; `absent` are the statuses by which the service says that there is no such thing."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, AfterValidator(_usable_path)]
    query: Annotated[dict[str, JsonValue], AfterValidator(_flat)] = {}
    body: JsonValue = None
    absent: list[int] = []

    @property
    def templates(self) -> dict[str, JsonValue]:
        """What holds placeholders, by its key."""
        return {"path": self.path, "query": self.query, "body": self.body}

    @property
    def names(self) -> set[str]:
        """The placeholders that it holds."""
        return names_in(list(self.templates.values()))


class Paged(Request):
    """A request whose reply lists things, perhaps in pages: `next` is where a reply names the next page."""

    items: ReplyPath
    next: ReplyPath | None = None
    size: int = Field(100, ge=1)


class Find(Paged):
    """Looks a container up by `name`, in services that name it themselves by an `id`."""

    name: ReplyPath
    id: ReplyPath


class Create(Request):
    """Makes a container; `id` is where the reply names it."""

    id: ReplyPath


class Container(Table):
    """For services that name containers themselves: ``{container.id}`` is then what they call it."""

    find: Find
    create: Create


class Add(Request):
    """Stores a session, or a message at a time."""

    each: Literal["session", "message"] = "session"
    id: ReplyPath | None = None
    idempotency_header: Annotated[str, AfterValidator(_header_name)] | None = None


class Ready(Request):
    """Asked until `done` holds in its reply; `failed` holds in the reply of what never will be ready."""

    done: ReplyPath
    failed: ReplyPath | None = None
    timeout: float = Field(600.0, gt=0, strict=False)
    poll: float = Field(5.0, gt=0, strict=False)


class Listing(Paged):
    """All that a container holds: `id` is the service's own, `key` what was sent as id of the session or message."""

    id: ReplyPath | None = None
    key: ReplyPath | None = None


class Search(Paged, ResultPaths):
    """What the question finds."""

    most: int | None = Field(None, ge=1)


class Clear(Request):
    """Removes a container, or with ``each = "item"`` all that [list] gives, one request each."""

    each: Literal["container", "item"] = "container"


class HttpFile(Table):
    """The whole file."""

    base_url: Annotated[str, AfterValidator(usable_address)]
    api: str = ""
    auth: Auth | None = None
    headers: Annotated[dict[str, str], AfterValidator(_plain_headers)] = {}
    settings: dict[str, str | int | float | bool] = {}
    check: Request | None = None
    container: Container | None = None
    add: Add
    list: Listing | None = None
    ready: Ready | None = None
    search: Search
    clear: Clear
    limits: DeclaredLimits = DeclaredLimits()
    capabilities: DeclaredCapabilities = DeclaredCapabilities()

    @property
    def searched(self) -> set[str]:
        """Settings of its own that only [search] reads."""
        requests = {key: request.names for key, request, *_more in self._requests()}
        others: set[str] = set().union(*(names for key, names in requests.items() if key != ("search",)))
        return {name for name in self.settings if f"settings.{name}" not in others}

    def problems(self) -> Iterator[tuple[Key, str]]:
        """What is wrong with templates and between tables, each with its key."""
        for key, request, allowed, looped in self._requests():
            for name, template in request.templates.items():
                inner = looped if name == "body" else ()
                for place, message in problems(template, allowed, inner):
                    yield (*key, name, *place), message
        if self.clear.each == "item" and (self.list is None or self.list.id is None):
            yield ("clear", "each"), "needs [list] with the id of each item"
        if self.ready and "added.id" in self.ready.names and self.add.id is None:
            yield ("add", "id"), "is needed: [ready] has {added.id}"
        for name in self.settings:
            if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in OWN_SETTINGS:
                yield ("settings", name), "is no name for a setting: small letters, and none of the provider's own"

    def _requests(self) -> Iterator[tuple[Key, Request, Sequence[str], Sequence[str]]]:
        """Each request with its key, its placeholders, and those of loops in its body."""
        settings = tuple(f"settings.{name}" for name in self.settings)
        bare = ("container", *settings)
        common = (*bare, *(("container.id",) if self.container else ()))
        if self.check:
            yield ("check",), self.check, settings, ()
        if self.container:
            yield ("container", "find"), self.container.find, (*bare, *_PAGES), ()
            yield ("container", "create"), self.container.create, bare, ()
        each = self.add.each == "message"
        yield (
            ("add",),
            self.add,
            (*common, *scopes.SESSION, *(scopes.MESSAGE if each else ())),
            () if each else scopes.MESSAGE,
        )
        if self.list:
            yield ("list",), self.list, (*common, *_PAGES), ()
        if self.ready:
            identities = scopes.IDENTITIES if each else scopes.IDENTITIES[:2]
            yield ("ready",), self.ready, (*common, "added.id", *identities), ()
        yield ("search",), self.search, (*common, *scopes.QUESTION, "top_k", *_PAGES), ()
        item = ("item.id",) if self.clear.each == "item" else ()
        yield ("clear",), self.clear, (*common, *item), ()


OWN_SETTINGS = ("base_url", "api_key", "timeout", "indexing_timeout")
"""Settings that every ``http`` provider has."""
