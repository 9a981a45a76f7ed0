"""How often a search finds something where there is nothing to be found: its verdicts over many seeds.

    python -m tests.perf.nothing_matters --studies 20

Two memory systems ignore their settings (`tests.subjects.tunable`): one always finds the same, the other misses results
at random, others in each run. Each study has its own seed, its own division into tune and holdout, and its own data.
"nothing found" is a study whose default settings were the best on the tune part: the holdout part is not looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tuner.__main__ import main as tuner

VERDICTS = {
    "no difference": r"no difference was shown",
    "nothing found": r"nothing was found that is better",
    "better": r"better by",
    "worse": r"worse by",
}


def verdict_of(provider: str, seed: int, trials: int, folder: Path) -> str:
    """The verdict of one study of that memory system; raises `RuntimeError` if it ends without one."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = tuner(
            [
                *("optimize", f"--provider=tests.subjects.tunable:{provider}", f"--name={provider}-{seed}"),
                *("--until=search", "--objective=recall@10", "--preset=quick", "--no-dead-check", "--no-cache"),
                *(f"--trials={trials}", f"--seed={seed}", f"--part-seed={seed}", "--storage=memory"),
                *("--option=synthetic_sessions=20", f"--option=synthetic_seed={seed}", f"--runs-dir={folder}"),
                *("--pruner=none", "--noise-repeats=2"),
            ]
        )
    said = out.getvalue()
    for verdict, words in VERDICTS.items():
        if status == 0 and re.search(words, said):
            return verdict
    raise RuntimeError(f"study {provider}-{seed} ended with status {status}: {said}{err.getvalue()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how often each verdict was given; 1 if a difference was claimed in more than one study of twenty."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20, help="seeds 0, 1, … for each of both")
    parser.add_argument("--trials", type=int, default=6)
    chosen = parser.parse_args(arguments)
    most = 0
    for provider in ("Deaf", "Noisy"):
        counts: Counter[str] = Counter()
        for seed in range(chosen.studies):
            with tempfile.TemporaryDirectory() as folder:
                counts[verdict_of(provider, seed, chosen.trials, Path(folder))] += 1
        print(f"{provider}: {', '.join(f'{name} {counts[name]}' for name in VERDICTS)}", flush=True)
        most = max(most, counts["better"] + counts["worse"])
    return int(most > chosen.studies / 20)


if __name__ == "__main__":
    sys.exit(main())
