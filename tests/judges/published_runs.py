"""Published answers with the grades that others gave them, and how far the offline judge agrees with those.

    MEMORYBENCH_DATA=DIR python -m tests.judges.published_runs [--zep-papers CLONE] [--locomo-audit CLONE]

Prints a line for each run. DIR has `judge/` and `published/`; with clones of https://github.com/getzep/zep-papers and
https://github.com/dial481/locomo-audit there are the whole run of Zep, three more of full context, and vague answers.

`held_out` are the answers that no rule and no threshold was chosen on: LoCoMo's last five conversations, half of
LongMemEval by the hash of the question's id, and all of `cognee`.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from judges.lexical import LexicalJudge
from tests.repository import DATA
from vocabulary import Answer, Gold, Question

WRONG = ("audit-wrong", "audit-vague")
"""Sets of answers that are all wrong on purpose: specific ones and vague ones."""


class Graded(NamedTuple):
    """An answer, whether it was held out, and whether its publisher's grader accepts it."""

    run: str
    held_out: bool
    question: str
    truth: str
    answerable: bool
    answer: str
    accepted: bool

    def verdict(self) -> bool:
        """Whether the offline judge accepts it."""
        gold = Gold(question_type="any", ground_truth=self.truth, answerable=self.answerable)
        question = Question(id="q", text=self.question)
        return LexicalJudge().evaluate(question, gold, Answer(hypothesis=self.answer)).correct


def graded_answers(zep_papers: Path | None = None, locomo_audit: Path | None = None) -> Iterator[Graded]:
    """All that are there."""
    zep = "kg_architecture_agent_memory/locomo_eval/data/zep_locomo_grades.json"
    yield from _zep(zep_papers / zep if zep_papers else DATA / "judge/zep_locomo_grades.json")
    yield from _mem0(DATA / "published/mem0")
    yield from _audit("audit-wrong", DATA / "published/locomo-audit/ap_v1_scored.json")
    yield from _audit("full-context-4.1-cot", DATA / "published/locomo-audit/fc_gpt-4.1-mini-cot.json")
    if locomo_audit:
        yield from _audit("audit-vague", locomo_audit / "ap-baseline/v2/ap_eval_results_scored.json")
        for model in ("gpt-4.1-mini-memos", "gpt-4o-mini-cot", "gpt-4o-mini-memos"):
            name = f"full-context-{model.removeprefix('gpt-').replace('-mini', '')}"
            yield from _audit(name, locomo_audit / f"fc-baseline/results/{model}/eval_results.json")
    yield from _cognee(DATA / "published/amb/locomo_cognee_rag.json.gz")


def agreement(graded: Iterable[Graded]) -> dict[str, dict[str, float]]:
    """Of each run n, kappa (over all and over those held out), and the share that is accepted of what is not right."""
    runs: dict[str, list[tuple[bool, bool, bool]]] = {}
    for one in graded:
        runs.setdefault(one.run, []).append((one.held_out, one.accepted, one.verdict()))
    return {run: _figures(run, rows) for run, rows in runs.items()}


def _figures(run: str, rows: list[tuple[bool, bool, bool]]) -> dict[str, float]:
    from sklearn.metrics import cohen_kappa_score

    figures: dict[str, float] = {"n": len(rows)}
    for suffix, chosen in (("", rows), (" held out", [row for row in rows if row[0]])):
        labels, verdicts = [row[1] for row in chosen], [row[2] for row in chosen]
        if run not in WRONG:
            figures[f"kappa{suffix}"] = float(cohen_kappa_score(labels, verdicts))
        refused = [verdict for label, verdict in zip(labels, verdicts, strict=True) if not label]
        figures[f"wrong accepted{suffix}"] = sum(refused) / len(refused)
        if not suffix:
            figures["right rejected"] = sum(
                label and not verdict for label, verdict in zip(labels, verdicts, strict=True)
            )
    return figures


def _zep(path: Path) -> Iterator[Graded]:
    for number, records in enumerate(_read(path).values()):
        for one in records:
            yield Graded(
                "zep", number >= 5, one["question"], str(one["golden_answer"]), True, one["answer"], one["grade"]
            )


def _mem0(folder: Path) -> Iterator[Graded]:
    for one in _read(folder / "locomo_top50_results.json").get("evaluations", ()):
        graded, held_out = one["cutoff_results"]["top_50"], one["conversation_idx"] >= 5
        if graded["judgment"] in ("CORRECT", "WRONG"):
            accepted = graded["judgment"] == "CORRECT"
            truth = str(one["ground_truth_answer"])
            yield Graded("mem0-locomo", held_out, one["question"], truth, True, graded["generated_answer"], accepted)
    for one in _read(folder / "longmemeval_top50_results.json").get("evaluations", ()):
        graded, truth = one["cutoff_results"]["top_50"], str(one["ground_truth_answer"])
        held_out = int(sha256(one["question_id"].encode()).hexdigest(), 16) % 2 == 1
        answerable, accepted = not one["is_abstention"], graded["judgment"] == "PASS"
        answer = graded["generated_answer"]
        yield Graded("mem0-longmemeval", held_out, one["question"], truth, answerable, answer, accepted)


def _audit(run: str, path: Path) -> Iterator[Graded]:
    for number, records in enumerate(_read(path).get("detailed_results", {}).values()):
        for one in records:
            grades = list(one["llm_judgments"].values())
            accepted = run not in WRONG and 2 * sum(grades) > len(grades)
            truth, answer = str(one["golden_answer"]), one["generated_answer"]
            yield Graded(run, number >= 5, one["question"], truth, True, answer, accepted)


def _cognee(path: Path) -> Iterator[Graded]:
    for one in _read(path).get("results", ()):
        yield Graded("cognee", True, one["query"], str(one["gold_answers"][0]), True, one["answer"], one["correct"])


def _read(path: Path) -> dict[str, Any]:  # Any: parsed JSON of others
    if not path.exists():
        return {}
    read: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return read


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zep-papers", type=Path)
    parser.add_argument("--locomo-audit", type=Path)
    options = parser.parse_args()
    columns = ("n", "kappa", "kappa held out", "wrong accepted", "wrong accepted held out", "right rejected")
    print(f"{'run':24}" + "".join(f"{column:>25}" for column in columns))
    for run, figures in agreement(graded_answers(options.zep_papers, options.locomo_audit)).items():
        shown = (
            f"{figures[name]:.3f}" if name in figures and "." in str(figures[name]) else figures.get(name, "-")
            for name in columns
        )
        print(f"{run:24}" + "".join(f"{one:>25}" for one in shown))


if __name__ == "__main__":
    main()
