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


class Asked:
    """A line of results.jsonl with what was found; `found` is None where no search was done.

    `evidence` has the numbers of the results, from 0, that hold any of the evidence, and which: of messages where both
    sides name them.
    """

    def __init__(self, line: Line, files: QuestionFiles) -> None:
        self.line = line
        self.found = None if line["results"] is None else files.found(line["results"])
        messages, sessions = set(line["evidence_messages"]), set(line["evidence_sessions"])
        self.evidence: dict[int, set[str]] = {}
        for place, result in enumerate(self.found or ()):
            by_message = messages and result.message_ids
            wanted, named = (messages, result.message_ids) if by_message else (sessions, result.session_ids)
            if not wanted.isdisjoint(named):
                self.evidence[place] = wanted.intersection(named)


class Details:
    """Details of one question after another; they refer to `texts` and `retrieved` (text, date, sources) by number."""

    def __init__(self, providers: Sequence[str], kept: int) -> None:
        self.texts = Interned[str]()
        self.retrieved = Interned[tuple[int, str | None, tuple[str, ...]]]()
        self._providers = {name: number for number, name in enumerate(providers)}
        self._kept = kept
        self._numbers: dict[int, int] = {}

    def of(self, asked: Sequence[Asked]) -> JsonValue:
        """The question that all of them are about."""
        first = asked[0].line
        wanted = first["evidence_messages"] or first["evidence_sessions"]
        return {
            "question": self._text(first["question"]),
            "gold": self._text(first["ground_truth"]),
            "rubric": [self._text(nugget) for nugget in first.get("rubric", ())],
            "date": first["question_date"],
            "answerable": first["answerable"],
            "source": shown(first["source_id"], LONGEST),
            "cluster": shown(first["cluster"], LONGEST),
            "haystack": shown(first["haystack"], LONGEST),
            "haystack_tokens": next(
                (one.line["haystack_tokens"] for one in asked if one.line["haystack_tokens"]), None
            ),
            "evidence": [[shown(one, LONGEST), self._said(one, asked)] for one in wanted],
            "asked": [self._asked(one) for one in asked],
        }

    def _said(self, source: str, asked: Sequence[Asked]) -> int | None:
        """The text of a message, where any result is this message alone."""
        every = (result for one in asked for result in one.found or ())
        alone = next((result.text for result in every if result.message_ids == (source,)), None)
        return None if alone is None else self._text(alone, LONGEST_RESULT)

    def _asked(self, one: Asked) -> JsonValue:
        line, found = one.line, one.found
        verdict = line["verdict"]
        return {
            "provider": self._providers[line["provider"]],
            "outcome": line["outcome"],
            "answer": None if line["answer"] is None else self._text(line["answer"]),
            "model": line["model"] and shown(line["model"], LONGEST),
            "judge_model": verdict and verdict["model"] and shown(verdict["model"], LONGEST),
            "explanation": None if verdict is None else self._text(_explained(verdict)),
            "votes": [self._vote(vote) for vote in verdict["votes"]] if verdict else [],
            "nuggets": [[one["score"], self._text(one["reason"])] for one in (verdict or {}).get("nuggets", ())],
            "context_tokens": line["context_tokens"],
            "replayed": line["replayed"],
            "found": None if found is None else len(found),
            "results": self._results(one),
            "steps": [self._step(step) for step in line["steps"]],
        }

    def _vote(self, vote: Line) -> JsonValue:
        return [shown(vote["judge"], LONGEST), vote["repeat"], vote["label"], self._text(vote["explanation"])]

    def _results(self, one: Asked) -> list[JsonValue]:
        """The first results and those beyond that hold evidence: rank, score, evidence (1 or 0), what was retrieved."""
        found, lines = one.found or (), one.line["results"] or ()
        scores, kept = one.line["scores"] or [None] * len(found), list[JsonValue]()
        for place in (*range(min(self._kept, len(found))), *(place for place in one.evidence if place >= self._kept)):
            score = scores[place] if scores[place] is None else float(f"{scores[place]:.4g}")
            number = self._retrieved(lines[place], found[place])
            kept.append([place + 1, score, int(place in one.evidence), number])
        return kept

    def _retrieved(self, line: int, result: Retrieved) -> int:
        if line not in self._numbers:
            sources = tuple(shown(one, LONGEST) for one in (result.message_ids or result.session_ids)[:_SOURCES])
            date = result.timestamp and result.timestamp[:16].replace("T", " ")
            said = self._text(result.text, LONGEST_RESULT)
            self._numbers[line] = self.retrieved.number((said, date, sources))
        return self._numbers[line]

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


def _explained(verdict: dict[str, Any]) -> str:
    """What the judge says, and what it says by the corrected key where it was asked twice."""
    other = verdict.get("corrected")
    more = f"\n\nBy the corrected key {other['label']}: {other['explanation']}" if other else ""
    return f"{verdict['explanation']}{more}"
