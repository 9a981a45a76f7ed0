"""What comes of each mode of reply, and the table of it.

``python -m tests.llms.clients.test_reply_modes`` writes the table anew.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from itertools import groupby
from typing import Any

import pytest
from aiohttp import web

from judges import ModelJudge
from llms import ModelAnswerer
from llms.clients import open_chat
from llms.clients.sdk_chat import SdkChat
from net.attempts import ATTEMPTS
from tests.llms.clients.model_server import Asked, serving
from tests.llms.clients.reply_modes import MODES, Mode
from tests.repository import ROOT
from vocabulary import Answer, Gold, InfrastructureError, Question

TABLE = ROOT / "docs" / "model-replies.md"
QUESTION = Question(id="q1", text="Where does Caroline live?")
GOLD = Gold(question_type="single-hop", ground_truth="Paris")
DRIP_SECONDS = 1.0

HEAD = """# What comes of a model server's reply

Written by `python -m tests.llms.clients.test_reply_modes`; a test sends each of these replies from a server on
loopback, and checks the outcome and the number of requests. An error that another attempt may cure is tried five times
in all; a judge's reply without a verdict is asked for once more. An error is never an answer and never a verdict.
"""


async def send(mode: Mode, request: web.Request) -> web.StreamResponse:
    """Answer as `mode` says."""
    if not mode.special:
        headers = {"Content-Type": "application/json", **dict(mode.headers)}
        return web.Response(body=mode.body, status=mode.status, headers=headers)
    length = {"half": {"Content-Length": str(len(mode.body))}}.get(mode.special, {})
    response = web.StreamResponse(headers={"Content-Type": "application/json", **length})
    transport = request.transport
    assert transport is not None
    if mode.special != "cut":
        await response.prepare(request)
        await response.write(mode.body[:20])
    if mode.special in ("cut", "half"):
        transport.close()
        return response
    while request.transport is not None:
        try:
            await response.write(b" " if mode.special == "drip" else b" " * 1024 * 1024)
        except ConnectionError:  # the client has had enough
            break
        await asyncio.sleep(DRIP_SECONDS / 20 if mode.special == "drip" else 0)
    return response


async def outcome(mode: Mode, name: str, chat: SdkChat[Any]) -> str:
    """What comes of it in the end: attempts are made as by `net.Caller`, without its pauses."""
    shown = ""
    for _attempt in range(ATTEMPTS):
        try:
            return await _once(mode, name, chat)
        except InfrastructureError as error:
            shown = f"`{type(error).__name__}` {error}"
            if not error.transient:
                break
    return shown


async def _once(mode: Mode, name: str, chat: SdkChat[Any]) -> str:
    if mode.judge:
        judge = ModelJudge(name, "locomo-strict", chat=chat)
        return f"verdict `{(await judge.evaluate(QUESTION, GOLD, Answer(hypothesis='Paris'))).label}`"
    said = (await ModelAnswerer(name, chat=chat).answer(QUESTION, ())).hypothesis
    return f"answer `{said}`" if said else "empty answer"


def _chat(name: str) -> SdkChat[Any]:
    chat = open_chat(name)
    assert isinstance(chat, SdkChat)
    return chat


def measured() -> list[tuple[str, int]]:
    """The outcome and the number of requests of each mode."""
    calls: Counter[int] = Counter()

    async def raw(asked: Asked, request: web.Request) -> web.StreamResponse:
        number = int(asked.body["model"].removeprefix("m"))
        calls[number] += 1
        return await send(MODES[number], request)

    async def everything() -> list[str]:
        few = asyncio.Semaphore(8)  # what is endless takes memory
        opened: dict[tuple[str, bool], SdkChat[Any]] = {}  # a client each for all of them: opening one takes long
        for form, slow in [("openai", False), ("anthropic", False), ("openai", True)]:
            chat = opened[form, slow] = _chat(server.name(form))
            chat._timeout = DRIP_SECONDS if slow else 60
            await chat.open()

        async def limited(number: int, mode: Mode) -> str:
            chat = _chat(name := server.name(mode.form, f"m{number}"))
            chat._client = opened[mode.form, mode.special == "drip"]._client
            async with few:
                return await outcome(mode, name, chat)

        found = await asyncio.gather(*(limited(number, mode) for number, mode in enumerate(MODES)))
        for chat in opened.values():
            await chat.close()
        return found

    with serving() as server:
        server.raw = raw
        outcomes = asyncio.run(everything())
    return [(text, calls[number]) for number, text in enumerate(outcomes)]


def table() -> str:
    """The page of the docs."""
    lines = [HEAD]
    for group, modes in groupby(MODES, key=lambda mode: mode.group):
        lines += [f"## {group.capitalize()}", "", "| a server sends | outcome | requests |", "|---|---|--:|"]
        for mode in modes:
            whose = "to a judge: " if mode.judge and "to a judge" not in mode.sends else ""
            lines.append(f"| {whose}{mode.sends} | {_shown(mode.outcome)} | {mode.calls} |")
        lines.append("")
    return "\n".join(lines)


def _shown(expected: str) -> str:
    kind, _, words = expected.partition(" ")
    return f"{kind}: … {words} …" if "Error`" in kind else expected


def test_each_mode_of_reply_has_its_outcome() -> None:
    wrong = []
    for mode, (text, calls) in zip(MODES, measured(), strict=True):
        kind, _, words = mode.outcome.partition(" ")
        met = text.startswith(f"{kind} ") and words in text if "Error`" in kind else text == mode.outcome
        if not met or calls != mode.calls:
            wrong.append(f"{mode.group}, {mode.sends}: {mode.outcome} in {mode.calls}, was {text:.300} in {calls}")
    assert wrong == []


def test_there_are_enough_and_each_is_named_once() -> None:
    assert len(MODES) >= 60
    assert [name for name, times in Counter((m.group, m.sends, m.judge) for m in MODES).items() if times > 1] == []


def test_the_docs_have_the_table() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(), "write it with python -m tests.llms.clients.test_reply_modes"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    sys.exit(pytest.main(["-p", "no:cacheprovider", __file__]))
