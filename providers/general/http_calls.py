"""Requests of an ``http`` file, made: templates filled, values kept where they belong, pages followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote

from pydantic import JsonValue, RootModel

from net import Service
from providers.general.http_file import Paged, Request
from providers.general.results import Fault, at, shown
from providers.general.templates import Scope, fill, fill_text, names_in, written
from vocabulary import ProviderError

_MOST_PAGES = 10_000


class AnyReply(RootModel[JsonValue]):
    """Whatever JSON a service answers."""


class Calls:
    """The requests to one service; `settings` are values of placeholders in all of them."""

    def __init__(self, service: Service, settings: Scope) -> None:
        self._service = service
        self._settings = settings

    async def send(
        self,
        request: Request,
        scope: Scope,
        fault: Fault,
        *,
        messages: Sequence[Scope] = (),
        headers: Mapping[str, str] | None = None,
        read: bool = True,
    ) -> AnyReply | None:
        """The reply; None where the status says that there is no such thing, or where it is not `read`."""
        values = {**self._settings, **scope}
        path = _path(request.path, values, fault)
        query = _query(fill(request.query, values))
        body = fill(request.body, values, messages)
        try:
            if not read:
                await self._service.tell(request.method, path, body=body, query=query, headers=headers)
                return None
            return await self._service.ask(AnyReply, request.method, path, body=body, query=query, headers=headers)
        except ProviderError as error:
            if error.status in request.absent:
                return None
            raise

    async def pages(self, request: Paged, scope: Scope, fault: Fault) -> AsyncIterator[list[JsonValue]]:
        """The items of each page, until the service names no next one."""
        counted = {"page.number", "page.offset"} & request.names
        following: JsonValue = None
        seen: set[str] = set()
        offset = 0
        for number in range(1, _MOST_PAGES + 1):
            page = {"page.next": following, "page.number": number, "page.offset": offset, "page.size": request.size}
            reply = await self.send(request, {**scope, **page}, fault)
            if reply is None:
                return
            items = at(request.items, reply.root, "items", fault)
            if not isinstance(items, list):
                raise fault("items", f"is to be a list, and is {shown(items)} in {shown(reply.root)}")
            yield items
            offset += len(items)
            if request.next is None and (not counted or len(items) < request.size):
                return
            if request.next is not None:
                following = at(request.next, reply.root, "next", fault)
                if following in (None, "", False):
                    return
                if str(following) in seen:
                    raise fault("next", f"the service named the page {shown(following)} twice")
                seen.add(str(following))
        raise fault("next", f"there were {_MOST_PAGES:,} pages, and no end")


def _path(template: str, scope: Scope, fault: Fault) -> str:
    """A value stays within its part of the path, whatever it holds."""
    parts = []
    for part in template.split("/"):
        text = fill_text(part, scope, lambda value: quote(value, safe=""))
        if text in ("", ".", "..", None) and names_in(part):
            raise fault("path", f"{part} has no value that can stand in a path")
        parts.append(text or "")
    return "/".join(parts)


def _query(filled: JsonValue) -> dict[str, str | Sequence[str]] | None:
    if not (filled and isinstance(filled, dict)):
        return None
    return {name: [written(one) for one in value] if isinstance(value, list) else written(value)
            for name, value in filled.items()}  # fmt: skip
