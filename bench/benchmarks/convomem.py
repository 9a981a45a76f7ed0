"""ConvoMem: what was said in up to 300 conversations, by either side (`docs/convomem.md`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import ClassVar

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions, opaque_id
from bench.benchmarks.convomem_files import CONVERTED, CORE, LEGACY, DataFile, Files, find_files
from bench.benchmarks.convomem_shapes import SHAPES_VERSION, find_in_items, find_in_test_case, read_item, read_test_case
from bench.data import Found, IndexedFile, Item, Place, download_command, index_file, published_files, read_manifest
from vocabulary import Case, DataError, DataMissingError, Haystack, Session

_UNANSWERABLE = ("abstention_evidence", "category_5_abstention")
_NAMED_FILES = 1
"""So many files a note names; it counts the others."""


class ConvoMemFiles(Benchmark):
    """What the two shapes have in common: thousands of files, their categories named by their paths."""

    dataset: ClassVar[str | None] = "convomem"
    family: ClassVar[str] = "convomem"
    protocol: ClassVar[str] = "convomem"
    categories: ClassVar[dict[str, str]]
    sections: ClassVar[tuple[str, ...]]
    prefix: ClassVar[str]
    find: ClassVar[Callable[[Item], Found]]
    read: ClassVar[Callable[[str, Place], Iterator[Session]]]

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        self._manifest = read_manifest("convomem")
        files = find_files(self._manifest, self.name, self.sections, self.categories, options.data)
        self._haystacks: dict[str, Place] = {}
        every: list[tuple[DataFile, IndexedFile]] = []
        for file in files.known:
            indexed = self._indexed(file)
            self._haystacks.update((f"{self.prefix}-{name}", place) for name, place in indexed.haystacks.items())
            every.append((file, indexed))
        chosen = [(file, indexed, self._chosen(indexed)) for file, indexed in every]
        self._check_sizes(every)
        self._cases = tuple(self._named(file, case) for file, _indexed, cases in chosen for case in cases)
        if not self._cases:
            raise self._nothing(files)
        self._info = self._describe(files, [(file, indexed) for file, indexed, cases in chosen if cases])

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints: of the files with a question in haystacks of the sizes chosen."""
        return self._info

    def cases(self) -> Sequence[Case]:
        """All questions over haystacks of the sizes chosen, in the order of the files' paths."""
        return self._cases

    def haystack(self, haystack_id: str) -> Haystack:
        """The conversations of that id, read from the file when it is asked for its sessions."""
        place = self._haystacks.get(haystack_id)
        if place is None:
            raise DataError(f"{self.name} has no haystack {haystack_id!r} in the files that are here.")
        content = haystack_id.removeprefix(f"{self.prefix}-")
        return Haystack(haystack_id, place.sessions, partial(type(self).read, content, place))

    def _indexed(self, file: DataFile) -> IndexedFile:
        try:
            return index_file(file.path, f"convomem/{SHAPES_VERSION}/{self.prefix}", type(self).find)
        except DataError as error:
            command = self._command()
            raise DataError(f"{file.path}: {error}. Mend it, or delete it and run `{command}`.") from error

    def _chosen(self, indexed: IndexedFile) -> list[Case]:
        wanted = self.options.context_size
        return [case for case in indexed.cases if not wanted or indexed.haystacks[case.haystack].sessions in wanted]

    def _named(self, file: DataFile, case: Case) -> Case:
        """A case with what the path of its file says: the index does not know it, for a file may be moved."""
        name = f"{file.name}-{case.id}"
        evidence = file.evidence if file.evidence is not None else case.gold.category
        gold = case.gold.model_copy(
            update={
                "question_type": file.category,
                "answerable": file.category not in _UNANSWERABLE,
                "category": evidence,
                "groups": (*case.gold.groups, f"evidence-{evidence}"),
            }
        )
        return case.model_copy(
            update={
                "id": name,
                "source_id": file.relative + case.source_id,
                "benchmark": self.name,
                "question": case.question.model_copy(update={"id": opaque_id(self.name, name)}),
                "gold": gold,
                "haystack": f"{self.prefix}-{case.haystack}",
                "cluster": self._cluster(file, case),
            }
        )

    def _cluster(self, file: DataFile, case: Case) -> str:
        """What makes questions depend on each other: here the haystack that they are asked about."""
        del file
        return f"{self.prefix}-{case.haystack}"

    def _check_sizes(self, every: Sequence[tuple[DataFile, IndexedFile]]) -> None:
        sizes = {place.sessions for _file, indexed in every for place in indexed.haystacks.values()}
        if sizes and (missing := sorted(set(self.options.context_size) - sizes)):
            raise self._no_size(missing, sorted(sizes))

    def _no_size(self, missing: Sequence[int], sizes: Sequence[int]) -> DataError:
        message = f"{self.name}: no haystack of {_either(missing)} conversations is here, only of {_either(sizes)}"
        return DataError(f"{message}. Choose of these, or run `{self._command(missing)}`.")

    def _nothing(self, files: Files) -> DataError:
        message = f"{self.name}: no question in the {len(files.known)} files in {files.folder}"
        return DataMissingError(f"{message}. `{self._command()}` gets some ({self._manifest.terms}).")

    def _command(self, sizes: Sequence[int] = ()) -> str:
        assert self._manifest.listing, "ConvoMem's files are listed by its hub"
        part = next(part for part in self._manifest.listing.parts if part.name == self.name)
        wanted = sizes or ((30,) if part.by_context_size else ())
        choice = "".join(f" --context-size {size}" for size in wanted)
        return download_command(self._manifest, part, self.options.data) + choice

    def _describe(self, files: Files, used: Sequence[tuple[DataFile, IndexedFile]]) -> BenchmarkInfo:
        facts = sum((indexed.facts for _file, indexed in used), Counter[str]())
        digest = sha256("".join(sorted(f"{file.relative}\0{found.sha256}\n" for file, found in used)).encode())
        strange = self._unpublished(files, used)
        return BenchmarkInfo(
            name=self.name,
            variant=self._variant(),
            sha256=digest.hexdigest(),
            verified=not strange,
            licence=self._manifest.licence,
            citation=self._manifest.citation,
            notes=(
                *_unverified(strange, len(used)),
                *_remarks(facts, len(self._cases)),
                *_remarks_on_files(files, used),
            ),
        )

    def _variant(self) -> str:
        sizes = sorted({self._haystacks[case.haystack].sessions for case in self._cases})
        return f"context size {_either(sizes)}" if len(sizes) <= 3 else f"context sizes {sizes[0]} to {sizes[-1]}"

    def _unpublished(self, files: Files, used: Sequence[tuple[DataFile, IndexedFile]]) -> list[str]:
        """Files that no download found to be the published ones.

        ``datasets/`` has what was downloaded, so another checksum there means a damaged file: `DataError`.
        """
        published = published_files(self._manifest, files.folder)
        strange = []
        for file, indexed in used:
            expected = published.get(file.relative)
            if expected is None or expected != indexed.sha256:
                strange.append(file.relative)
                if expected and self.options.data is None:
                    sums = f"expected sha256 {expected}, found {indexed.sha256}"
                    raise DataError(f"{file.path}: wrong checksum: {sums}. Delete it and run `{self._command()}`.")
        return strange


