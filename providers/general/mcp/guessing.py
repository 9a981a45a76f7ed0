"""Which tools of a server add, search and clear, with which arguments: by the file, else by names and schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from providers.general.mcp.mcp_file import AddCall, Call, ClearCall, McpFile, SearchCall
from vocabulary import ConfigurationError

Schemas = Mapping[str, Mapping[str, JsonValue]]
"""The schema of each tool's arguments, by the tool's name."""

_VERBS = {
    "add": ("add", "store", "save", "remember", "retain", "create", "write", "insert", "put"),
    "search": ("search", "recall", "query", "find", "retrieve", "lookup"),
    "clear": ("delete_all", "clear", "reset", "forget", "delete", "remove"),
}
_CONTAINER = (
    *("user_id", "namespace", "bank_id", "bank", "group_id", "project", "collection", "container", "container_tag"),
    *("agent_id", "space", "tenant", "session_id", "user"),
)
_METADATA = {"session_id": "{session.id}", "message_id": "{message.id}", "session_date": "{session.date}"}
_ARGUMENTS: dict[str, tuple[tuple[tuple[str, ...], JsonValue], ...]] = {
    "add": (
        (("text", "content", "memory", "message", "fact", "data", "observation", "information"), "{message.line}"),
        (_CONTAINER, "{container}"),
        (("metadata",), dict(_METADATA)),
        (("timestamp", "created_at", "event_date", "date", "occurred_at"), "{session.date}"),
        (("memory_id", "document_id", "id", "key"), "{message.uuid}"),
    ),
    "search": (
        (("query", "question", "q", "text", "search_query", "prompt"), "{question.text}"),
        (_CONTAINER, "{container}"),
        (("top_k", "limit", "k", "max_results", "num_results", "n_results", "count"), "{top_k}"),
    ),
    "clear": ((_CONTAINER, "{container}"),),
}


@dataclass(frozen=True)
class Mapped:
    """The tools that are used, as the file or their schemas say; `guessed` are those of which the file says less."""

    add: AddCall
    search: SearchCall
    clear: ClearCall
    guessed: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """A line for each."""
        for what, call in (("add", self.add), ("search", self.search), ("clear", self.clear)):
            arguments = ", ".join(f"{name}={_written(value)}" for name, value in (call.arguments or {}).items())
            yield f"{what}: {call.tool}({arguments}){', by its schema' if what in self.guessed else ''}"


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else str(value)


def mapped(file: McpFile, schemas: Schemas) -> Mapped:
    """The tools to use; raises `ConfigurationError` with a line for what is neither given nor found."""
    add, search = _call("add", file.add, schemas), _call("search", file.search, schemas)
    clear = _call("clear", file.clear, schemas)
    result = Mapped(
        add=(file.add or AddCall(tool=add.tool)).model_copy(update=dict(add)),
        search=(file.search or SearchCall(tool=search.tool)).model_copy(update=dict(search)),
        clear=(file.clear or ClearCall(tool=clear.tool)).model_copy(update=dict(clear)),
        guessed=tuple(
            what
            for what, given in (("add", file.add), ("search", file.search), ("clear", file.clear))
            if given is None or given.arguments is None
        ),
    )
    if not file.server_each:
        _check_apart(result)
    return result


def _check_apart(result: Mapped) -> None:
    for what, call in (("add", result.add), ("search", result.search)):
        if "{container}" not in str(call.arguments):
            raise ConfigurationError(
                f"nothing keeps containers apart: no argument of {call.tool!r}, which is to {what}, names one. "
                f"Give [{what}.arguments] with {{container}}, or command or env with {{container.file}}."
            )
    naming = [
        {n for n, v in (call.arguments or {}).items() if v == "{container}"} for call in (result.add, result.search)
    ]
    if {"add", "search"} <= set(result.guessed) and naming[0] != naming[1]:
        raise ConfigurationError(
            f"{result.add.tool!r} and {result.search.tool!r} name a container by different arguments "
            f"({', '.join(sorted(naming[0] | naming[1]))}). Give [add.arguments] and [search.arguments]."
        )


def _call(what: str, given: Call | None, schemas: Schemas) -> Call:
    if given is not None and given.tool not in schemas:
        raise ConfigurationError(f"[{what}] the server has no tool {given.tool!r}. It has: {', '.join(schemas)}.")
    if given is not None and given.arguments is not None:
        return Call(tool=given.tool, arguments=given.arguments)
    names = [given.tool] if given else _named_like(what, schemas)
    whole = isinstance(given, AddCall) and given.each == "session"
    reasons = []
    for name in names:
        arguments, lacking = _arguments(what, schemas[name])
        if not lacking:
            return Call(tool=name, arguments=_of_a_session(arguments) if whole else arguments)
        reasons.append(f"{name!r} needs {', '.join(lacking)}")
    found = f": {'; '.join(reasons)}" if reasons else f" among {', '.join(schemas)}"
    raise ConfigurationError(f"no tool to {what} can be told by its schema{found}. Give [{what}] tool and arguments.")


def _named_like(what: str, schemas: Schemas) -> list[str]:
    """Tools with a verb of that kind in their names, those about memories first."""
    verbs = _VERBS[what]
    order = {
        name: place for name in schemas for place, verb in reversed([*enumerate(verbs)]) if f"_{verb}_" in _words(name)
    }
    return sorted(order, key=lambda name: ("memor" not in name.lower(), order[name]))


def _words(name: str) -> str:
    """A tool's name in small letters, a _ before, between and after its words."""
    return f"_{re.sub(r'(?<=[a-z])(?=[A-Z])|[^A-Za-z]+', '_', name).lower()}_"


def _of_a_session(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The same arguments for a whole session in place of a message."""
    known: dict[str, JsonValue] = {"{message.line}": "{session.text}", "{message.uuid}": "{session.uuid}"}
    metadata: JsonValue = {name: value for name, value in _METADATA.items() if name != "message_id"}
    return {name: known.get(value, value) if isinstance(value, str) else metadata for name, value in arguments.items()}


def _arguments(what: str, schema: Mapping[str, JsonValue]) -> tuple[dict[str, JsonValue], list[str]]:
    """Arguments by the names of a tool's properties, and what it needs beyond them."""
    properties, required = schema.get("properties") or {}, schema.get("required") or []
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    arguments: dict[str, JsonValue] = {}
    for names, value in _ARGUMENTS[what]:
        if (known := next((name for name in names if name in properties), None)) is not None:
            arguments[known] = value
    text = _ARGUMENTS[what][0][0]
    lacking = [str(name) for name in required if name not in arguments]
    if what != "clear" and not set(text) & set(arguments):
        lacking.append("a text under a name that is known")
    if what == "clear" and not arguments:
        lacking.append("the name of a container")
    return arguments, lacking
