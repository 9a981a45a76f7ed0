"""A line of results.jsonl and of retrieved.jsonl: what a reader needs to compute every figure again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue
from pydantic.json_schema import models_json_schema

from reports.metrics import Documented
from reports.store import Step
from vocabulary import EvidenceSource, Verdict, Word, is_none

RESULTS = "results.jsonl"
RETRIEVED = "retrieved.jsonl"


class RetrievedLine(Documented, Word):
    """A line of retrieved.jsonl: what a provider returned, once for all questions that it was returned for."""

    provider: str
    text: str
    timestamp: datetime | None
    session_ids: tuple[str, ...]
    message_ids: tuple[str, ...]
    raw: JsonValue
    """The provider's own record of it."""


class ResultLine(Documented, Word):
    """A line of results.jsonl: everything about one question of one provider."""

    question_id: str
    source_id: str
    """The data set's own id of the question."""
    provider: str
    benchmark: str
    question_type: str
    question: str
    question_date: datetime | None
    ground_truth: str
    answerable: bool
    category: int | str | None
    """The data set's own label of the type."""
    groups: tuple[str, ...]
    rubric: tuple[str, ...] = ()
    """The nuggets that the data set grades by; empty where it grades by the ground truth."""
    evidence_messages: tuple[str, ...]
    evidence_sessions: tuple[str, ...]
    evidence_sources: tuple[EvidenceSource, ...]
    """The evidence as the data set publishes it, and the ids above that each part of it names."""
    corrected_truth: str | None = Field(default=None, exclude_if=is_none)
    """The ground truth by the corrected key; only in a run that grades by both keys, of a question that it corrects."""
    corrected_evidence: tuple[str, ...] | None = Field(default=None, exclude_if=is_none)
    """The messages of the evidence by that key; in the same lines."""
    haystack: str
    haystack_tokens: int | None
    """Size of the haystack in estimated tokens (a token is four characters); null before it is ingested."""
    cluster: str
    population: int | None
    """Questions of this type in the whole benchmark: what a question of a sample stands for."""
    outcome: str
    results: tuple[int, ...] | None
    """Numbers of lines in retrieved.jsonl, from 0, in the provider's order; null where no search was done."""
    scores: tuple[float | None, ...] | None
    """The provider's scores of these results; null where it gave none."""
    context_tokens: int | None
    """Estimated tokens of the results that the answering model was given to read; null where no search was done."""
    answer: str | None
    """The hypothesis."""
    model: str | None
    """The answering model, as its server calls it."""
    verdict: Verdict | None
    """With the judge's `model` as its server calls it."""
    replayed: bool
    steps: tuple[Step, ...]


def lines_schema() -> str:
    """The JSON Schema of both kinds of lines as text, ending in a newline: ``docs/results.schema.json``."""
    _, schema = models_json_schema([(ResultLine, "serialization"), (RetrievedLine, "serialization")])
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{RESULTS}, {RETRIEVED}", **schema}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:  # Any: parsed JSON
    """The lines of a run's results.jsonl, each of its `results` as the line of retrieved.jsonl with its `score`."""
    retrieved = [json.loads(line) for line in read_file(folder / RETRIEVED)]
    for text in read_file(folder / RESULTS):
        line = json.loads(text)
        if line["results"] is not None:
            scores = line["scores"] or [None] * len(line["results"])
            pairs = zip(line["results"], scores, strict=True)
            line["results"] = [{**retrieved[number], "score": score} for number, score in pairs]
        yield line


def read_file(path: Path) -> Iterator[str]:
    """The lines of one of the two files."""
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from file
