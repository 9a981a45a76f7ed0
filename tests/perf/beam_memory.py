"""BEAM in the shape and size of its 1M or 10M: the peak memory of each worker of a whole run.

    python -m tests.perf.beam_memory                       # 35 chats of 1M, bm25, two workers
    python -m tests.perf.beam_memory --size 10M --chats 2

Makes chats of invented text in a temporary folder, as many messages of as many characters as the published ones have
(means of the chats at commit b2a3ee8), and runs pytest over them twice: the first run indexes the files. Needs Linux,
whose ``/proc`` has each process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.benchmarks.beam.questions import TYPES
from tests.repository import ROOT

BATCHES, MESSAGES = 10, 214
"""Of a chat of 1M, and of a plan of 10M, which has ten of those."""
USER, ASSISTANT = 300, 4_300
"""Characters of a message."""
_FIELDS = {
    "abstention": "ideal_response",
    "contradiction_resolution": "ideal_answer",
    "instruction_following": "expected_compliance",
    "preference_following": "expected_compliance",
    "summarization": "ideal_summary",
}


def make_chat(folder: Path, plans: int, seed: int) -> int:
    """A chat with its questions in `folder`; the bytes of the chat."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 11))) for _ in range(20_000)]
    ids = iter(range(10**9))

    def text(length: int) -> str:
        return " ".join(draw.choices(words, k=length // 7))

    def batches() -> Iterator[dict[str, object]]:
        for number in range(BATCHES):
            said: list[dict[str, object]] = []
            for _pair in range(MESSAGES // 2):
                mark = f"{text(USER)} ->-> {number + 1},{len(said) // 2}"
                said.append({"role": "user", "id": next(ids), "content": mark})
                said.append({"role": "assistant", "id": next(ids), "content": text(ASSISTANT)})
            said[0]["time_anchor"] = f"March-{number + 1:02d}-2024"
            yield {"batch_number": number + 1, "turns": [said[at : at + 2] for at in range(0, len(said), 2)]}

    (folder / "probing_questions").mkdir(parents=True)
    path = folder / "chat.json"
    with path.open("w") as stream:  # a plan at a time: what is measured is the reading
        parts = (
            ([{f"plan-{n}": list(batches())}] for n in range(1, plans + 1)) if plans > 1 else ([b] for b in batches())
        )
        for number, part in enumerate(parts):
            stream.write(("," if number else "[") + json.dumps(part)[1:-1])
        stream.write("]")
    count = plans * BATCHES * MESSAGES
    questions = {
        kind: [
            {
                "question": f"What about {text(60)}?",
                _FIELDS.get(kind, "answer"): text(60),
                "rubric": [text(40), text(40)],
                "source_chat_ids": None if kind == "abstention" else draw.sample(range(count), 3),
            }
            for _ in range(2)
        ]
        for kind in TYPES
    }
    (folder / "probing_questions" / "probing_questions.json").write_text(json.dumps(questions))
    return path.stat().st_size


def run(data: Path, size: str, provider: str, workers: int, folder: Path) -> None:
    """A run of pytest; prints how long it took and the peak memory of each of its processes."""
    name = f"beam_{size.lower()}"
    command = [sys.executable, "-m", "pytest", "bench", "-k", name, "--provider", provider, "-q", "-n", str(workers),
               "-p", "no:cacheprovider", "--until", "search", "--runs-dir", str(folder / "runs")]  # fmt: skip
    environment = os.environ | {"MEMORYBENCH_DATA": str(data), "XDG_CACHE_HOME": str(folder / "cache")}
    peaks: dict[int, int] = {}
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for pid in (process.pid, *_children(process.pid)):
                peaks[pid] = max(peaks.get(pid, 0), _peak_mb(pid))
            time.sleep(0.1)
        last = (process.stdout.read() if process.stdout else "").rstrip().splitlines()[-1]
    workers_mb = sorted((peak for pid, peak in peaks.items() if pid != process.pid), reverse=True)[:workers]
    print(f"{last}; {time.monotonic() - begun:.0f} s; peak of each worker {workers_mb} MB, of the controller "
          f"{peaks[process.pid]} MB", flush=True)  # fmt: skip


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _peak_mb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=("1M", "10M"), default="1M")
    parser.add_argument("--chats", type=int, default=35)
    parser.add_argument("--provider", default="bm25")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        place = Path(made) / "data" / "beam" / "chats" / chosen.size
        plans = 10 if chosen.size == "10M" else 1
        size = sum(make_chat(place / str(number), plans, number) for number in range(1, chosen.chats + 1))
        print(f"{chosen.chats} chats of {chosen.size}: {size:,} bytes", flush=True)
        for _use in range(2):
            run(Path(made) / "data", chosen.size, chosen.provider, chosen.workers, Path(made))


if __name__ == "__main__":
    main()
