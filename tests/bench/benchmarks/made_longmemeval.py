"""Files in LongMemEval's shape, of any size, from invented text: each question's answer is in one or two sessions.

python -m tests.bench.benchmarks.made_longmemeval longmemeval_m_cleaned.json --instances 500 --sessions 480 --turns 10
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.benchmarks.longmemeval import LongMemEval
from bench.benchmarks.synthetic_talk import SMALL_TALK

LINES = tuple(line for line in SMALL_TALK if "{" not in line)
WORDS = ("Amber", "Birch", "Cobalt", "Dahlia", "Fennel", "Garnet", "Hazel", "Indigo", "Juniper", "Kestrel", "Maple")


def instances(
    count: int, *, sessions: int = 48, turns: int = 10, characters: int = 900, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """`count` instances in the file's order of types, each of so many sessions, turns and characters a turn."""
    draw = random.Random(seed)
    paragraphs = [_paragraph(draw, characters) for _ in range(500)]
    types = LongMemEval.types
    for number in range(count):
        yield _instance(draw, number, types[number * len(types) // count], paragraphs, sessions, turns)


def write(path: Path, made: Iterator[dict[str, Any]]) -> None:
    """Write the list to `path`, one instance at a time."""
    with path.open("w", encoding="utf-8") as file:
        for number, instance in enumerate(made):
            file.write("[" if number == 0 else ", ")
            file.write(json.dumps(instance))
        file.write("]")


def _instance(
    draw: random.Random, number: int, question_type: str, paragraphs: list[str], sessions: int, turns: int
) -> dict[str, Any]:
    abstains = number % 17 == 16
    secret = f"{draw.choice(WORDS)}-{number}"
    evidence = sorted(draw.sample(range(sessions), 1 + number % 2))
    began = datetime(2023, 1, 1, 8) + timedelta(days=number % 30)
    dates = [began + timedelta(hours=7 * at) for at in range(sessions)]
    by = "assistant" if question_type == "single-session-assistant" else "user"
    fact = (by, f"My boat number {number} is called {secret}.")
    talks = [
        _session(draw, turns, paragraphs, None if abstains or at not in evidence else fact) for at in range(sessions)
    ]
    return {
        "question_id": f"made{number:04d}" + ("_abs" if abstains else ""),
        "question_type": question_type,
        "question": f"What did I call my boat number {number}?",
        "question_date": _date(dates[-1] + timedelta(hours=1)),
        "answer": "It was never said." if abstains else secret if number % 10 else number,
        "answer_session_ids": [f"answer_{number}_{at}" for at in evidence],
        "haystack_dates": [_date(date) for date in dates],
        "haystack_session_ids": [
            f"answer_{number}_{at}" if at in evidence else f"{number:04x}{at:04x}" for at in range(sessions)
        ],
        "haystack_sessions": talks,
    }


def _session(
    draw: random.Random, turns: int, paragraphs: list[str], message: tuple[str, str] | None
) -> list[dict[str, Any]]:
    session: list[dict[str, Any]] = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": draw.choice(paragraphs)} for turn in range(turns)
    ]
    if message:
        by, fact = message
        for turn in session:
            turn["has_answer"] = False
        chosen = draw.choice([turn for turn in session if turn["role"] == by])
        chosen["content"] += " " + fact
        chosen["has_answer"] = True
    return session


def _paragraph(draw: random.Random, characters: int) -> str:
    lines: list[str] = []
    while sum(len(line) + 1 for line in lines) < characters:
        lines.append(draw.choice(LINES))
    return " ".join(lines)


def _date(moment: datetime) -> str:
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    return f"{moment:%Y/%m/%d} ({day}) {moment:%H:%M}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=480)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--characters", type=int, default=1092)
    chosen = parser.parse_args()
    write(
        chosen.path,
        instances(chosen.instances, sessions=chosen.sessions, turns=chosen.turns, characters=chosen.characters),
    )


if __name__ == "__main__":
    main()
