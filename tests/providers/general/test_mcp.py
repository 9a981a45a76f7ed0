"""What an ``mcp`` provider takes for the tools of a server, what it reads, and that errors stay errors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from providers import find_provider
from providers.general.mcp.guessing import mapped
from providers.general.mcp.mcp_file import McpFile
from tests.providers.general import mcp_server
from tests.providers.general.mcp_server import McpMemory, serving_mcp
from tests.repository import ROOT
from vocabulary import ConfigurationError, Message, ProviderError, Question, SearchResult, Session

pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the extra mcp is not installed")

T = TypeVar("T")
DATE = datetime(2023, 5, 8, 13, 56)
SAID = Session(
    id="s1",
    date=DATE,
    messages=tuple(
        Message(id=f"m{number}", speaker="Ann", role="user", text=text)
        for number, text in enumerate(("The lake is cold.", "Rex is three."))
    ),
)
STDIO = f'command = ["{sys.executable}", "-c", "%s"]\n'


@pytest.fixture
def memory() -> Iterator[McpMemory]:
    with serving_mcp(McpMemory()) as running:
        yield running


def using(text: str, folder: Path, work: Callable[[Any], Awaitable[T]]) -> T:
    file = folder / "mine.toml"
    file.write_text(text)
    found = find_provider(f"mcp:{file}")

    async def whole() -> T:
        provider: Any = found(found.Settings(), folder)
        try:
            return await work(provider)
        finally:
            await provider.close()

    return asyncio.run(whole())


async def told(provider: Any, text: str = "How old is Rex?", top_k: int = 5) -> Sequence[SearchResult]:
    await provider.check()
    await provider.ingest("c", SAID)
    found: Sequence[SearchResult] = await provider.search("c", Question(id="q", text=text), top_k)
    return found


def schema(*required: str, **properties: str) -> dict[str, Any]:
    return {"properties": {name: {"type": kind} for name, kind in properties.items()}, "required": list(required)}


def test_what_went_in_comes_back_where_metadata_survives(memory: McpMemory, tmp_path: Path) -> None:
    best, *_others = using(f'url = "{memory.url}"', tmp_path, told)
    assert (best.text, best.session_ids, best.message_ids, best.timestamp) == (
        "Ann: Rex is three.",
        ("s1",),
        ("m1",),
        DATE,
    )
    assert best.score
    assert len(memory.store.kept["c"]) == 2


def test_prose_is_a_result_with_a_text_and_nothing_else(tmp_path: Path) -> None:
    with serving_mcp(McpMemory(prose=True)) as memory:
        best, *_others = using(f'url = "{memory.url}"', tmp_path, told)
    assert best.model_dump(exclude={"raw"}) == SearchResult(text="Ann: Rex is three.").model_dump(exclude={"raw"})


def test_an_error_of_a_tool_is_an_error(memory: McpMemory, tmp_path: Path) -> None:
    memory.broken = True
    with pytest.raises(ProviderError, match=r"search_memories failed: .*the index is gone"):
        using(f'url = "{memory.url}"', tmp_path, told)


def test_a_wrong_key_is_refused_with_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_KEY", "a-secret-key")
    with serving_mcp(McpMemory(key="another")) as memory:
        text = f'url = "{memory.url}"\n[auth]\nenv = "MCP_KEY"\n'
        with pytest.raises(ProviderError, match="handshake: the server answered 401") as refused:
            using(text, tmp_path, lambda provider: provider.check())
    assert not refused.value.transient
    assert "a-secret-key" not in str(refused.value)


def test_nobody_there_is_worth_another_attempt(memory: McpMemory, tmp_path: Path) -> None:
    closed = memory.url.rpartition(":")[0] + ":1/mcp"
    with pytest.raises(ProviderError) as lost:
        using(f'url = "{closed}"', tmp_path, lambda provider: provider.check())
    assert lost.value.transient


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('command = ["no-such-program-here"]\n', "FileNotFoundError.*Is it installed, and on PATH"),
        (STDIO % "import sys; sys.exit('no database')", "It said: no database"),
    ],
)
def test_a_server_that_does_not_start_says_why(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        using(command, tmp_path, lambda provider: provider.check())


@pytest.mark.long
def test_a_server_that_dies_is_started_again(tmp_path: Path) -> None:
    command = f'command = ["{sys.executable}", "-m", "{mcp_server.__name__}"]\nenv = {{ PYTHONPATH = "{ROOT}" }}\n'

    async def work(provider: Any) -> Sequence[SearchResult]:
        with pytest.raises(ProviderError) as lost:
            await provider.clear("die")
        assert lost.value.transient
        return await told(provider)

    best, *_others = using(command, tmp_path, work)
    assert best.message_ids == ("m1",)


def test_a_whole_session_is_sent_at_once(memory: McpMemory, tmp_path: Path) -> None:
    best, *_others = using(f'url = "{memory.url}"\n[add]\ntool = "add_memory"\neach = "session"\n', tmp_path, told)
    assert (best.text, best.session_ids, best.message_ids) == (
        "Ann: The lake is cold.\nAnn: Rex is three.",
        ("s1",),
        (),
    )


TOOLS = {
    "add_memory": schema("text", "user_id", text="string", user_id="string", metadata="object"),
    "memory_search": schema("query", query="string", userId="string", user_id="string", top_k="integer"),
    "deleteAllMemories": schema("user_id", user_id="string"),
    "address_book": schema("text", text="string"),
    "get_weather": schema("city", city="string"),
}


def test_tools_are_told_by_their_names_and_schemas() -> None:
    found = mapped(McpFile(url="http://localhost/mcp"), TOOLS)
    assert list(found.lines()) == [
        "add: add_memory(text={message.line}, user_id={container}, metadata={'session_id': '{session.id}', "
        "'message_id': '{message.id}', 'session_date': '{session.date}'}), by its schema",
        "search: memory_search(query={question.text}, user_id={container}, top_k={top_k}), by its schema",
        "clear: deleteAllMemories(user_id={container}), by its schema",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"add_memory": None}, "no tool to add can be told by its schema among memory_search"),
        ({"add_memory": schema("text", "mood", text="string", mood="string")}, "'add_memory' needs mood"),
        (
            {"memory_search": schema("query", query="string")},
            "nothing keeps containers apart: no argument of 'memory_search'",
        ),
        ({"memory_search": schema("q", "bank", q="string", bank="string")}, "by different arguments (bank, user_id)"),
        ({"deleteAllMemories": schema("id", id="string")}, "'deleteAllMemories' needs id, the name of a container"),
    ],
)
def test_what_cannot_be_told_says_what_to_give(change: dict[str, Any], message: str) -> None:
    tools = {name: one for name, one in {**TOOLS, **change}.items() if one is not None}
    tools.pop("address_book")
    with pytest.raises(ConfigurationError) as refused:
        mapped(McpFile(url="http://localhost/mcp"), tools)
    assert message in str(refused.value)
    assert "Give [" in str(refused.value)


URL = 'url = "http://localhost/mcp"\n'


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("", "the file", "needs either command or url"),
        (f'{URL}command = ["x"]', "the file", "needs either command or url"),
        ('url = "localhost"', "url", "is not an address"),
        ('command = "npx"', "command", "not allowed"),
        ('command = ["{container}"]', "command", "there is no {container} here"),
        (f'{URL}[add]\ntol = "x"', "add.tol", "Did you mean 'tool'?"),
        (
            f'{URL}[add]\ntool = "x"\narguments = {{ text = "{{question.text}}" }}',
            "add.arguments.text",
            "{question.text}",
        ),
        (f'{URL}[search]\ntool = "x"\narguments = {{ q = "{{word}}" }}', "search.arguments.q", "there is no {word}"),
        (f'{URL}[search.results]\nitems = "a["\ntext = "t"', "search.results.items", "is no JMESPath"),
        (f'{URL}[clear]\ntool = "x"\neach = "items"', "clear.each", "needs [list]"),
        ('command = ["x"]\n[auth]\nenv = "KEY"', "auth", "pass_env"),
    ],
)
def test_a_wrong_file_is_refused_in_a_line(tmp_path: Path, text: str, key: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        find_provider(f"mcp:{file}")
    assert str(refused.value).startswith(f"{file}:")
    assert f": {key}: " in str(refused.value)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
