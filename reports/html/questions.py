"""The questions of a run as a page has them: a list that is there at once, and details in blocks."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from reports.html.details import Asked, Details
from reports.html.packed import Interned, packed, shown
from reports.report import QuestionFiles, Report

BLOCK = 500
"""Questions whose details are unpacked together."""
LISTED = 1_000
"""Characters of a text in the list: what a search reads."""
OUTCOMES = {"correct": "c", "wrong": "w", "abstained": "a", "error": "e", "unjudged": "u"}
NOT_ASKED = NOT_KNOWN = "-"


class Questions:
    """What a page has of a run's questions, as elements, and on the way each provider's search times.

    Holds the texts of the list, and compressed blocks.
    """

    def __init__(self, report: Report, files: QuestionFiles, kept: int) -> None:
        self.search_ms: dict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))
        self._report, self._files, self._kept = report, files, kept
        self._providers = list(dict.fromkeys(result.provider.name for result in report.results))
        self._names = {name: Interned[str]() for name in ("benchmarks", "types", "groups")}
        self._columns: dict[str, list[JsonValue]] = defaultdict(list)
        self._outcomes, self._found = ([list[str]() for _ in self._providers] for _ in range(2))
        self._answers: list[list[JsonValue]] = [[] for _ in self._providers]

    def elements(self) -> Iterator[str]:
        """The blocks of details, then the list, each as an element."""
        keys = list(self._files.questions)
        for first in range(0, len(keys), BLOCK):
            details = Details(self._providers, self._kept)
            questions = [self._question(key, details) for key in keys[first : first + BLOCK]]
            kept = {"texts": details.texts.all, "retrieved": details.retrieved.all, "questions": questions}
            yield packed(f"block-{first // BLOCK}", kept)
        yield packed("index", self._index())

    def _question(self, key: tuple[str, str], details: Details) -> JsonValue:
        asked = [Asked(line, self._files) for line in self._files.lines(key)]
        self._list(asked)
        return details.of(asked)

    def _list(self, asked: Sequence[Asked]) -> None:
        first, columns, names = asked[0].line, self._columns, self._names
        columns["ids"].append(shown(first["question_id"], LISTED))
        columns["benchmark"].append(names["benchmarks"].number(shown(first["benchmark"], LISTED)))
        columns["type"].append(names["types"].number(shown(first["question_type"], LISTED)))
        columns["group"].append([names["groups"].number(shown(one, LISTED)) for one in first["groups"]])
        columns["question"].append(shown(first["question"], LISTED))
        columns["gold"].append(shown(first["ground_truth"], LISTED))
        by_provider = {one.line["provider"]: one for one in asked}
        for number, name in enumerate(self._providers):
            if name not in by_provider:
                self._outcomes[number].append(NOT_ASKED)
                self._found[number].append(NOT_KNOWN)
                self._answers[number].append(None)
                continue
            line = by_provider[name].line
            self._outcomes[number].append(OUTCOMES[line["outcome"]])
            self._found[number].append(_found_of(by_provider[name]))
            self._answers[number].append(None if line["answer"] is None else shown(line["answer"], LISTED))
            for step in line["steps"]:
                if step["phase"] == "search" and step["error"] is None and step["attempts"]:
                    self.search_ms[name, first["benchmark"]].append(step["service_ms"])

    def _index(self) -> dict[str, object]:
        run = self._report.run
        return {
            "run": {
                "id": run.id,
                "command": shown(run.command, LISTED),
                "version": run.versions.memorybench,
                "commit": run.git and run.git.commit[:12],
            },
            "block": BLOCK,
            "providers": [shown(name, LISTED) for name in self._providers],
            **{name: texts.all for name, texts in self._names.items()},
            **self._columns,
            "outcomes": ["".join(letters) for letters in self._outcomes],
            "found": ["".join(letters) for letters in self._found],
            "answers": [*self._answers],
        }


def _found_of(asked: Asked) -> str:
    """How much of the evidence is among the results: "a" all, "s" some, "n" none; "-" where that is not known."""
    line, found = asked.line, asked.found
    if found is None or (found and not any(result.message_ids or result.session_ids for result in found)):
        return NOT_KNOWN
    by_message = line["evidence_messages"] and (not found or any(result.message_ids for result in found))
    wanted = set(line["evidence_messages" if by_message else "evidence_sessions"])
    if not wanted:
        return NOT_KNOWN
    held = set().union(*asked.evidence.values()) & wanted
    return "a" if held == wanted else "s" if held else "n"
