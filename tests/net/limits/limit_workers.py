"""What the processes do that tests of the limits start; each writes when it began and ended what."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # the arguments of a process are its own business

from net.limits import Limiter, Schedule, SharedSlots
from tests.processes import FORKSERVER, forked


def together(folder: Path, count: int, work: Callable[..., None], *arguments: object) -> list[list[tuple[float, ...]]]:
    """Run `work` in `count` processes that begin at one moment; the lines of numbers that each wrote."""
    barrier = FORKSERVER.Barrier(count)
    processes = [forked(_begin, barrier, work, folder, number, *arguments) for number in range(count)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return [lines(folder, number) for number in range(count)]


def lines(folder: Path, number: int) -> list[tuple[float, ...]]:
    """What the process wrote."""
    written = (folder / f"{number}.txt").read_text().splitlines()
    return [tuple(float(word) for word in line.split()) for line in written]


def _begin(barrier: Any, work: Callable[..., None], *arguments: Any) -> None:  # Any: as multiprocessing has it
    barrier.wait(60)
    work(*arguments)


def keep_reserving(folder: Path, number: int, per_minute: float, seconds: float) -> None:
    """Begin as often as the schedule lets it, and write when."""
    schedule = Schedule(folder / "schedule", per_minute)
    end = time.time() + seconds
    begun: list[float] = []

    async def work() -> None:
        while time.time() < end:
            await schedule.turn()
            begun.append(time.time())

    asyncio.run(work())
    (folder / f"{number}.txt").write_text("".join(f"{moment!r}\n" for moment in begun))


def keep_taking(folder: Path, number: int, slots: int, tasks: int, rounds: int) -> None:
    """Hold slots for a moment, several tasks at once, and write from when to when."""
    shared = SharedSlots(folder / "slots", slots)
    held: list[str] = []

    async def task() -> None:
        for _round in range(rounds):
            slot = await shared.take()
            begun = time.time()
            await asyncio.sleep(0.005)
            held.append(f"{slot} {begun!r} {time.time()!r}\n")
            shared.give_back(slot)

    async def work() -> None:
        await asyncio.gather(*(task() for _task in range(tasks)))

    asyncio.run(work())
    (folder / f"{number}.txt").write_text("".join(held))


def take_all_and_hang(folder: Path, slots: int) -> None:
    """Take every slot, say so, and keep them."""
    shared = SharedSlots(folder / "slots", slots)

    async def work() -> None:
        for _slot in range(slots):
            await shared.take()

    asyncio.run(work())
    (folder / "taken").touch()
    time.sleep(600)


def call_when_told_to_pause(folder: Path, number: int, pause: float) -> None:
    """Begin a call as often as the limiter lets it; the first process asks for a pause after its third."""
    limiter = Limiter(folder, "service", most=4, per_minute=60_000)
    written: list[str] = []

    async def work() -> None:
        for call in range(20):
            async with limiter.slot():
                written.append(f"{time.time()!r}\n")
                await asyncio.sleep(0.01)
                if number == 0 and call == 2:
                    limiter.pushed_back(pause)
                    (folder / "paused.txt").write_text(repr(time.time()))

    asyncio.run(work())
    (folder / f"{number}.txt").write_text("".join(written))
