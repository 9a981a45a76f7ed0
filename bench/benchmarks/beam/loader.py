"""BEAM's four sizes: a chat is a haystack, twenty questions are about each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, NamedTuple

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.benchmarks.beam.chats import CHATS_VERSION, MARKS, OTHER_MARKS, Chat, chat_of, find_batches
from bench.benchmarks.beam.questions import TYPES, cases_of, parse_questions
from bench.data import (
    ListingPart,
    data_folder,
    download_command,
    index_file,
    locate_part,
    published_files,
    read_manifest,
)
from vocabulary import Case, DataError, DataMissingError, Haystack

_CHAT, _TRUNCATED, _QUESTIONS = "chat.json", "chat_trunecated.json", "probing_questions/probing_questions.json"
_NUMBER = re.compile(r"\d+")

_FAULTS = {
    "100K/1/temporal_reasoning[0]": "the answer says 4 weeks, the rubric 8",
}
"""Known faults of the key. They are counted as published."""


class _Files(NamedTuple):
    """The two files that a chat is read from, as paths relative to the folder of all chats."""

    chat: str
    questions: str


class Beam(Benchmark):
    """What the four sizes have in common: a folder for each chat."""

    types: ClassVar[tuple[str, ...]] = TYPES
    dataset: ClassVar[str | None] = "beam"
    family: ClassVar[str] = "beam"
    protocol: ClassVar[str] = "beam-nuggets"
    size: ClassVar[str]

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        self._manifest = read_manifest("beam")
        listing = self._manifest.listing
        assert listing, "BEAM's files are listed by its repository"
        self._part: ListingPart = next(part for part in listing.parts if part.name == self.name)
        self._folder, found = self._find()
        self._chats: dict[str, Chat] = {}
        self._cases: list[Case] = []
        self._facts = Counter[str]()
        sums: dict[str, str] = {}
        for number, files in found.items():
            sums.update(self._load(number, files))
        self._info = self._describe(sums)

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""
        return self._info

    def cases(self) -> Sequence[Case]:
        """All questions, chat by chat, in the order of each file, which is grouped by type."""
        return tuple(self._cases)

    def haystack(self, haystack_id: str) -> Haystack:
        """The chat of that id, read from its file a batch at a time."""
        chat = self._chats.get(haystack_id)
        if chat is None:
            raise DataError(f"{self.name} has no haystack {haystack_id!r} in the files that are here.")
        return Haystack(haystack_id, len(chat.batches), chat.read)

    def _find(self) -> tuple[Path, dict[int, _Files]]:
        """The folder of the chats, and the files of each by its number; the truncated chat where there is one."""
        there = locate_part(self._manifest, self._part, self.options.data)
        own = data_folder(self.options.data)
        assert self._manifest.listing
        places = (own / self._manifest.listing.folder / self._part.path, own / self._part.path)
        folder = next(place for place in places if there[0].is_relative_to(place))
        names = {path.relative_to(folder).as_posix() for path in there}
        found: dict[int, _Files] = {}
        for name in sorted(names):
            number, _, inner = name.partition("/")
            if inner != _QUESTIONS or not _NUMBER.fullmatch(number):
                continue  # a clone of the repository has plans and topics too
            chat = next((one for one in (_TRUNCATED, _CHAT) if f"{number}/{one}" in names), None)
            if chat is None:
                raise DataError(f"{folder / number}: no {_CHAT} beside its questions. `{self._command()}` gets it.")
            found[int(number)] = _Files(f"{number}/{chat}", name)
        if not found:
            raise DataMissingError(f"{self.name}: no NUMBER/{_QUESTIONS} in {folder}. `{self._command()}` gets them.")
        return folder, dict(sorted(found.items()))

    def _load(self, number: int, files: _Files) -> Iterator[tuple[str, str]]:
        """Add a chat and its questions; the checksums of their files."""
        name = f"{self.size}-{number:02d}"
        path = self._folder / files.chat
        try:
            indexed = index_file(path, f"beam/{CHATS_VERSION}", find_batches)
            chat = chat_of(indexed.haystacks)
            path = self._folder / files.questions
            content = _read(path)
            cases = list(cases_of(parse_questions(content.decode()), chat, name, f"{self.size}/{number}", self.name))
        except (DataError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: {error}. Mend it, or delete it and run `{self._command()}`.") from error
        self._chats[chat.haystack] = chat
        self._cases += cases
        self._facts.update(indexed.facts)
        self._facts["truncated"] += files.chat.endswith(_TRUNCATED)
        yield files.chat, indexed.sha256
        yield files.questions, sha256(content).hexdigest()

    def _command(self) -> str:
        return download_command(self._manifest, self._part, self.options.data)

    def _describe(self, sums: dict[str, str]) -> BenchmarkInfo:
        digest = sha256("".join(f"{name}\0{one}\n" for name, one in sorted(sums.items())).encode()).hexdigest()
        strange = [] if digest == self._part.sha256 else self._unpublished(sums)
        return BenchmarkInfo(
            name=self.name,
            variant=f"{len(self._chats)} chats of {self.size}",
            sha256=digest,
            verified=not strange,
            licence=self._manifest.licence,
            citation=self._manifest.citation,
            notes=(*_unverified(strange, len(sums)), *self._remarks()),
        )

    def _unpublished(self, sums: dict[str, str]) -> list[str]:
        """Files that no download found to be the published ones; a damaged file of `datasets/` is a `DataError`."""
        published = published_files(self._manifest, self._folder.parents[len(Path(self._part.path).parts) - 1])
        strange = []
        for name, found in sums.items():
            expected = published.get(f"{self._part.path}/{name}")
            if expected != found:
                strange.append(name)
                if expected and self.options.data is None:
                    wrong = f"wrong checksum: expected sha256 {expected}, found {found}"
                    raise DataError(f"{self._folder / name}: {wrong}. Delete it and run `{self._command()}`.")
        return strange

    def _remarks(self) -> Iterator[str]:
        questions = len(self._cases)
        yield "a session is a batch of a chat, its date the day of the batch's time anchor; questions have no date"
        if truncated := self._facts["truncated"]:
            yield f"chats of which {_TRUNCATED} is read, as the authors' code does: {truncated} of {len(self._chats)}"
        if marks := self._facts[MARKS]:
            yield f"marks of the generator at the end of messages ('->-> 1,2'), not shown to providers: {marks:,}"
        if other := self._facts[OTHER_MARKS]:
            yield f"marks of another form in messages, left as published: {other}"
        if bare := sum(not case.gold.evidence_messages for case in self._cases):
            yield f"questions without evidence, left out of retrieval metrics: {bare} of {questions:,}"
        lost = sum(not source.ids for case in self._cases for source in case.gold.evidence_sources)
        if lost:
            yield f"evidence ids that no message has, left out: {lost}"
        for case in self._cases:
            if fault := _FAULTS.get(case.source_id):
                yield f"known fault of the key, counted as published: {case.id} ({fault})"


class Beam100K(Beam):
    """20 chats of about 128,000 tokens."""

    name: ClassVar[str] = "beam_100k"
    size: ClassVar[str] = "100K"


class Beam500K(Beam):
    """35 chats of about 500,000 tokens."""

    name: ClassVar[str] = "beam_500k"
    size: ClassVar[str] = "500K"


class Beam1M(Beam):
    """35 chats of about a million tokens."""

    name: ClassVar[str] = "beam_1m"
    size: ClassVar[str] = "1M"


class Beam10M(Beam):
    """10 chats of about ten million tokens."""

    name: ClassVar[str] = "beam_10m"
    size: ClassVar[str] = "10M"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error


def _unverified(strange: Sequence[str], used: int) -> Iterator[str]:
    if strange:
        message = f"unverified data: of {used} files, {len(strange)} are not known to be the published ones"
        yield f"{message}, so their numbers compare with no others ({strange[0]})"
