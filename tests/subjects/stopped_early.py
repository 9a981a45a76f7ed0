"""A memory system whose answer to the first question waits until all that is in flight behind it is judged.

Of a worker that was stopped before that, nothing more is judged: its end ends the wait too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from tests.subjects.watched import Watched, note
from vocabulary import Question, SearchResult

FIRST = Synthetic(BenchmarkOptions(synthetic_sessions=20, synthetic_questions=20)).cases()[0].question


class FirstComesLast(Watched):
    """Keeps the first question of a run until nine others were judged, or a worker has ended."""

    name = "first-comes-last"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        calls = Path(os.environ["WATCHED"]) / "calls"
        while question == FIRST and not self._is_released(calls.read_text()):
            time.sleep(0.01)
        return super().search(container, question, top_k)

    def close(self) -> None:
        note("ended", str(os.getpid()))

    @staticmethod
    def _is_released(calls: str) -> bool:
        return calls.count("judge\t") >= 9 or "ended\t" in calls
