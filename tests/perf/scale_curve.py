"""Recall and search latency against the size of the haystack, as a table and as a picture.

    python -m tests.perf.scale_curve --sessions 100 1000 10000 --questions 500 --svg docs/scale.svg

Each size is a run of the synthetic benchmark until search, in a process of its own (its peak memory is measured), one
question in flight at a time (its times are the provider's own).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import NamedTuple

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.store import open_run


class Point(NamedTuple):
    """What was measured at one size; `recall` is recall@10 by message, of each type and of "all"."""

    sessions: int
    messages: int
    ingest_s: float
    recall: dict[str, float]
    p50_ms: float
    p95_ms: float
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--provider", default="bm25")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--svg", type=Path, help="draw the curve into this file")
    parser.add_argument("--point", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.point:
        print(json.dumps(measure(chosen.provider, chosen.sessions[0], chosen.questions, chosen.seed)))
        return
    points = []
    for sessions in sorted(chosen.sessions):
        print(f"{sessions:,} sessions ...", file=sys.stderr, flush=True)
        asked = ["--sessions", str(sessions), "--questions", str(chosen.questions), "--seed", str(chosen.seed)]
        command = [sys.executable, __file__, "--point", "--provider", chosen.provider, *asked]
        points.append(Point(*json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)))
    print("\n".join(table(points)))
    if chosen.svg:
        chosen.svg.write_text(picture(points, chosen.provider), encoding="utf-8")


def measure(provider: str, sessions: int, questions: int, seed: int) -> Point:
    with tempfile.TemporaryDirectory() as folder:
        config = build_benchmark_config(
            provider=(provider,),
            runs_dir=folder,
            run_id="point",
            until="search",
            in_flight=1,
            synthetic_sessions=sessions,
            synthetic_questions=questions,
            synthetic_seed=seed,
        )
        (result,) = run_benchmark(config, "synthetic").report.results
        peak = getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        checkpoint = open_run(Path(folder), "point")
        messages = sum(container.messages for container in checkpoint.container_records())
        checkpoint.close()
    found = {"all": result.retrieval} | {name: part.retrieval for name, part in result.by_type.items()}
    recall = {name: level.message.recall["10"] for name, level in found.items() if level.message and level.message.n}
    ingest, search = result.latency_ms.ingest, result.latency_ms.search
    if result.questions.errors or ingest.mean is None or search.p50 is None or search.p95 is None:
        raise SystemExit(f"{sessions} sessions: {result.questions.errors} errors, nothing to draw: {result.errors[:1]}")
    detail = {name: value for name, value in recall.items() if value is not None}
    return Point(sessions, messages, ingest.mean * ingest.n / 1000, detail, search.p50, search.p95, peak)


def table(points: Sequence[Point]) -> list[str]:
    """A table in Markdown."""
    types = list(points[0].recall)
    heads = ["sessions", "messages", "ingest s", *("recall@10 all" if name == "all" else name for name in types)]
    heads += ["search p50 ms", "p95 ms", "peak MB"]
    rows = [
        [
            f"{point.sessions:,}",
            f"{point.messages:,}",
            f"{point.ingest_s:.2f}",
            *(f"{point.recall[name]:.3f}" for name in types),
            f"{point.p50_ms:.2f}",
            f"{point.p95_ms:.2f}",
            f"{point.peak_mb:.0f}",
        ]
        for point in points
    ]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---:"] * len(heads), *rows)]


WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 200, 50, 40, 150
COLOURS = ("#111827", "#2563eb", "#dc2626", "#059669", "#d97706")


def picture(points: Sequence[Point], provider: str) -> str:
    """Two panels over the logarithm of the number of sessions: recall@10 of each type, and search times."""
    low, high = (math.log10(points[place].sessions) for place in (0, -1))
    across = [(math.log10(point.sessions) - low) / ((high - low) or 1) for point in points]
    recalls = {name: [point.recall[name] for point in points] for name in points[0].recall}
    times = {"p50": [point.p50_ms for point in points], "p95": [point.p95_ms for point in points]}
    slowest = max(times["p95"])
    parts = [
        *panel(0, f"{provider}: recall@10", across, recalls, 1.0, "{:.2f}"),
        *panel(1, f"{provider}: search, ms", across, times, slowest * 1.1, "{:.1f}"),
    ]
    for number in (0, 1):
        for point, place in zip(points, across, strict=True):
            x = LEFT + number * (WIDTH + GAP) + place * WIDTH
            parts.append(text(x, TOP + HEIGHT + 18, f"{point.sessions:,}", "middle"))
        parts.append(text(LEFT + number * (WIDTH + GAP) + WIDTH / 2, TOP + HEIGHT + 36, "sessions", "middle"))
    size = (LEFT + 2 * WIDTH + GAP + 130, TOP + HEIGHT + 50)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{size[0]}" height="{size[1]}" fill="white"/>', *parts, "</svg>"]) + "\n"


def panel(
    number: int, title: str, across: list[float], lines: dict[str, list[float]], top: float, form: str
) -> list[str]:
    left = LEFT + number * (WIDTH + GAP)
    parts = [text(left, TOP - 16, title, "start")]
    for quarter in range(5):
        y = TOP + HEIGHT * (1 - quarter / 4)
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + WIDTH}" y2="{y}" stroke="#e5e7eb"/>')
        parts.append(text(left - 6, y + 4, form.format(top * quarter / 4), "end"))
    free = float(TOP)
    for (name, values), colour in zip(sorted(lines.items(), key=lambda line: -line[1][-1]), COLOURS, strict=False):
        places = [(left + a * WIDTH, TOP + HEIGHT * (1 - v / top)) for a, v in zip(across, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        free = max(free + 13, places[-1][1] + 4)  # names that end at the same height stand below each other
        parts.append(text(left + WIDTH + 6, free, name, "start", colour))
    return parts


def text(x: float, y: float, words: str, anchor: str, colour: str = "#374151") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="{anchor}" fill="{colour}">{words}</text>'


if __name__ == "__main__":
    main()
