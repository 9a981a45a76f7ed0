"""The manifest of a bundle: what is in it, and what it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from reports.report import Report
from reports.store import Git, Versions

MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint.sqlite"
PART_BYTES = 1 << 20

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BundledFile(_Part):
    """A file of a bundle."""

    name: FileName
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class BundledData(_Part):
    """The data that a benchmark was asked over."""

    benchmark: str
    variant: str
    sha256: str
    verified: bool


class Manifest(_Part):
    """The first file of a bundle."""

    bundle_version: Literal[1] = 1
    run: FileName
    fingerprint: str
    command: str
    versions: Versions
    git: Git | None
    suite: Git | None
    """The state of the suite that made the bundle; `git` is of the one that made the run."""
    data: tuple[BundledData, ...]
    files: tuple[BundledFile, ...]


def manifest_of(report: Report, files: tuple[BundledFile, ...], suite: Git | None) -> Manifest:
    """The manifest of a run whose files are these, bundled by this state of the suite."""
    run = report.run
    data = {
        (one.benchmark.name, one.benchmark.variant, one.benchmark.sha256, one.benchmark.verified): None
        for one in report.results
    }
    return Manifest(
        run=run.id,
        fingerprint=run.fingerprint,
        command=run.command,
        versions=run.versions,
        git=run.git,
        suite=suite,
        data=tuple(
            BundledData(benchmark=name, variant=variant, sha256=sha256, verified=verified)
            for name, variant, sha256, verified in data
        ),
        files=files,
    )


def described(path: Path) -> BundledFile:
    """A file by its name, size and hash."""
    hashed, size = hashlib.sha256(), 0
    for part in parts_of(path):
        hashed.update(part)
        size += len(part)
    return BundledFile(name=path.name, bytes=size, sha256=hashed.hexdigest())


def parts_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part
