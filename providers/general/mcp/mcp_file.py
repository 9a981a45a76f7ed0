"""What may stand in the file of an ``mcp`` provider, and which placeholders the arguments of each tool may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from providers.general import scopes
from providers.general.declared import Declared, DeclaredCapabilities, DeclaredLimits, ResultPaths
from providers.general.http_file import Auth, usable_address
from providers.general.reply_paths import ReplyPath
from providers.general.templates import names_in, problems
from providers.general.toml_file import Key

_PLACE = ("container.file", "workspace")
"""Placeholders of the command and its environment; with the first, each container has a server of its own."""


class Call(Declared):
    """A tool and its arguments; those that are not given are found by the tool's schema."""

    tool: str
    arguments: dict[str, JsonValue] | None = None


class AddCall(Call):
    """Stores a session, or a message at a time."""

    each: Literal["session", "message"] = "message"


class ListCall(Call):
    """All that a container holds."""

    items: ReplyPath
    id: ReplyPath


class SearchPaths(ResultPaths):
    """Where results stand in a reply that is JSON; without it they are found by their usual names."""

    items: ReplyPath


class SearchCall(Call):
    """What the question finds; with ``each = "word"`` the tool is called for each word of the question."""

    each: Literal["question", "word"] = "question"
    results: SearchPaths | None = None


class ClearCall(Call):
    """Removes a container, or all of its `items`, or one ``item`` after the other."""

    each: Literal["container", "items", "item"] = "container"


class McpFile(Declared):
    """The whole file."""

    command: Sequence[str] | None = Field(None, min_length=1)
    env: Mapping[str, str] = Field(default_factory=dict)
    pass_env: Sequence[str] = ()
    url: Annotated[str, AfterValidator(usable_address)] | None = None
    auth: Auth | None = None
    api: str = ""
    add: AddCall | None = None
    list: ListCall | None = None
    search: SearchCall | None = None
    clear: ClearCall | None = None
    limits: DeclaredLimits = DeclaredLimits()
    capabilities: DeclaredCapabilities = DeclaredCapabilities()

    @model_validator(mode="after")
    def _one_server(self) -> McpFile:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either command or url")
        return self

    @property
    def server_each(self) -> bool:
        """Whether each container has a server of its own."""
        return "container.file" in names_in([*(self.command or []), *self.env.values()])

    def problems(self) -> Iterator[tuple[Key, str]]:
        """What is wrong with templates and between tables, each with its key."""
        for part in self.command or []:
            yield from ((("command", *place), message) for place, message in problems(part, _PLACE, ()))
        for name, value in self.env.items():
            yield from ((("env", name, *place), message) for place, message in problems(value, _PLACE, ()))
        for key, call, allowed in self._calls():
            looped = scopes.MESSAGE if key == "add" and self.add and self.add.each == "session" else ()
            for place, message in problems(call.arguments, allowed, looped):
                yield (key, "arguments", *place), message
        if self.clear and self.clear.each != "container" and self.list is None:
            yield ("clear", "each"), "needs [list] with the id of each item"
        if self.auth and self.url is None:
            yield ("auth",), "is for a url; name variables that a command may read in pass_env"

    def _calls(self) -> Iterator[tuple[str, Call, Sequence[str]]]:
        """Each tool with its key and its placeholders."""
        if self.add:
            message = scopes.MESSAGE if self.add.each == "message" else ()
            yield "add", self.add, ("container", *scopes.SESSION, *message)
        if self.list:
            yield "list", self.list, ("container",)
        if self.search:
            word = ("word",) if self.search.each == "word" else ()
            yield "search", self.search, ("container", *scopes.QUESTION, "top_k", *word)
        if self.clear:
            items = {"container": (), "item": ("item.id",), "items": ("items.ids",)}[self.clear.each]
            yield "clear", self.clear, ("container", *items)
