"""Reading a bundle that a stranger made: nothing is written outside of a folder, and no more than is allowed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from pydantic import ValidationError

from reports.report import why
from reports.share.manifest import CHECKPOINT, MANIFEST, PART_BYTES, Manifest
from vocabulary import ConfigurationError

MOST_GB = 4.0
_MOST_MEMBERS = 500
_MOST_RATIO = 400
"""How much larger than the archive the files may be: those of runs are 5 to 60 times as large."""
_LEAST_BYTES = 64 << 20
_LARGEST = {MANIFEST: 16 << 20, "report.json": 256 << 20}
"""What is read as a whole; all else is read in parts."""
_REQUIRED = ("report.json", "results.jsonl", "retrieved.jsonl", CHECKPOINT)


def unpack(path: Path, folder: Path, most_gb: float = MOST_GB) -> tuple[Manifest, list[str]]:
    """Write the files that the manifest of a bundle names into `folder`; the manifest, and how they differ from it.

    Raises `ConfigurationError` if the file is no bundle, or one that must not be unpacked.
    """
    try:
        with ZipFile(path) as archive:
            members = _members(archive, path, most_gb)
            manifest = _manifest(archive, members)
            return manifest, [*_unpacked(archive, members, manifest, folder)]
    except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ConfigurationError(f"{path} cannot be read as a bundle: {error}") from error


def _members(archive: ZipFile, path: Path, most_gb: float) -> dict[str, ZipInfo]:
    found: dict[str, ZipInfo] = {}
    entries = archive.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise ConfigurationError(f"{path} has {len(entries)} files: a bundle has at most {_MOST_MEMBERS}.")
    for entry in entries:
        if entry.filename != Path(entry.filename).name or entry.filename in ("", ".", "..") or "\\" in entry.filename:
            raise ConfigurationError(f"{path} has a file {entry.filename!r}: names in a bundle have no folders.")
        if entry.filename in found:
            raise ConfigurationError(f"{path} has the file {entry.filename!r} twice.")
        if entry.file_size > _LARGEST.get(entry.filename, entry.file_size):
            raise ConfigurationError(f"{path} has a {entry.filename} of {entry.file_size} bytes: no run has one.")
        found[entry.filename] = entry
    size, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if size > most_gb * (1 << 30):
        raise ConfigurationError(
            f"{path} would take {size / (1 << 30):.1f} GB: more than {most_gb:g}. Allow it with "
            "--max-gb if you trust it."
        )
    if size > max(_MOST_RATIO * packed, _LEAST_BYTES):
        raise ConfigurationError(f"{path} would grow from {packed} to {size} bytes: that is no bundle of a run.")
    return found


def _manifest(archive: ZipFile, members: dict[str, ZipInfo]) -> Manifest:
    if MANIFEST not in members:
        raise ConfigurationError(f"{archive.filename} has no {MANIFEST}: python -m reports bundle makes bundles.")
    try:
        return Manifest.model_validate_json(b"".join(_parts(archive, members[MANIFEST])))
    except ValidationError as error:
        raise ConfigurationError(f"the {MANIFEST} of {archive.filename} cannot be read: {why(error)}") from error


def _unpacked(archive: ZipFile, members: dict[str, ZipInfo], manifest: Manifest, folder: Path) -> Iterator[str]:
    named = {file.name: file for file in manifest.files}
    if absent := [name for name in _REQUIRED if name not in named or name not in members]:
        raise ConfigurationError(f"{archive.filename} has no {absent[0]}: without it nothing can be computed again.")
    for name in members.keys() - named.keys() - {MANIFEST}:
        yield f"{name}: not in the manifest"
    for name, file in named.items():
        if name not in members:
            yield f"{name}: in the manifest, and not in the bundle"
            continue
        hashed, size = hashlib.sha256(), 0
        with (folder / name).open("xb") as target:
            for part in _parts(archive, members[name]):
                hashed.update(part)
                size += len(part)
                target.write(part)
        if (size, hashed.hexdigest()) != (file.bytes, file.sha256):
            yield (
                f"{name}: {size} bytes with sha256 {hashed.hexdigest()}, the manifest says {file.bytes} "
                f"bytes with {file.sha256}"
            )


def _parts(archive: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    """The bytes of a file, never more than it says that it has."""
    left = entry.file_size
    with archive.open(entry) as member:
        while part := member.read(PART_BYTES):
            left -= len(part)
            if left < 0:
                raise BadZipFile(f"{entry.filename} is larger than it says")
            yield part
