"""The files of a run, question by question: what is held of them is where each line begins."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from pydantic_core import from_json

from reports.report.files.lines import RESULTS, RETRIEVED
from vocabulary import CheckpointError, ConfigurationError

_KEPT_BYTES = 32 << 20
"""Size of the results that stay parsed, as questions about one haystack share them."""
_OVERHEAD = 500
"""What a parsed result takes beside its text."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A line of retrieved.jsonl, without the provider's own record."""

    text: str
    timestamp: str | None
    session_ids: tuple[str, ...]
    message_ids: tuple[str, ...]


class QuestionFiles:
    """A run's results.jsonl and retrieved.jsonl, read at random.

    `questions` has each question in the order of the selection, by benchmark and id, with the offset of each of its
    lines: one a provider. Raises `ConfigurationError` if the folder has no such files, `CheckpointError` if they are
    no JSON.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with ExitStack() as stack:
            self._results, self._retrieved = (
                stack.enter_context(_opened(folder / name)) for name in (RESULTS, RETRIEVED)
            )
            self.questions: dict[tuple[str, str], array[int]] = {}
            for offset, line in _with_offsets(self._results):
                found = self._parsed(line)
                self.questions.setdefault((found["benchmark"], found["question_id"]), array("Q")).append(offset)
            self._starts = array("Q", (offset for offset, _line in _with_offsets(self._retrieved)))
            self._stack = stack.pop_all()
        self._kept: dict[int, Retrieved] = {}
        self._kept_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def lines(self, key: tuple[str, str]) -> Iterator[dict[str, Any]]:  # Any: parsed JSON
        """The lines of a question."""
        for offset in self.questions[key]:
            self._results.seek(offset)
            yield self._parsed(self._results.readline())

    def found(self, numbers: Iterable[int]) -> tuple[Retrieved, ...]:
        """The results in these lines of retrieved.jsonl, counted from 0."""
        kept = self._kept
        return tuple(kept[number] if number in kept else self._read_retrieved(number) for number in numbers)

    def _read_retrieved(self, number: int) -> Retrieved:
        self._retrieved.seek(self._starts[number])
        text = self._retrieved.readline()
        line = self._parsed(text)
        found = Retrieved(line["text"], line["timestamp"], tuple(line["session_ids"]), tuple(line["message_ids"]))
        self._kept_bytes += len(text) + _OVERHEAD
        if self._kept_bytes > _KEPT_BYTES:
            self._kept, self._kept_bytes = {}, 0
        self._kept[number] = found
        return found

    def _parsed(self, line: bytes) -> dict[str, Any]:  # Any: parsed JSON
        try:
            found: dict[str, Any] = from_json(line)
        except ValueError as error:
            message = f"a line in {self._folder} cannot be read ({error}): have the files written anew by the run's"
            raise CheckpointError(f"{message} command with --run-id.") from error
        return found


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}. A run gets it when pytest ends."
        raise ConfigurationError(message) from error


def _with_offsets(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in file:
        yield offset, line
        offset += len(line)
