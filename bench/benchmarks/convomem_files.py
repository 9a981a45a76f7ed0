"""Which of ConvoMem's files are here, and what their paths say about the questions in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bench.data import Manifest, data_folder, locate_part
from vocabulary import DataError

CORE = {
    "user_evidence": "user",
    "assistant_facts_evidence": "assistant",
    "changing_evidence": "changing",
    "abstention_evidence": "abstention",
    "preference_evidence": "preference",
    "implicit_connection_evidence": "implicit",
}
"""ConvoMem's own categories, and how case ids call them."""

CONVERTED = {
    "category_1_basic_facts": "category1",
    "category_2_temporal": "category2",
    "category_3_reasoning": "category3",
    "category_4_multi_session": "category4",
    "category_5_abstention": "category5",
}
"""The categories of ConvoMem's conversion of LoCoMo."""

LEGACY = "legacy_benchmarks"
_KINDS = ("pre_mixed_testcases", "evidence_questions")
_COUNT = re.compile(r"(\d+)_evidence")
_UUID_AND_ROLE = re.compile(r"([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(_.*)?")


class DataFile(NamedTuple):
    """A file of one category: `evidence` is the number of evidences that its folder tells, None if it tells none.

    `relative` is its path from the folder of the data on, `name` what ids of its cases begin with.
    """

    path: Path
    relative: str
    category: str
    evidence: int | None
    name: str


class Files(NamedTuple):
    """The files in `folder`, in the order of their paths; `left_out` are those of benchmarks unknown here."""

    folder: Path
    known: tuple[DataFile, ...]
    left_out: tuple[str, ...]


def find_files(
    manifest: Manifest, name: str, sections: Sequence[str], categories: dict[str, str], data: str | None
) -> Files:
    """The JSON files below `sections` in `data` (``MEMORYBENCH_DATA``) or, if that is None, in ``datasets/``.

    The sections lie in a folder ``convomem`` or directly in `data`. Raises `DataMissingError` if there is no file,
    `DataError` for one whose path tells no category.
    """
    assert manifest.listing, "ConvoMem's files are listed by its hub"
    own = data_folder(data)
    places = [own / manifest.listing.folder, *([own] if data is not None else [])]
    for folder in places:
        found = sorted(path for section in sections for path in (folder / section).rglob("*.json"))
        if found:
            return _labelled(folder, found, categories)
    part = next(part for part in manifest.listing.parts if part.name == name)
    locate_part(manifest, part, data, folder=own)
    raise AssertionError(f"{part.path} is one of the sections that were looked at")


def _labelled(folder: Path, paths: Sequence[Path], categories: dict[str, str]) -> Files:
    known: dict[str, DataFile] = {}
    left_out = []
    for path in paths:
        relative = path.relative_to(folder).as_posix()
        if (file := _label(path, relative, categories)) is None:
            left_out.append(relative)
        elif file.name in known:
            message = f"{path} and {known[file.name].path} have the same name in case ids, {file.name!r}"
            raise DataError(f"{message}: rename one of them, or keep it elsewhere.")
        else:
            known[file.name] = file
    return Files(folder, tuple(known.values()), tuple(left_out))


def _label(path: Path, relative: str, categories: dict[str, str]) -> DataFile | None:
    section, *folders, file = PurePosixPath(relative).parts
    prefix, separator, stem = PurePosixPath(file).stem.partition("__")
    named = [part for part in (*folders, prefix) if part in categories]
    if not named:
        if section == LEGACY:
            return None
        raise DataError(
            f"{path}: no folder of it, and nothing before '__' in its name, is a category of ConvoMem's. "
            f"Known: {', '.join(categories)}. Move the file to a folder of its category."
        )
    counts = [match for part in folders if (match := _COUNT.fullmatch(part))]
    stem = stem if separator and prefix == named[0] else PurePosixPath(file).stem
    others = [part for part in folders if not (part in categories or part in _KINDS or _COUNT.fullmatch(part))]
    names = [
        categories[named[0]],
        *(match[1] for match in counts[:1]),
        *([_digest("/".join(others))] if others else []),
        _short(stem),
    ]
    return DataFile(path, relative, named[0], int(counts[0][1]) if counts else None, "-".join(names))


def _short(stem: str) -> str:
    """A name of a file for case ids, from its own name alone: eight letters tell a persona from all others."""
    if match := _UUID_AND_ROLE.fullmatch(stem):
        stem = match[1] + (match[2] or "")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)
    return safe if safe == stem else f"{safe}-{_digest(stem)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:6]
