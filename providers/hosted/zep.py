"""Zep Cloud, the hosted service, over its REST interface: a container is a user, a session a thread of that user."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import BeforeValidator, Field, JsonValue, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from net import R, Service
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.hosted.settings import HostedSettings
from providers.hosted.zep_ids import Source, ZepIds
from providers.hosted.zep_results import as_result, merged, sources
from providers.hosted.zep_wire import (
    Added,
    Anything,
    Deleted,
    Episode,
    Found,
    Page,
    Scope,
    Task,
    Thread,
    User,
    messages_to_send,
    source_of,
)
from providers.readiness import until_ready
from vocabulary import ConfigurationError, ProviderError, Question, SearchOnly, SearchResult, Session

_LARGEST_PAGE = 50
"""Of a search (help.getzep.com, reference of "Search edges")."""
_TASKS_AT_ONCE = 8
_REMOVAL_SECONDS = 300.0
_DONE, _BROKEN = "succeeded", ("failed", "partial")
# Facts that hold are those without an end.
_STILL_TRUE: JsonValue = {
    "date_filters": {
        "any_of": [{"all_of": [{"field": end, "operator": "is_null"} for end in ("invalid_at", "expired_at")]}]
    }
}


def _split_on_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class ZepSettings(HostedSettings):
    """Settings of Zep, each from ``ZEP_…`` too."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="ZEP_")

    base_url: str = "https://api.getzep.com/api/v4"
    # Zep publishes no figure. A guess: some seconds a message, one after the other, 600 messages in a container.
    indexing_timeout: float = Field(
        3600.0, gt=0, exclude=True, description="seconds to wait for a container to become ready"
    )
    scopes: Annotated[tuple[Scope, ...], NoDecode, BeforeValidator(_split_on_commas), SearchOnly()] = Field(
        ("edges",),
        min_length=1,
        description="what is searched, separated by commas: edges (facts), episodes (messages), nodes, observations, "
        "thread_summaries; each is asked for top-k, and the answers are merged by rank down to top-k",
    )
    reranker: Annotated[Literal["rrf", "mmr", "episode_mentions", "cross_encoder"], SearchOnly()] = Field(
        "rrf", description="how Zep orders what it found"
    )
    mmr_lambda: Annotated[float | None, SearchOnly()] = Field(
        None, ge=0, le=1, description="with reranker=mmr: 1 is relevance, 0 variety"
    )
    expired_facts: Annotated[Literal["mark", "drop"], SearchOnly()] = Field(
        "mark", description="facts that no longer hold: found, with the date until which they held, or not searched for"
    )
    message_characters: int = Field(
        4000, ge=200, le=4096, description="a longer message is sent in parts (Zep refuses more than 4,096)"
    )
    messages_per_request: int = Field(30, ge=1, le=30, description="messages that are sent at once (Zep: at most 30)")
    query_characters: Annotated[int, SearchOnly()] = Field(
        400, ge=50, description="a question is cut to so many characters (Zep refuses more than 400)"
    )

    @model_validator(mode="after")
    def _fits(self) -> ZepSettings:
        if (self.reranker == "mmr") != (self.mmr_lambda is not None):
            raise ConfigurationError("mmr_lambda and reranker=mmr need each other. Set both or none.")
        if len(set(self.scopes)) != len(self.scopes):
            raise ConfigurationError(f"scopes names one twice: {','.join(self.scopes)}. Name each once.")
        return self


