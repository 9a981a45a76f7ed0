"""How near to the ideal the model clients come with 64 calls in flight, beside a bare loop of aiohttp.

``python -m tests.perf.model_clients`` makes 1,540 calls with each client to a server on loopback that answers after 50
ms, in a process of its own. It prints the ratio of the time to the ideal (calls x delay / in flight), the ratio to the
bare loop of the same round, which is what this machine gives at that moment, and the client's CPU a call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

from llms.clients import ChatMessage, open_chat

IN_FLIGHT = 64
CONTEXT = "Caroline: I went to the lake with my sister last Friday. " * 100  # 1,400 tokens
MESSAGES = (ChatMessage(role="system", content="Answer."), ChatMessage(role="user", content=CONTEXT))


async def measure(call: Callable[[], Awaitable[object]], calls: int) -> tuple[float, float]:
    """Seconds and CPU seconds for so many calls, after a warm-up that opens the connections."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with slots:
            await call()

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(calls)))
    return time.perf_counter() - begun, time.process_time() - cpu


async def bare(port: int, calls: int) -> tuple[float, float]:
    """The floor: the same bytes without an SDK."""
    body = {"model": "m", "max_tokens": 64, "messages": [message.model_dump() for message in MESSAGES]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:

        async def call() -> None:
            async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as reply:
                await reply.json()

        return await measure(call, calls)


async def client(name: str, calls: int) -> tuple[float, float]:
    """One of ours."""
    chat = open_chat(name)
    try:
        return await measure(lambda: chat.complete(MESSAGES, max_tokens=64), calls)
    finally:
        await chat.close()


async def round_of(port: int, calls: int, delay_ms: float) -> None:
    """Measure all three, one after the other."""
    ideal, floor = calls * delay_ms / 1000 / IN_FLIGHT, 0.0
    for name in ("bare aiohttp", f"openai/m@http://127.0.0.1:{port}/v1", f"anthropic/m@http://127.0.0.1:{port}"):
        seconds, cpu = await (client(name, calls) if "@" in name else bare(port, calls))
        floor = floor or seconds
        print(
            f"{name.partition('/')[0]:>14} {seconds:>7.2f} s   {seconds / ideal:>5.2f} x ideal   "
            f"{seconds / floor:>5.2f} x bare   {cpu / calls * 1000:>5.2f} ms CPU a call",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1540)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.llms.clients.model_server", "0", str(options.delay_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        for number in range(options.rounds):
            print(f"round {number + 1}, {options.calls} calls, load {os.getloadavg()[0]:.1f}")
            asyncio.run(round_of(port, options.calls, options.delay_ms))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
