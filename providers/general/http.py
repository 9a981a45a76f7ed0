"""Any service with a REST interface, as a TOML file describes it: see `docs/providers/http.md`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from net import Service, check_address
from providers.base import Capabilities
from providers.general import scopes
from providers.general.advice import HTTP
from providers.general.from_file import FromFile
from providers.general.http_calls import Calls
from providers.general.http_containers import Containers, Held
from providers.general.http_file import HttpFile
from providers.general.results import at, results_of, shown
from providers.general.settings import GeneralSettings, key_from, settings_class
from providers.general.templates import Scope
from providers.general.toml_file import TomlFile
from providers.hosted import until_ready
from vocabulary import ProviderError, Question, SearchResult, Session

_LOOKS_AT_ONCE = 8
_CLEARING_SECONDS = 300.0


class HttpSettings(GeneralSettings):
    """What can be set about every ``http`` provider, beside the file's own table ``[settings]``."""

    indexing_timeout: float = Field(
        600.0, gt=0, exclude=True, description="seconds to wait for a container to become ready"
    )
    base_url: str = Field("", description="the service's address, if it is not the file's")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return check_address("base_url", value, key="the environment variable that [auth] names")


class Http(FromFile):
    """A service as `definition` describes it, which `defined` reads from a file."""

    name = "http"
    version = "1"
    api = "a TOML file's"
    capabilities = Capabilities(needs="a TOML file: `http:FILE.toml`")
    Settings = HttpSettings
    advice = HTTP
    definition: ClassVar[HttpFile]

    @classmethod
    def defined(cls, name: str, file: TomlFile) -> type[Http]:
        """The provider that `file` describes, called `name`; raises `ConfigurationError` with one line."""
        definition = file.parsed(HttpFile)
        if wrong := list(definition.problems()):
            raise file.error(wrong)
        auth, ready, limits = definition.auth, definition.ready, definition.limits
        timeout = ready.timeout if ready else HttpSettings.model_fields["indexing_timeout"].default
        defaults = {"base_url": definition.base_url, "timeout": limits.timeout, "indexing_timeout": timeout}
        needs = auth.env if auth else "nothing"
        key = key_from(auth.env, partial(file.at, ("auth", "env"))) if auth else None
        settings = settings_class(HttpSettings, defaults, definition.settings, searched=definition.searched, key=key)
        return type(
            "ConfiguredHttp",
            (cls,),
            {
                "__module__": cls.__module__,
                "name": name,
                "version": f"{cls.version}-{file.digest}",
                "api": definition.api,
                "file": file,
                "definition": definition,
                "Settings": settings,
                "capabilities": definition.capabilities.capabilities(definition.search, needs),
                "limits": limits.limits(timeout),
            },
        )

    def __init__(self, settings: HttpSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self.limits = self.definition.limits.limits(settings.indexing_timeout)
        self._service = Service(
            self.name,
            settings.base_url,
            self._headers(),
            hold=lambda seconds: self.hold(seconds),  # set later, by the pipeline
            timeout=settings.timeout,
            secrets=(self.key,),
        )
        self._calls = Calls(self._service, settings.scope)
        self._containers = Containers(self.definition, self._calls, self.fault)

    def _headers(self) -> Mapping[str, str]:
        auth = self.definition.auth
        own = {auth.header: auth.value.replace("{key}", self.key)} if auth else {}
        return {**self.definition.headers, **own}

    async def check(self) -> None:
        """Make the request of [check], if there is one."""
        if self.definition.check:
            await self._calls.send(self.definition.check, {}, self.fault("check"), read=False)

    async def ingest(self, container: str, session: Session) -> None:
        """Send what is not there yet of a session: all at once, or each message."""
        messages = scopes.said(session)
        if not messages:
            return
        held = self._containers.held(container)
        scope = {
            **(await self._containers.scope(container, make=True) or {}),
            **scopes.session_scope(container, session),
        }
        sayings = [scopes.message_scope(container, session, message) for message in messages]
        stored = await self._containers.stored(scope)
        try:
            if self.definition.add.each == "session":
                if session.id not in stored:
                    await self._add(held, session.id, scope, sayings)
                return
            for saying in sayings:
                key = str(saying["message.id"])
                if key not in stored and key not in held.sent[session.id]:
                    await self._add(held, key, {**scope, **saying})
                    held.sent[session.id].add(key)
            held.sent.pop(session.id, None)
        except ProviderError as error:
            held.stored = None  # nobody knows whether it arrived: list again before the next attempt
            raise ProviderError(
                f"session {session.id} was not stored: {error}",
                transient=error.transient,
                retry_after=error.retry_after,
                status=error.status,
            ) from error

    async def _add(self, held: Held, key: str, scope: Scope, messages: Sequence[Scope] = ()) -> None:
        add, fault = self.definition.add, self.fault("add")
        identity = scopes.stable_uuid(str(scope["container"]), key)
        headers = {add.idempotency_header: identity} if add.idempotency_header else None
        reply = await self._calls.send(add, scope, fault, messages=messages, headers=headers, read=add.id is not None)
        if self.definition.ready and self._ready_by_item:
            added = at(add.id, reply.root, "id", fault) if add.id and reply else None
            if add.id and added is None:
                raise fault("id", f"nothing is there in the reply {shown(reply.root if reply else None)}")
            known = {name: scope.get(name) for name in (*scopes.IDENTITIES, "container", "container.id")}
            held.pending[key] = {**known, "added.id": added}
        if held.stored is not None:
            held.stored.add(key)

    @property
    def _ready_by_item(self) -> bool:
        ready = self.definition.ready
        return ready is not None and bool(ready.names & {"added.id", *scopes.IDENTITIES})

    async def await_indexing(self, container: str) -> None:
        """Ask as [ready] says: of the container, or of each thing that was added."""
        ready = self.definition.ready
        if ready is None:
            return
        look = self._look_at_items if self._ready_by_item else self._look_at_container
        await until_ready(
            container, partial(look, container), seconds=self.limits.indexing_timeout, longest_pause=ready.poll
        )

    async def _look_at_container(self, container: str) -> str | None:
        scope = await self._containers.scope(container)
        return await self._outstanding(scope) if scope else None

    async def _look_at_items(self, container: str) -> str | None:
        pending = self._containers.held(container).pending
        slots = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def look(key: str, scope: Scope) -> str | None:
            async with slots:
                outstanding = await self._outstanding(scope)
            if outstanding is None:
                pending.pop(key, None)
            return outstanding

        looks = await asyncio.gather(*(look(key, scope) for key, scope in list(pending.items())))
        left = [one for one in looks if one]
        return f"{len(left)} of {len(looks)} outstanding, one of them: {left[0]}" if left else None

    async def _outstanding(self, scope: Scope) -> str | None:
        ready, fault = self.definition.ready, self.fault("ready")
        assert ready is not None
        reply = await self._calls.send(ready, scope, fault)
        if reply is None:
            return "not there yet"
        if ready.failed and at(ready.failed, reply.root, "failed", fault):
            raise fault("failed", f"the service says {shown(reply.root)}")
        return None if at(ready.done, reply.root, "done", fault) else shown(reply.root)

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """What the service finds, page by page, until there are `top_k`."""
        request, fault = self.definition.search, self.fault("search")
        scope = await self._containers.scope(container)
        if scope is None:
            return ()
        asked = scopes.question_scope(question, min(top_k, request.most or top_k))
        found: list[SearchResult] = []
        async for items in self._calls.pages(request, {**scope, **asked}, fault):
            found += results_of(items, request, fault)
            if len(found) >= top_k:
                break
        return tuple(found[:top_k]) if self.capabilities.ranked else tuple(found)

    async def clear(self, container: str) -> None:
        """Remove the container, and wait until [list] gives nothing of it, where there is one."""
        self._containers.forget(container)
        clear = self.definition.clear
        scope = await self._containers.scope(container)
        if scope is None:
            return
        if clear.each == "container":
            await self._calls.send(clear, scope, self.fault("clear"), read=False)
        if self.definition.list:
            await until_ready(container, partial(self._left, scope), seconds=_CLEARING_SECONDS, what="gone")
        self._containers.forget(container)

    async def _left(self, scope: Scope) -> str | None:
        """How many items are left, each of which was removed now where the file says so."""
        clear, listing = self.definition.clear, self.definition.list
        assert listing is not None
        path, key = (listing.id, "id") if listing.id else ("@", "items")
        items = await self._containers.listed(scope, path, key)
        if clear.each == "item":
            for item in items:
                await self._calls.send(clear, {**scope, "item.id": item}, self.fault("clear"), read=False)
        return f"{len(items)} items" if items else None

    async def close(self) -> None:
        """Close the connections."""
        await self._service.aclose()
