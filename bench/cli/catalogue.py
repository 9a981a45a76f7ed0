"""What ``python -m bench list`` and ``describe`` say about the benchmarks and the data that are here."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.base import Benchmark, BenchmarkOptions
from bench.benchmarks.own import Mine
from bench.data import Manifest, human_size, is_indexed, locate_file, locate_part, read_manifest
from vocabulary import Case, DataError, DataMissingError

_CHEAP_BYTES = 8_000_000
"""A file of this size is read in a moment, even without an index."""

_CHEAP_SESSIONS = 1_000
"""So many sessions are read in a moment."""


def list_benchmarks(benchmarks: Sequence[type[Benchmark]], options: BenchmarkOptions) -> Iterator[str]:
    """A table of the benchmarks, then a line for each whose data are missing or faulty.

    Nothing large is read for it: data that were never used are said to be there, and not what is in them.
    """
    rows = [("NAME", "DATA", "QUESTIONS", "TYPES", "SIZE", "LICENCE")]
    faults = []
    for benchmark in benchmarks:
        manifest = read_manifest(benchmark.dataset) if benchmark.dataset else None
        questions, licence = "-", manifest.terms if manifest else ""
        try:
            state = _unread_state(benchmark, manifest, options)
            if not state:
                loaded = benchmark(options)
                state = (
                    "yours"
                    if isinstance(loaded, Mine)
                    else "generated"
                    if manifest is None
                    else "here"
                    if loaded.info.verified
                    else "unverified"
                )
                questions, licence = f"{len(loaded.cases()):,}", licence or loaded.info.licence
        except DataMissingError as error:
            state = "missing"
            faults.append(str(error))
        except DataError as error:
            state = "faulty"
            faults.append(str(error))
        size = human_size(_published_bytes(benchmark, manifest)) if manifest else "-"
        rows.append((benchmark.name, state, questions, str(len(benchmark.types)), size, licence))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for fault in faults:
        yield f"\n{fault}"


def describe_benchmark(kind: type[Benchmark], options: BenchmarkOptions) -> Iterator[str]:
    """The benchmark in figures, with its licence and citation. Its data are indexed for it if they were not yet."""
    benchmark = kind(options)
    info, cases = benchmark.info, benchmark.cases()
    manifest = read_manifest(kind.dataset) if kind.dataset else None
    yield f"{info.name} ({info.variant}), {'as published' if info.verified else 'UNVERIFIED'}"
    yield f"  sha256     {info.sha256}"
    yield f"  licence    {manifest.terms if manifest else info.licence}"
    if manifest:
        yield f"  home       {manifest.homepage}"
        if paths := _paths(kind, manifest, options):
            where = str(paths[0]) if len(paths) == 1 else f"{len(paths):,} files"
            yield f"  data       {human_size(sum(path.stat().st_size for path in paths))}, {where}"
    yield f"  questions  {len(cases):,}"
    yield from _counts(benchmark.types, cases)
    haystacks = [benchmark.haystack(haystack) for haystack in dict.fromkeys(case.haystack for case in cases)]
    sessions = sum(haystack.session_count for haystack in haystacks)
    yield f"  haystacks  {len(haystacks):,}"
    yield f"  sessions   {sessions:,}"
    if sessions <= _CHEAP_SESSIONS:
        messages = sum(len(session.messages) for haystack in haystacks for session in haystack.sessions())
        yield f"  messages   {messages:,}"
    for note in info.notes:
        yield f"  note: {note}"
    yield f"  citation:\n{textwrap.indent(info.citation, '    ')}"


def _counts(types: Sequence[str], cases: Sequence[Case]) -> Iterator[str]:
    """A line for each question type that is asked, and for each further division."""
    by_type = Counter(case.gold.question_type for case in cases)
    unanswerable = Counter(case.gold.question_type for case in cases if not case.gold.answerable)
    groups = Counter(group for case in cases for group in case.gold.groups)
    width = max(20, *map(len, types), *map(len, groups))
    for question_type in filter(by_type.get, types):
        catch = f"  ({unanswerable[question_type]:,} unanswerable)" if unanswerable[question_type] else ""
        yield f"    {question_type:<{width}} {by_type[question_type]:>7,}{catch}"
    if groups:
        yield "  of these"
    for group, count in sorted(groups.items()):
        yield f"    {group:<{width}} {count:>7,}"


def _unread_state(benchmark: type[Benchmark], manifest: Manifest | None, options: BenchmarkOptions) -> str:
    """The state of data that it would take long to read; empty if it would not."""
    if manifest is None:
        return ""
    paths = _paths(benchmark, manifest, options)  # of a listing, none may be here: then the loader tells
    sizes = [path.stat().st_size for path in paths]
    if sum(sizes) <= _CHEAP_BYTES or all(map(is_indexed, paths)):
        return ""
    if not manifest.listing and sum(sizes) != _published_bytes(benchmark, manifest):
        return "unverified, not indexed yet"
    return "here, not indexed yet"


def _paths(benchmark: type[Benchmark], manifest: Manifest, options: BenchmarkOptions) -> list[Path]:
    """The data files of a benchmark that are here. Raises `DataMissingError` if one that the manifest names is not."""
    if manifest.listing:
        (part,) = (part for part in manifest.listing.parts if part.name == benchmark.name)
        try:
            return locate_part(manifest, part, options.data)
        except DataMissingError:
            return []
    files = [file for file in manifest.files if benchmark.file in (None, file.path)]
    return [locate_file(manifest, file, options.data) for file in files]


def _published_bytes(benchmark: type[Benchmark], manifest: Manifest) -> int:
    if manifest.listing:
        return sum(part.bytes for part in manifest.listing.parts if part.name == benchmark.name)
    return sum(file.bytes for file in manifest.files if benchmark.file in (None, file.path))
