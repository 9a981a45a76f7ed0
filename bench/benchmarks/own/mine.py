"""Own data: each ``--dataset`` as a benchmark that has the name of its file or folder (`docs/own-data.md`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from pydantic import ValidationError

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.benchmarks.own.contents import Contents, OwnPlace
from bench.benchmarks.own.format import OwnHaystack, OwnSession
from bench.benchmarks.own.records import read_again
from bench.benchmarks.own.sessions import Talk
from bench.benchmarks.own.source import Source, find_faults, find_source, read_source
from registry import declared_names, known_classes
from vocabulary import Case, ConfigurationError, DataError, DataMissingError, Haystack, Session


class Mine(Benchmark):
    """Your own conversations and questions, from the files that --dataset names."""

    name: ClassVar[str] = "mine"
    types: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[Source | None] = None
    sha256: ClassVar[str]
    contents: ClassVar[Contents]

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        if self.source is None:
            raise DataMissingError(
                "mine: no data set is named. Add --dataset PATH; `python -m bench new-dataset FOLDER` makes an example."
            )
        self._files = self.source.files
        self._haystacks = {place.id: place for place in self.contents.haystacks}
        self._cases = tuple(map(self._as_of, self.contents.cases) if options.as_of else self.contents.cases)

    @classmethod
    def each(cls, options: BenchmarkOptions) -> Sequence[type[Benchmark]]:
        """A benchmark for each data set that `options` names; raises `DataError`, `ConfigurationError`."""
        found: dict[str, type[Benchmark]] = {}
        for source in map(find_source, map(Path, options.dataset)):
            check_name(source)
            if source.name in found:
                raise ConfigurationError(f"{source.path}: its name is that of another --dataset. Rename it.")
            found[source.name] = cls._of(source)
        return list(found.values())

    @classmethod
    def _of(cls, source: Source) -> type[Benchmark]:
        sha256, contents = read_source(source)
        types = tuple(dict.fromkeys(case.gold.question_type for case in contents.cases))
        members = {"name": source.name, "types": types, "source": source, "sha256": sha256, "contents": contents}
        # not of this module: it is no benchmark that can be asked for by name in other runs
        made = type(cls.__name__, (cls,), {**members, "__module__": "dataset", "__doc__": cls.__doc__})
        return cast(type[Benchmark], made)

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""
        return BenchmarkInfo(
            name=self.name,
            variant="own data",
            sha256=self.sha256,
            verified=True,
            licence="own data",
            citation="none",
            notes=tuple(_remarks(Counter(self.contents.facts))),
        )

    def cases(self) -> Sequence[Case]:
        """All questions, in the order of the files."""
        return self._cases

    def haystack(self, haystack_id: str) -> Haystack:
        """The haystack of that id, read from its files when it is asked for its sessions."""
        whole, dash, kept = haystack_id.rpartition("-") if haystack_id.count("-") > 1 else (haystack_id, "", "")
        place = self._haystacks.get(whole)
        if place is None:
            raise DataError(f"{self.name} has no haystack {haystack_id!r}.")
        count = int(kept) if dash else len(place.dates)
        return Haystack(haystack_id, count, partial(_read, self._files, place, _kept(place, count)))

    def _as_of(self, case: Case) -> Case:
        """The case over what was said before its question: sessions without a date are always kept."""
        place, asked = self._haystacks[case.haystack], case.question.date
        if asked is None:
            return case
        late = {f"s{number:04d}" for number, date in enumerate(place.dates, start=1) if date and date > asked}
        if not late:
            return case
        gold = case.gold.model_copy(
            update={
                "evidence_messages": tuple(
                    id_ for id_ in case.gold.evidence_messages if id_.partition("m")[0] not in late
                ),
                "evidence_sessions": tuple(id_ for id_ in case.gold.evidence_sessions if id_ not in late),
            }
        )
        haystack = f"{case.haystack}-{len(place.dates) - len(late)}"
        return case.model_copy(update={"gold": gold, "haystack": haystack})


def check_name(source: Source) -> None:
    """Raise `ConfigurationError` if the data set has the name of a benchmark."""
    package = "bench.benchmarks"
    if source.name in {*known_classes(Benchmark, package), *declared_names(package)} - {Mine.name}:
        raise ConfigurationError(f"{source.path}: its name {source.name!r} is that of a benchmark. Rename it.")


def open_haystacks(source: Source) -> dict[str, Haystack]:
    """The haystacks of a data set by the user's names for them, whether or not it has questions.

    Raises `DataError` with the first fault.
    """
    faults, gathering = find_faults(source, needs_questions=False)
    if faults:
        raise DataError(f"{faults[0]} (`python -m bench check {source.path}` shows all)")
    return {
        place.name: Haystack(
            place.id, len(place.dates), partial(_read, source.files, place, _kept(place, len(place.dates)))
        )
        for place in gathering.contents.haystacks
    }


def _kept(place: OwnPlace, count: int) -> set[int]:
    """The numbers (from 0) of the `count` sessions that are kept: the earliest ones, and those without a date."""
    order = sorted(range(len(place.dates)), key=lambda at: (place.dates[at] or datetime.min, at))
    return set(order[:count])


def _read(files: Sequence[Path], place: OwnPlace, kept: set[int]) -> Iterator[Session]:
    """The sessions one after the other; raises `DataError` if they are no longer what was indexed."""
    talk = Talk()
    for number, written in enumerate(_written(files, place)):
        session = talk.next(written)
        if number in kept:
            yield session
    if talk.id != place.id:
        raise _changed(place)


def _written(files: Sequence[Path], place: OwnPlace) -> Iterator[OwnSession]:
    for file, spot in place.places:
        try:
            value = read_again(files[file], spot)
            if "sessions" in value:
                yield from OwnHaystack.model_validate(value).sessions
            else:
                yield OwnSession.model_validate(value)
        except OSError as error:
            raise DataError(f"{files[file]} cannot be read: {error.strerror}.") from error
        except (ValidationError, TypeError) as error:
            raise _changed(place) from error


def _changed(place: OwnPlace) -> DataError:
    return DataError(f"haystack {place.name!r} was changed while it was in use. Run again.")


def _remarks(facts: Counter[str]) -> Iterator[str]:
    for fact, count in sorted(facts.items()):
        if fact.startswith("drafted by "):
            yield f"questions {fact}, a language model: {count} of {facts['questions']}"
    if late := facts["sessions before their predecessor"]:
        yield f"sessions that are dated before the one that precedes them, kept in the order of the file: {late}"
