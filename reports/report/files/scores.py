"""What each question of a finished run scored, read from the files that the run left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.metrics import FAILED, Sourced, ranking_of, score_ranking
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


def retrieval_values(evidence: Sequence[str], results: Iterable[Sourced] | None, top_k: int) -> dict[str, float]:
    """By the names of reports, how much of the `evidence` (ids of messages) the `results` of one search hold.

    Empty without evidence; 0 for all where the search failed and `results` is None. `top_k` is the largest cut-off.
    """
    if not evidence:
        return {}
    scores = FAILED if results is None else score_ranking(ranking_of(results, "message"), evidence)
    by_name = ("recall", scores.recall), ("hit", scores.hit), ("ndcg", scores.ndcg)
    values = {f"{name}@{k}": value for name, by_cutoff in by_name for k, value in by_cutoff.items() if k <= top_k}
    return {"mrr": scores.mrr, **values}


def _scores(line: dict[str, Any], retrieved: list[RetrievedLine], top_k: int, judged: bool) -> QuestionScores:
    found = None if line["results"] is None else [retrieved[number] for number in line["results"]]
    values: dict[str, float] = {}
    if judged:
        values["accuracy"] = float(line["outcome"] == "correct")
    values |= retrieval_values(line["evidence_messages"], found, top_k)
    if line["context_tokens"] is not None:
        values["context_tokens"] = float(line["context_tokens"])
    texts = tuple(f"{result.message_ids} {result.text}" for result in found or ())
    return QuestionScores(line["question_id"], line["cluster"], line["question_type"], values, (texts, line["answer"]))
