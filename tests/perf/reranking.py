"""What reranking finds and costs on one conversation of LoCoMo: recall@10, and CPU time a question.

    MEMORYBENCH_DATA=DIR python -m tests.perf.reranking --questions 50

The questions are the first of categories 1 to 4 that name evidence. The first line is what embedding a message costs
here, to compare machines by. "first" is a question whose candidates no question had before, "later" one whose
candidates are known.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo
from providers.baselines.hybrid import Hybrid, HybridSettings
from vocabulary import Case

CONVERSATION = "conv-26"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each reranker at each depth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=50)
    chosen = parser.parse_args(arguments)
    benchmark = LoCoMo(BenchmarkOptions(data=os.environ["MEMORYBENCH_DATA"]))
    own = [case for case in benchmark.cases() if case.cluster == CONVERSATION and case.gold.answerable]
    cases = [case for case in own if case.gold.evidence_messages][: chosen.questions]
    with tempfile.TemporaryDirectory() as folder:
        plain = Hybrid(HybridSettings(), Path(folder))
        begun, count = time.process_time(), 0
        for session in benchmark.haystack(cases[0].haystack).sessions():
            plain.ingest("c", session)
            count += len(session.messages)
        print(
            f"a message embedded: {(time.process_time() - begun) / count * 1000:.1f} ms of CPU, load {os.getloadavg()}"
        )
        print(f"none: {_line(plain, cases)}", flush=True)
        for settings in (
            HybridSettings(rerank="late-interaction", rerank_depth=20),
            HybridSettings(rerank="late-interaction", rerank_depth=50),
            HybridSettings(rerank="late-interaction", rerank_depth=100),
            HybridSettings(rerank="cross-encoder", rerank_depth=20),
            HybridSettings(rerank="cross-encoder", rerank_depth=50),
        ):
            print(
                f"{settings.rerank}, {settings.rerank_depth}: {_line(Hybrid(settings, Path(folder)), cases)}",
                flush=True,
            )


def _line(memory: Hybrid, cases: Sequence[Case]) -> str:
    shares, first = _searched(memory, cases)
    _, later = _searched(memory, cases[-10:])
    memory.close()
    return f"recall@10 {statistics.mean(shares):.3f}, {first[0]:.0f} ms first, {statistics.median(later):.0f} ms later"


def _searched(memory: Hybrid, cases: Sequence[Case]) -> tuple[list[float], list[float]]:
    """The share of its evidence that each question finds, and its milliseconds of CPU."""
    shares, times = [], []
    for case in cases:
        begun = time.process_time()
        found = memory.search("c", case.question, 10)
        times.append((time.process_time() - begun) * 1000)
        assert isinstance(found, Sequence)
        evidence = set(case.gold.evidence_messages)
        shares.append(len(evidence & {id_ for one in found for id_ in one.message_ids}) / len(evidence))
    return shares, times


if __name__ == "__main__":
    main()