class Zep(Provider):
    """Zep Cloud: an agent memory that builds a graph of facts with the times at which they hold.

    A container is found again by its name, as the user's `user_id`; all other ids are Zep's own. Results are facts by
    default, each with the sessions and messages that it was derived from.
    """

    name = "zep"
    api = "REST v4"
    capabilities = Capabilities(verbatim=False, needs="ZEP_API_KEY")
    Settings = ZepSettings
    # Zep limits requests a minute, by plan, and says in each response how many are left: that is obeyed as it comes.
    # It publishes no limit of what may be under way at once; 16 is a cautious guess. One session of a container at a
    # time: Zep takes what comes later for newer, and ends facts by it.
    limits = Limits(concurrency=16, sessions=1, indexing_timeout=3600.0)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        assert isinstance(settings, ZepSettings)
        self._settings = settings
        self.limits = replace(type(self).limits, indexing_timeout=settings.indexing_timeout)
        self._service = Service(
            self.name,
            settings.base_url,
            {"Authorization": f"Api-Key {settings.api_key.get_secret_value()}"},
            hold=lambda seconds: self.hold(seconds),
            timeout=settings.timeout,
        )
        self._ids = ZepIds(workspace / "zep.sqlite")
        self._tasks: dict[str, dict[str, str]] = {}
        """By container: the session of each task, in the order of sending."""
        self._succeeded: set[str] = set()
        self._removal = uuid4().hex

    async def check(self) -> None:
        """Read the project's name, which needs nothing but a key that is known."""
        await self._service.ask(Anything, "GET", "/project")

    async def ingest(self, container: str, session: Session) -> None:
        """Add the session as a thread; a call that is made again finds by its idempotency keys what is there."""
        messages = list(messages_to_send(session, self._settings.message_characters))
        if not messages:
            return
        user = self._ids.user(container) or await self._find_or_add_user(container)
        thread = await self._write(Thread, "/threads", {"user_uuid": user}, _key(user, session.id, "thread"))
        self._ids.put_thread(user, thread.uuid, session.id)
        step = self._settings.messages_per_request
        for place in range(0, len(messages), step):
            key = _key(user, session.id, f"messages {place}")
            body: JsonValue = {"messages": messages[place : place + step]}
            added = await self._write(Added, f"/threads/{thread.uuid}/messages", body, key)
            self._ids.put_episodes(user, {one.uuid: source_of(one.metadata) for one in added.messages or ()})
            self._tasks.setdefault(container, {})[added.task.uuid] = session.id

    async def await_indexing(self, container: str) -> None:
        """Wait until each task of the container has succeeded."""
        await until_ready(container, partial(self._look, container), seconds=self.limits.indexing_timeout)

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """The best of each scope, merged by rank; one request a scope and 50 results."""
        user = self._ids.user(container) or await self._find_user(container)
        if user is None or top_k < 1:
            return ()
        try:
            best = await self._best(user, question.text, top_k)
        except ProviderError as error:
            if error.status != 404 or await self._find_user(container) in (None, user):
                raise
            user = self._ids.user(container) or user  # made anew by somebody who does not share this workspace
            best = await self._best(user, question.text, top_k)
        known = await self._sources(user, {episode for scope, item in best for episode in sources(scope, item)})
        sessions = {item.thread_uuid: self._ids.session(item.thread_uuid) for _, item in best if item.thread_uuid}
        return tuple(as_result(scope, item, known, sessions) for scope, item in best)

    async def _best(self, user: str, text: str, top_k: int) -> list[tuple[Scope, Found]]:
        scopes = self._settings.scopes
        found = await asyncio.gather(*(self._search(user, scope, text, top_k) for scope in scopes))
        return merged(dict(zip(scopes, found, strict=True)), top_k)

    async def clear(self, container: str) -> None:
        """Delete the user, with threads and graph, and wait until it is gone."""
        user = await self._service.ask_for(User, "POST", "/users/lookup", body={"user_id": container})
        if user is not None:
            await self._remove(container, user.uuid)
        self._ids.forget(container)
        self._tasks.pop(container, None)

    async def close(self) -> None:
        """Close the connections and the file of ids."""
        await self._service.aclose()
        self._ids.close()

    async def _find_user(self, container: str) -> str | None:
        user = await self._service.ask_for(User, "POST", "/users/lookup", body={"user_id": container})
        if user is None:
            return None
        self._ids.put_user(container, user.uuid)
        return user.uuid

    async def _find_or_add_user(self, container: str) -> str:
        found = await self._find_user(container)
        if found is not None:
            return found
        # A user_id is unique in a project: that, and looking first, keep this from being done twice. A key made from
        # the container's name would bring back the answer of before a `clear`, with a user who is gone.
        user = await self._write(User, "/users", {"user_id": container}, str(uuid4()))
        self._ids.put_user(container, user.uuid)
        return user.uuid

    async def _write(self, reply: type[R], path: str, body: JsonValue, key: str) -> R:
        try:
            return await self._service.ask(reply, "POST", path, body=body, headers={"Idempotency-Key": key})
        except ProviderError as error:
            # As the vendor's SDK has it: a conflict with a call of the same key that is still under way passes.
            if error.status == 409:
                raise ProviderError(str(error), transient=True, retry_after=error.retry_after, status=409) from error
            raise

    async def _look(self, container: str) -> str | None:
        """What is outstanding. The newest task ends last: until it has, the others need not be asked."""
        tasks = self._tasks.get(container, {})
        waiting = [name for name in reversed(tasks) if name not in self._succeeded]
        states: dict[str, Task] = {}
        for names in (waiting[:1], *_chunks(waiting[1:], _TASKS_AT_ONCE)):
            states |= zip(names, await asyncio.gather(*map(self._task, names)), strict=True)
            if states and states[waiting[0]].status not in (_DONE, *_BROKEN):
                break
        self._succeeded.update(name for name, task in states.items() if task.status == _DONE)
        in_words = {name: f"session {tasks[name]} (task {name}) {task.detail()}" for name, task in states.items()}
        if broken := [in_words[name] for name, task in states.items() if task.status in _BROKEN]:
            raise ProviderError(
                f"zep: container {container} is not wholly ingested: {'; '.join(broken)}. Zep's support can say more "
                "about a task; the next run ingests the container anew."
            )
        left = [name for name in waiting if name not in self._succeeded]
        return f"{len(left)} of {len(tasks)} tasks outstanding: {in_words[left[0]]}" if left else None

    async def _task(self, task: str) -> Task:
        return await self._service.ask(Task, "GET", f"/tasks/{task}")

    async def _search(self, user: str, scope: Scope, text: str, top_k: int) -> list[Found]:
        settings = self._settings
        body: dict[str, JsonValue] = {"query": text[: settings.query_characters], "reranker": settings.reranker}
        if settings.mmr_lambda is not None:
            body["mmr_lambda"] = settings.mmr_lambda
        if scope == "edges" and settings.expired_facts == "drop":
            body["filters"] = _STILL_TRUE
        path = f"/graphs/{user}/search/{scope.replace('_', '-')}"
        found: list[Found] = []
        cursor: str | None = None
        while len(found) < top_k:
            query: dict[str, str | int] = {"page_size": min(top_k - len(found), _LARGEST_PAGE)}
            if cursor:
                query["cursor"] = cursor
            # No idempotency key: a search with the key of an earlier one might be given its answer.
            page = await self._service.ask(Page, "POST", path, body=body, query=query)
            found += page.items or ()
            cursor = page.next_cursor
            if not page.items or not cursor:
                break
        return found[:top_k]

    async def _sources(self, user: str, episodes: set[str]) -> dict[str, Source]:
        """Session and message of each episode: from the workspace, and where it has none (another machine) from Zep."""
        known = self._ids.episodes(episodes)
        for chunk in _chunks(sorted(episodes - known.keys()), _TASKS_AT_ONCE):
            asked = (self._service.ask_for(Episode, "GET", f"/graphs/{user}/episodes/{episode}") for episode in chunk)
            replies = dict(zip(chunk, await asyncio.gather(*asked), strict=True))
            learned = {name: source_of(reply.metadata) for name, reply in replies.items() if reply is not None}
            self._ids.put_episodes(user, learned)
            known |= {name: source for name, source in learned.items() if source}
        return known

    async def _remove(self, container: str, user: str) -> None:
        headers = {"Idempotency-Key": _key(user, "", f"delete {self._removal}")}
        try:
            task = (await self._service.ask(Deleted, "DELETE", f"/users/{user}", headers=headers)).task
        except ProviderError as error:
            if error.status == 404:
                return
            raise

        async def look() -> str | None:
            state = await self._task(task.uuid)
            if state.status in _BROKEN:
                self._removal = uuid4().hex  # with the same key, the next would only return this one
                raise ProviderError(f"zep: container {container} (user {user}) was not removed: {state.detail()}.")
            if state.status != _DONE:
                return f"removal is {state.detail()}"
            return "its user is still found" if await self._find_user(container) else None

        await until_ready(container, look, seconds=min(_REMOVAL_SECONDS, self.limits.indexing_timeout), what="gone")


def _key(user: str, session: str, part: str) -> str:
    """An idempotency key: the same for the same part of the same session, until its container is cleared.

    It is made from the user's uuid, which Zep makes anew when a container is begun anew.
    """
    return str(uuid5(NAMESPACE_URL, f"{user}/{session}/{part}"))


def _chunks(names: list[str], size: int) -> Iterable[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))
