"""Containers of an ``http`` provider: what the service calls them, and what is known to be in them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import JsonValue

from providers.general.http_calls import Calls
from providers.general.http_file import HttpFile
from providers.general.results import Fault, at, shown
from providers.general.templates import Scope


@dataclass
class Held:
    """What this process knows of a container.

    `name` is the service's own. `stored` are ids of sessions or messages, None before they were listed; `sent` are the
    messages of sessions that are half sent. `pending` is what is not known to be ready, by its id.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    name: str | None = None
    stored: set[str] | None = None
    sent: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    pending: dict[str, Scope] = field(default_factory=dict)


class Containers:
    """Those of one service. `fault_of` makes errors about a table of the file."""

    def __init__(self, definition: HttpFile, calls: Calls, fault_of: Callable[..., Fault]) -> None:
        self._definition = definition
        self._calls = calls
        self._fault_of = fault_of
        self._held: dict[str, Held] = defaultdict(Held)

    def held(self, container: str) -> Held:
        """What is known of one."""
        return self._held[container]

    def forget(self, container: str) -> None:
        """Know nothing of it any more."""
        self._held.pop(container, None)

    async def scope(self, container: str, *, make: bool = False) -> dict[str, JsonValue] | None:
        """The values of its placeholders.

        None if the service names containers itself and has none of that name; with `make` it is then created.
        """
        scope: dict[str, JsonValue] = {"container": container}
        if self._definition.container is None:
            return scope
        held = self._held[container]
        async with held.lock:
            if held.name is None:
                held.name = await self._found(container)
            if held.name is None and make:
                held.name = await self._created(scope)
            return {**scope, "container.id": held.name} if held.name is not None else None

    async def _found(self, container: str) -> str | None:
        assert self._definition.container is not None
        find, fault = self._definition.container.find, self._fault_of("container", "find")
        async for items in self._calls.pages(find, {"container": container}, fault):
            for item in items:
                if at(find.name, item, "name", fault) == container:
                    return _text(at(find.id, item, "id", fault))
        return None

    async def _created(self, scope: Scope) -> str:
        assert self._definition.container is not None
        create, fault = self._definition.container.create, self._fault_of("container", "create")
        reply = await self._calls.send(create, scope, fault)
        name = _text(at(create.id, reply.root, "id", fault) if reply else None)
        if name is None:
            raise fault("id", f"nothing is there in the reply {shown(reply.root if reply else None)}")
        return name

    async def stored(self, scope: Scope) -> set[str]:
        """Ids of what it holds, where the file says how to list them: asked once, and after a failure."""
        listing = self._definition.list
        if listing is None or listing.key is None:
            return set()
        held = self._held[str(scope["container"])]
        async with held.lock:
            if held.stored is None:
                held.stored = {str(key) for key in await self.listed(scope, listing.key, "key")}
            return held.stored

    async def listed(self, scope: Scope, path: str, key: str) -> list[JsonValue]:
        """What stands at `path` in each item of [list], of a list its first; `key` is the path's own in the file."""
        listing, fault = self._definition.list, self._fault_of("list")
        assert listing is not None
        found: list[JsonValue] = []
        async for items in self._calls.pages(listing, scope, fault):
            for item in items:
                value = at(path, item, key, fault)
                found += value[:1] if isinstance(value, list) else [value]
        return [value for value in found if value is not None]


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