class ConvoMem(ConvoMemFiles):
    """Pre-mixed test cases: many questions over one haystack of 1 to 300 conversations."""

    name: ClassVar[str] = "convomem"
    categories: ClassVar[dict[str, str]] = CORE | CONVERTED
    types: ClassVar[tuple[str, ...]] = tuple(CORE | CONVERTED)
    sections: ClassVar[tuple[str, ...]] = (
        "core_benchmark/pre_mixed_testcases",
        LEGACY,
        "locomo_in_convomem_format",
    )
    prefix: ClassVar[str] = "cm"
    find: ClassVar[Callable[[Item], Found]] = find_in_test_case
    read: ClassVar[Callable[[str, Place], Iterator[Session]]] = read_test_case


class ConvoMemEvidence(ConvoMemFiles):
    """Raw evidence items: each question over its own evidence conversations alone."""

    name: ClassVar[str] = "convomem_evidence"
    categories: ClassVar[dict[str, str]] = CORE
    types: ClassVar[tuple[str, ...]] = tuple(CORE)
    sections: ClassVar[tuple[str, ...]] = ("core_benchmark/evidence_questions",)
    prefix: ClassVar[str] = "cme"
    find: ClassVar[Callable[[Item], Found]] = find_in_items
    read: ClassVar[Callable[[str, Place], Iterator[Session]]] = read_item

    def _cluster(self, file: DataFile, case: Case) -> str:
        """The persona: one life was invented for all its questions."""
        return case.cluster or file.path.stem.partition("_")[0]

    def _no_size(self, missing: Sequence[int], sizes: Sequence[int]) -> DataError:
        # --context-size chooses among test cases: who asks for 30 wants no item, and no error for having items too
        message = (
            f"{self.name}: raw evidence items have {_either(sizes)} conversations, and none has {_either(missing)}"
        )
        return DataMissingError(f"{message}; --context-size {missing[0]} is for the test cases of convomem.")


def _either(numbers: Sequence[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last


def _named_files(relative: Sequence[str]) -> str:
    more = len(relative) - _NAMED_FILES
    return ", ".join(relative[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")


def _unverified(strange: Sequence[str], used: int) -> Iterator[str]:
    if strange:
        message = f"unverified data: of {used} files, {len(strange)} are not known to be the published ones"
        yield f"{message}, so their numbers compare with no others ({_named_files(strange)})"


def _remarks(facts: Counter[str], questions: int) -> Iterator[str]:
    yield "no dates: the data have none, and none were made up; the order of conversations is the files'"
    equal, part, plain, lost = (facts[f"quotes {how}"] for how in ("equal", "part", "normalised", "lost"))
    if every := equal + part + plain + lost:
        share = f"({lost / every:.1%})".replace("%", " %")
        yield (
            f"evidence quotes placed: by equality {equal:,}, as part {part:,}, after normalisation {plain:,}, "
            f"not placed {lost:,} {share}"
        )
    if bare := facts["questions without evidence"]:
        yield f"questions without evidence that was placed, left out of retrieval metrics: {bare:,} of {questions:,}"
    if absent := facts["conversations that are not in the haystack"]:
        yield f"evidence conversations that their own haystack does not hold: {absent:,}"
    if wrong := facts["context size is wrong"]:
        yield f"test cases whose contextSize is not their number of conversations, which was believed: {wrong:,}"
    if empty := facts["empty messages"]:
        yield f"messages without any text, left out: {empty:,}"


def _remarks_on_files(files: Files, used: Sequence[tuple[DataFile, IndexedFile]]) -> Iterator[str]:
    if any(file.category in CONVERTED for file, _indexed in used):
        yield "category_1 to category_5 are ConvoMem's names for LoCoMo's categories, not LoCoMo's own (1 is multi-hop)"
    if files.left_out:
        message = f"files of {LEGACY} in categories that are not known here, left out: {len(files.left_out)}"
        yield f"{message} ({_named_files(files.left_out)})"
