"""BEAM's probing questions: ten types, each with a rubric and, but for abstention, the messages that they rest on."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from typing import Any  # parsed JSON

from pydantic import BaseModel, Field, JsonValue, StrictStr, ValidationError

from bench.base import opaque_id
from bench.benchmarks.beam.chats import Chat, message_id
from bench.data import each_key_once
from vocabulary import Case, DataError, EvidenceSource, Gold, Question, clean_json

TYPES = (
    "abstention",
    "contradiction_resolution",
    "event_ordering",
    "information_extraction",
    "instruction_following",
    "knowledge_update",
    "multi_session_reasoning",
    "preference_following",
    "summarization",
    "temporal_reasoning",
)
"""In the order of the paper's tables."""

ABSTENTION = "abstention"
_TRUTHS = {
    ABSTENTION: "ideal_response",
    "contradiction_resolution": "ideal_answer",
    "instruction_following": "expected_compliance",
    "preference_following": "expected_compliance",
    "summarization": "ideal_summary",
}
"""Where a type has its reference answer; the others have it in `answer`."""


class _Asked(BaseModel):
    question: StrictStr
    rubric: list[StrictStr] = Field(min_length=1)
    source_chat_ids: JsonValue = None


def parse_questions(text: str) -> dict[str, list[Any]]:  # any: parsed JSON
    """The questions by type: JSON as in the repository, or the Python literal that a column of the hub holds.

    Raises `DataError` for anything else; nothing in the text is evaluated.
    """
    try:
        value = json.loads(clean_json(text.encode()), object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as error:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(f"neither JSON ({error}) nor a Python literal, is it cut off?") from error
    if not isinstance(value, dict) or not all(isinstance(asked, list) for asked in value.values()):
        raise DataError("holds something else than lists of questions by their types")
    if unknown := next((kind for kind in value if kind not in TYPES), None):
        raise DataError(f"question type {unknown!r} is none of {', '.join(TYPES)}")
    return value


def cases_of(
    questions: dict[str, list[Any]],  # any: parsed JSON
    chat: Chat,
    name: str,
    source: str,
    benchmark: str,
) -> Iterator[Case]:
    """The questions about a chat that ids call `name` (``100K-01``) and the data set `source` (``100K/1``).

    Raises `DataError`.
    """
    number = 0
    for kind, every in questions.items():
        for place, value in enumerate(every):
            where = f"{kind}[{place}]"
            asked, truth = _checked(kind, value, where)
            case_id = f"{name}-q{number:02d}"
            number += 1
            yield Case(
                id=case_id,
                source_id=f"{source}/{where}",
                benchmark=benchmark,
                question=Question(id=opaque_id(benchmark, case_id), text=asked.question),
                gold=_gold(kind, asked, truth, chat, where),
                haystack=chat.haystack,
                cluster=name,
            )


def _checked(kind: str, value: Any, where: str) -> tuple[_Asked, str]:  # any: parsed JSON
    try:
        asked = _Asked.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the question"
        raise DataError(f"{where}: {place}: {first['msg']} (found {first['input']!r:.60})") from error
    field = _TRUTHS.get(kind, "answer")
    truth = value.get(field)
    if not isinstance(truth, str | int | float) or isinstance(truth, bool):
        raise DataError(f"{where}: {field}: text is expected (found {truth!r:.60})")
    return asked, str(truth)


def _gold(kind: str, asked: _Asked, truth: str, chat: Chat, where: str) -> Gold:
    named = [(source, number, chat.session_of(number)) for source, number in _sources(asked.source_chat_ids, where)]
    sources = tuple(
        EvidenceSource(source=source, ids=(message_id(number),) if session else ()) for source, number, session in named
    )
    return Gold(
        question_type=kind,
        ground_truth=truth,
        answerable=kind != ABSTENTION,
        evidence_messages=tuple(dict.fromkeys(name for source in sources for name in source.ids)),
        evidence_sessions=tuple(dict.fromkeys(session for _source, _number, session in named if session)),
        evidence_sources=sources,
        rubric=tuple(asked.rubric),
    )


def _sources(value: JsonValue, where: str, role: str = "") -> Sequence[tuple[str, int]]:
    """The message ids that the evidence names: in a list, in lists of it, or by what each message is evidence of."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [found for name, inner in value.items() for found in _sources(inner, where, f"{name} ")]
    if isinstance(value, list):
        return [found for inner in value for found in _sources(inner, where, role)]
    if isinstance(value, int) and not isinstance(value, bool):
        return [(f"{role}{value}", value)]
    raise DataError(f"{where}: source_chat_ids: {value!r:.60} is no message id")
