"""What a page shows of one question when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from reports.html.packed import Interned, shown
from reports.report import QuestionFiles, Retrieved

LONGEST = 20_000
"""Of a text of the question: characters. The whole is in results.jsonl."""
LONGEST_RESULT = 2_000
"""Of a result: some providers return whole conversations. The whole is in retrieved.jsonl."""

_SOURCES = 20
"""Of a result: a whole conversation has hundreds of messages."""

Line = dict[str, Any]  # Any: parsed JSON
Found = tuple[Retrieved, ...]


class Details:
    """Details of one question after another; they refer to `texts` and `retrieved` (text, date, sources) by number."""

    def __init__(self, files: QuestionFiles, providers: Sequence[str], kept: int) -> None:
        self.texts = Interned[str]()
        self.retrieved = Interned[tuple[int, str | None, tuple[str, ...]]]()
        self._files = files
        self._providers = {name: number for number, name in enumerate(providers)}
        self._kept = kept

    def found(self, line: Line) -> Found | None:
        """The results of a line; None where no search was done."""
        return None if line["results"] is None else tuple(map(self._files.retrieved, line["results"]))

    def of(self, asked: Sequence[tuple[Line, Found | None]]) -> JsonValue:
        """The question that all lines are about."""
        first = asked[0][0]
        wanted = first["evidence_messages"] or first["evidence_sessions"]
        return {
            "question": self._text(first["question"]),
            "gold": self._text(first["ground_truth"]),
            "date": first["question_date"],
            "answerable": first["answerable"],
            "source": shown(first["source_id"], LONGEST),
            "cluster": shown(first["cluster"], LONGEST),
            "haystack": shown(first["haystack"], LONGEST),
            "haystack_tokens": next((line["haystack_tokens"] for line, _ in asked if line["haystack_tokens"]), None),
            "evidence": [[shown(one, LONGEST), self._said(one, asked)] for one in wanted],
            "asked": [self._asked(line, found) for line, found in asked],
        }

    def _said(self, source: str, asked: Sequence[tuple[Line, Found | None]]) -> int | None:
        """The text of a message, where any result is this message alone."""
        every = (result for _line, found in asked for result in found or ())
        alone = next((result.text for result in every if result.message_ids == (source,)), None)
        return None if alone is None else self._text(alone, LONGEST_RESULT)

    def _asked(self, line: Line, found: Found | None) -> JsonValue:
        verdict = line["verdict"]
        return {
            "provider": self._providers[line["provider"]],
            "outcome": line["outcome"],
            "answer": None if line["answer"] is None else self._text(line["answer"]),
            "model": line["model"] and shown(line["model"], LONGEST),
            "judge_model": verdict and verdict["model"] and shown(verdict["model"], LONGEST),
            "explanation": None if verdict is None else self._text(verdict["explanation"]),
            "votes": [self._vote(vote) for vote in verdict["votes"]] if verdict else [],
            "context_tokens": line["context_tokens"],
            "replayed": line["replayed"],
            "found": None if found is None else len(found),
            "results": self._results(line, found or ()),
            "steps": [self._step(step) for step in line["steps"]],
        }

    def _vote(self, vote: Line) -> JsonValue:
        return [shown(vote["judge"], LONGEST), vote["repeat"], vote["label"], self._text(vote["explanation"])]

    def _results(self, line: Line, found: Found) -> list[JsonValue]:
        """The first results and those beyond that hold evidence: rank, score, evidence (1 or 0), what was retrieved."""
        scores, kept = line["scores"] or [None] * len(found), list[JsonValue]()
        for rank, (result, score) in enumerate(zip(found, scores, strict=True), start=1):
            held = bool(evidence_in(line, result))
            if rank <= self._kept or held:
                rounded = None if score is None else float(f"{score:.4g}")
                kept.append([rank, rounded, int(held), self._retrieved(result)])
        return kept

    def _retrieved(self, result: Retrieved) -> int:
        sources = tuple(shown(one, LONGEST) for one in (result.message_ids or result.session_ids)[:_SOURCES])
        date = result.timestamp and result.timestamp[:16].replace("T", " ")
        return self.retrieved.number((self._text(result.text, LONGEST_RESULT), date, sources))

    def _step(self, step: Line) -> JsonValue:
        usage, error = step["usage"], step["error"]
        return [
            step["phase"],
            round(step["service_ms"], 1),
            round(step["waited_ms"]),
            step["attempts"],
            usage and [usage["input_tokens"], usage["output_tokens"]],
            error and f"{shown(error['type'], LONGEST)}: {shown(error['message'], LONGEST)}",
        ]

    def _text(self, text: str, longest: int = LONGEST) -> int:
        return self.texts.number(shown(text, longest))


def evidence_in(line: Line, result: Retrieved) -> set[str]:
    """Which parts of a question's evidence a result holds, by messages where both sides name them."""
    if line["evidence_messages"] and result.message_ids:
        return set(result.message_ids).intersection(line["evidence_messages"])
    return set(result.session_ids).intersection(line["evidence_sessions"])
