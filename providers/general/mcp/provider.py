"""Any memory system that is an MCP server, over stdio or streamable HTTP: see `docs/providers/mcp.md`."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar  # Any: arguments of tools

from pydantic import JsonValue

from providers.base import Capabilities, ProviderSettings
from providers.general import scopes
from providers.general.advice import MCP
from providers.general.from_file import FromFile
from providers.general.mcp.connections import Connection, Connections
from providers.general.mcp.guessing import Mapped, mapped
from providers.general.mcp.mcp_file import Call, McpFile
from providers.general.mcp.replies import json_of, results_in
from providers.general.results import at, shown
from providers.general.settings import GeneralSettings, key_from, settings_class
from providers.general.templates import Scope, fill, fill_text
from providers.general.toml_file import TomlFile
from vocabulary import ConfigurationError, ProviderError, Question, SearchResult, Session, file_name_of

_SHORTEST_WORD = 4
_MOST_ROUNDS = 1000


class Mcp(FromFile):
    """An MCP server as `definition` describes it, which `defined` reads from a file."""

    name = "mcp"
    version = "1"
    api = "a TOML file's"
    capabilities = Capabilities(needs="the extra `mcp`, a TOML file: `mcp:FILE.toml`")
    Settings = GeneralSettings
    advice = MCP
    definition: ClassVar[McpFile]

    @classmethod
    def defined(cls, name: str, file: TomlFile) -> type[Mcp]:
        """The provider that `file` describes, called `name`; raises `ConfigurationError` with one line."""
        definition = file.parsed(McpFile)
        if wrong := list(definition.problems()):
            raise file.error(wrong)
        if find_spec("mcp") is None:
            raise ConfigurationError(f"provider {name} needs the extra mcp: pip install -e '.[mcp]'")
        auth = definition.auth
        key = key_from(auth.env, partial(file.at, ("auth", "env"))) if auth else None
        limits = definition.limits.limits(600.0)
        paths = definition.search.results if definition.search else None
        return type(
            "ConfiguredMcp",
            (cls,),
            {
                "__module__": cls.__module__,
                "name": name,
                "version": f"{cls.version}-{file.digest}",
                "api": definition.api,
                "file": file,
                "definition": definition,
                "Settings": settings_class(
                    GeneralSettings, {"timeout": definition.limits.timeout}, {}, searched=(), key=key
                ),
                "capabilities": definition.capabilities.capabilities(paths, auth.env if auth else "the extra `mcp`"),
                # a process of ours has its files to itself
                "limits": replace(limits, scope="process", containers="one-process") if definition.command else limits,
            },
        )

    def __init__(self, settings: GeneralSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        import mcp.client.streamable_http  # noqa: F401  takes a second, which no call should take

        self._timeout = settings.timeout
        self._mapped: Mapped | None = None
        self._sent: dict[tuple[str, str], set[str]] = {}
        self._servers = Connections(self._connection, each=self.definition.server_each)

    @classmethod
    def described(cls, settings: ProviderSettings) -> Sequence[str]:
        """The tools that were found by their schemas, after a handshake; none where the file has them all."""
        file = cls.definition
        if all(call and call.arguments is not None for call in (file.add, file.search, file.clear)):
            return ()

        async def found(folder: str) -> Sequence[str]:
            assert isinstance(settings, GeneralSettings)
            provider = cls(settings, Path(folder))
            try:
                return [f"{cls.name}: {line}" for line in (await provider.tools()).lines()]
            except ProviderError as error:
                return [f"{error}"]
            finally:
                await provider.close()

        with TemporaryDirectory(prefix="memorybench-mcp-") as folder:
            return asyncio.run(found(folder))

    def _connection(self, container: str) -> Connection:
        definition = self.definition
        if definition.url:
            auth = definition.auth
            headers = {auth.header: auth.value.replace("{key}", self.key)} if auth else {}
            return Connection(self.name, definition.url, headers, self._timeout)

        from mcp import StdioServerParameters

        scope = {"container.file": file_name_of(container), "workspace": str(self.workspace)}
        command = [fill_text(part, scope) or "" for part in definition.command or []]
        env = {name: os.environ[name] for name in definition.pass_env if name in os.environ}
        env |= {name: fill_text(value, scope) or "" for name, value in definition.env.items()}
        return Connection(
            self.name, StdioServerParameters(command=command[0], args=command[1:], env=env), {}, self._timeout
        )

    async def tools(self, container: str = "plan") -> Mapped:
        """The tools that are used; asked for once."""
        if self._mapped is None:
            try:
                self._mapped = mapped(self.definition, await self._servers.tools(container))
            except ConfigurationError as error:
                raise ProviderError(f"{self.name}: {self.file.shown}: {error}") from None
        return self._mapped

    async def check(self) -> None:
        """Make a handshake, and look which tools there are."""
        await self.tools()
        await self._servers.close("plan")

    async def ingest(self, container: str, session: Session) -> None:
        """Send what is not sent yet of a session: all at once, or each message."""
        messages = scopes.said(session)
        add = (await self.tools(container)).add
        scope = {"container": container, **scopes.session_scope(container, session)}
        sayings = [scopes.message_scope(container, session, message) for message in messages]
        if add.each == "session":
            if sayings:
                await self._call(container, add, scope, sayings)
            return
        sent = self._sent.setdefault((container, session.id), set())
        for saying in sayings:
            key = str(saying["message.id"])
            if key not in sent:
                await self._call(container, add, {**scope, **saying})
                sent.add(key)
        self._sent.pop((container, session.id), None)

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """What the tool finds for the question, or for each of its words."""
        call, fault = (await self.tools(container)).search, self.fault("search", "results")
        scope = {"container": container, **scopes.question_scope(question, top_k)}
        if call.each == "question":
            found = results_in(await self._call(container, call, scope), call, fault)
        else:
            found = _ranked(
                [
                    results_in(await self._call(container, call, {**scope, "word": word}), call, fault)
                    for word in _words(question.text)
                ]
            )
        return tuple(found[:top_k]) if self.capabilities.ranked else tuple(found)

    async def clear(self, container: str) -> None:
        """Remove the container, or all that is listed of it."""
        call = (await self.tools(container)).clear
        for key in [key for key in self._sent if key[0] == container]:
            del self._sent[key]
        if call.each == "container":
            await self._call(container, call, {"container": container})
        else:
            for _round in range(_MOST_ROUNDS):
                items = await self._listed(container)
                if not items:
                    break
                scopes_of = [{"items.ids": items}] if call.each == "items" else [{"item.id": one} for one in items]
                for scope in scopes_of:
                    await self._call(container, call, {"container": container, **scope})
        await self._servers.close(container)

    async def _listed(self, container: str) -> list[JsonValue]:
        call, fault = self.definition.list, self.fault("list")
        assert call is not None
        reply = json_of(await self._call(container, call, {"container": container}))
        items = at(call.items, reply, "items", fault)
        if not isinstance(items, list):
            raise fault("items", f"is to be a list, and is {shown(items)} in {shown(reply)}")
        return [at(call.id, item, "id", fault) for item in items]

    async def _call(self, container: str, call: Call, scope: Scope, messages: Sequence[Scope] = ()) -> Any:
        arguments = fill(call.arguments or {}, scope, messages)
        assert isinstance(arguments, dict)
        try:
            return await self._servers.call(container, call.tool, arguments)
        except ProviderError as error:
            raise ProviderError(self.shown(str(error)), transient=error.transient, retry_after=error.retry_after,
                                status=error.status) from None  # fmt: skip

    async def close(self) -> None:
        """End the servers' processes, or the sessions with them."""
        await self._servers.close()


def _words(text: str) -> list[str]:
    """The longer words of a question, each once; all of it where it has none."""
    words = [word for word in re.findall(r"\w+", text) if len(word) >= _SHORTEST_WORD]
    return list(dict.fromkeys(words)) or [text]


def _ranked(found: Sequence[Sequence[SearchResult]]) -> list[SearchResult]:
    """Results of several searches as one list: first what rare words found, and what many words did."""
    scores: dict[tuple[str, tuple[str, ...]], float] = {}
    kept: dict[tuple[str, tuple[str, ...]], SearchResult] = {}
    for results in found:
        for result in results:
            key = (result.text, result.message_ids)
            kept.setdefault(key, result)
            scores[key] = scores.get(key, 0.0) + 1 / len(results)
    best = sorted(scores, key=lambda key: -scores[key])
    return [kept[key].model_copy(update={"score": scores[key]}) for key in best]
