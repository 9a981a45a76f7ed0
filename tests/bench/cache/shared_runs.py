"""Runs of watched subjects with one cache, as programs make them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config import build_benchmark_config
from bench.run import run_benchmark

QUESTIONS, SESSIONS = 10, 10
ASKED = ("ingest", "clear", "search", "answer", "judge")
WATCHED = "tests.subjects.watched"
HARSH, SURE = "tests.subjects.panel_subjects:Harsh", "tests.subjects.panel_subjects:Sure"


@dataclass
class SharedRuns:
    """`folder` holds the runs, what subjects noted, and the cache."""

    folder: Path

    @property
    def cache(self) -> Path:
        """Where runs share."""
        return self.folder / "shared" / "cache"

    def run(self, run_id: str, **options: object) -> dict[str, Any]:  # Any: parsed JSON
        """A run; the only result of its report."""
        given: dict[str, object] = {
            "provider": (f"{WATCHED}:Watched",),
            "answering_model": f"{WATCHED}:First",
            "judge": (f"{WATCHED}:Contains",),
            "synthetic_sessions": SESSIONS,
            "synthetic_questions": QUESTIONS,
            "runs_dir": self.folder / "runs",
            "cache": self.cache,
            "run_id": run_id,
        }
        ended = run_benchmark(build_benchmark_config(**{**given, **options}), "synthetic")
        (result,) = ended.report.model_dump(mode="json")["results"]
        return dict(result)

    def asked(self) -> dict[str, int]:
        """How often each thing was asked of the subjects so far."""
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return {what: sum(line.startswith(f"{what}\t") for line in lines) for what in ASKED}

    def change(self, statement: str) -> None:
        """Change the cache's database."""
        with closing(sqlite3.connect(self.cache / "cache.sqlite")) as database:
            database.execute(statement)
            database.commit()

    def bytes_used_in(self, second: int) -> int:
        """The bytes of rows that were last used then."""
        with closing(sqlite3.connect(self.cache / "cache.sqlite")) as database:
            query = "select coalesce(sum(bytes), 0) from cached_steps where used = ?"
            return int(database.execute(query, (second,)).fetchone()[0])
