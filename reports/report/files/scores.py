"""What each question of a finished run scored, read from the files that the run left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.metrics import FAILED, ranking_of, score_ranking
from reports.report.files.lines import RESULTS, RETRIEVED, RetrievedLine, read_file


@dataclass(frozen=True, slots=True)
class QuestionScores:
    """What one question of a provider scored: values by the names that reports give their means.

    ``accuracy`` (1 or 0) where verdicts were asked for, ``recall@10`` and the like for the cut-offs of the run where
    the question names evidence, ``mrr``, ``context_tokens``. An error is 0 in all but the last, which it lacks.
    `found` tells whether two runs gave the model and the reader the same: sources and texts of results, and the answer.
    """

    question: str
    cluster: str
    question_type: str
    values: Mapping[str, float]
    found: tuple[tuple[str, ...], str | None]


def read_scores(folder: Path, *, provider: str, top_k: int, judged: bool) -> list[QuestionScores]:
    """The scores of `provider` in the run in `folder`, in the order of the selection."""
    retrieved = [RetrievedLine.model_construct(**json.loads(line)) for line in read_file(folder / RETRIEVED)]
    lines = (json.loads(line) for line in read_file(folder / RESULTS))
    return [_scores(line, retrieved, top_k, judged) for line in lines if line["provider"] == provider]


def _scores(line: dict[str, Any], retrieved: list[RetrievedLine], top_k: int, judged: bool) -> QuestionScores:
    found = None if line["results"] is None else [retrieved[number] for number in line["results"]]
    values: dict[str, float] = {}
    if judged:
        values["accuracy"] = float(line["outcome"] == "correct")
    if line["evidence_messages"]:
        scores = FAILED if found is None else score_ranking(ranking_of(found, "message"), line["evidence_messages"])
        values["mrr"] = scores.mrr
        for name, by_cutoff in (("recall", scores.recall), ("hit", scores.hit), ("ndcg", scores.ndcg)):
            values |= {f"{name}@{k}": value for k, value in by_cutoff.items() if k <= top_k}
    if line["context_tokens"] is not None:
        values["context_tokens"] = float(line["context_tokens"])
    texts = tuple(f"{result.message_ids} {result.text}" for result in found or ())
    return QuestionScores(line["question_id"], line["cluster"], line["question_type"], values, (texts, line["answer"]))
