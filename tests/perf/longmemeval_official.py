"""Whether the official retrieval figures of a run are those of LongMemEval's own functions on the same rankings.

    python -m tests.perf.longmemeval_official CHECKOUT DATA_FILE RUN_FOLDER BENCHMARK

CHECKOUT is a clone of https://github.com/xiaowu0162/LongMemEval, DATA_FILE the JSON that the run read (or the same as
.xz) and RUN_FOLDER that of a run with one provider. Prints both figures where they differ in the sixth decimal.
"""

from __future__ import annotations

import argparse
import ast
import json
import lzma
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from reports.report import read_lines

K = (1, 3, 5, 10, 30, 50)
METRICS = ("recall_any", "recall_all", "ndcg_any")
WANTED = ("dcg", "ndcg", "evaluate_retrieval", "evaluate_retrieval_turn2session", "process_item_flat_index")


def official_functions(checkout: Path) -> dict[str, Any]:  # Any: functions without types
    """The authors' functions, without their modules' imports of torch and transformers."""
    np.asfarray = lambda values: np.asarray(values, dtype=float)  # type: ignore[attr-defined]  # gone since numpy 2
    names: dict[str, Any] = {"np": np}
    for name in ("eval_utils.py", "run_retrieval.py"):
        parsed = ast.parse((checkout / "src" / "retrieval" / name).read_text())
        parsed.body = [node for node in parsed.body if isinstance(node, ast.FunctionDef) and node.name in WANTED]
        exec(compile(parsed, name, "exec"), names)
    return names


class Corpus:
    """The authors' corpus of an instance at one granularity, and where our ids are in it."""

    def __init__(self, official: dict[str, Any], raw: dict[str, Any], granularity: str) -> None:
        dates = [(date[:10], date[-5:]) for date in raw["haystack_dates"]]
        number = {at: place for place, at in enumerate(sorted(range(len(dates)), key=dates.__getitem__), start=1)}
        self.ids: list[str] = []
        self.places: dict[str, int] = {}
        for at, (name, turns) in enumerate(zip(raw["haystack_session_ids"], raw["haystack_sessions"], strict=True)):
            session = f"s{number[at]:03d}"
            users = [f"{session}u{turn:02d}" for turn, one in enumerate(turns, start=1) if one["role"] == "user"]
            _texts, ids, _dates = official["process_item_flat_index"](turns, granularity, name, "")
            ours = users if granularity == "turn" else [session]
            self.places.update(zip(ours, range(len(self.ids), len(self.ids) + len(ids)), strict=True))
            self.ids += ids

    def ranked(self, results: list[dict[str, Any]], key: str) -> list[int]:
        """The ranking as indexes into the corpus."""
        found = dict.fromkeys(one for result in results for one in result[key])
        return [self.places[one] for one in found if one in self.places]


def official_means(official: dict[str, Any], instances: list[Any], lines: dict[str, Any]) -> dict[str, float]:
    """The figures by "name.level.metric@k"."""
    values: dict[str, list[float]] = defaultdict(list)
    for raw in instances:
        said = [turn for session in raw["haystack_sessions"] for turn in session if turn["role"] == "user"]
        if "_abs" in raw["question_id"] or not any(turn.get("has_answer") for turn in said):
            continue
        for figures, granularity, key, function in (
            ("longmemeval_official.turn", "turn", "message_ids", "evaluate_retrieval"),
            ("longmemeval_official.session", "turn", "message_ids", "evaluate_retrieval_turn2session"),
            ("longmemeval_session_corpus.session", "session", "session_ids", "evaluate_retrieval"),
        ):
            corpus = Corpus(official, raw, granularity)
            ranking = corpus.ranked(lines[raw["question_id"]]["results"], key)
            correct = list({one for one in corpus.ids if "answer" in one})
            for k in K:
                scores = official[function](ranking, correct, corpus.ids, k=k)
                for metric, score in zip(METRICS, scores, strict=True):
                    values[f"{figures}.{metric}@{k}"].append(score)
    return {name: float(np.mean(scores)) for name, scores in values.items()}


def main() -> None:
    """Compare, and exit with 1 where a figure differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkout", "data_file", "run_folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("benchmark")
    options = parser.parse_args()
    unpacked = lzma.open if options.data_file.suffix == ".xz" else open
    with unpacked(options.data_file, "rb") as file:
        instances = json.load(file)
    lines = {
        line["source_id"]: line for line in read_lines(options.run_folder) if line["benchmark"] == options.benchmark
    }
    report = json.loads((options.run_folder / "report.json").read_bytes())
    (ours,) = (one for one in report["results"] if one["benchmark"]["name"] == options.benchmark)
    theirs = official_means(official_functions(options.checkout), instances, lines)
    differing = 0
    for name, value in theirs.items():
        figures, level, metric = name.split(".")
        measured = ours["official_retrieval"][figures][level][metric.split("@")[0]][metric.split("@")[1]]
        if measured is None or abs(measured - value) > 1e-6:
            differing += 1
            print(f"{name}: theirs {value:.6f}, ours {measured}")
    print(f"{len(theirs) - differing} of {len(theirs)} figures are equal to six decimals")
    raise SystemExit(differing > 0)


if __name__ == "__main__":
    main()
