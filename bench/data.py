"""Where a benchmark's data files are, and whether they are the published ones.

What is published is written in ``datasets/NAME.toml``; downloads land beside it. A folder of one's own
(``MEMORYBENCH_DATA``) takes the place of ``datasets/`` when it is given.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from schema import ConfigurationError, DataError, DataMissingError, UnknownNameError, Word

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
UNVERIFIED_VARIABLE = "MEMORYBENCH_UNVERIFIED"


def _stay_inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path:
        raise ValueError("must be relative, with forward slashes and without '..'")
    return path


class ManifestFile(Word):
    """One published file: `path` under the data folder, where it is to be had, and how it is known to be the right one.

    `revision` is the state of the source that `url` is pinned to; `sha256` is in lower-case hexadecimal.
    """

    path: Annotated[str, Field(min_length=1), AfterValidator(_stay_inside)]
    url: str = Field(pattern=r"^https?://\S+$")
    revision: str
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Word):
    """What is known of a published data set: `citation` is BibTeX, `licence_note` the licence's catch in few words."""

    name: str
    title: str
    homepage: str
    licence: str
    licence_note: str = ""
    citation: Annotated[str, AfterValidator(str.strip)]
    files: tuple[ManifestFile, ...] = Field(min_length=1)

    @property
    def size(self) -> str:
        """The size of all files together, for people."""
        return human_size(sum(file.bytes for file in self.files))

    @property
    def terms(self) -> str:
        """The licence with its catch."""
        return f"{self.licence}, {self.licence_note}" if self.licence_note else self.licence


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A data file on this machine; `verified` says that its bytes are the published ones."""

    path: Path
    sha256: str
    verified: bool
    notes: tuple[str, ...] = ()


def manifest_names(folder: Path | None = None) -> list[str]:
    """The names of the data sets that have a manifest in `folder` (by default the repository's ``datasets/``)."""
    return sorted(path.stem for path in (folder or DATASETS).glob("*.toml"))


def read_manifest(name: str, folder: Path | None = None) -> Manifest:
    """The manifest ``NAME.toml`` of `folder` (by default the repository's ``datasets/``).

    Raises `UnknownNameError` if there is none, `DataError` if it is not a manifest.
    """
    folder = folder or DATASETS
    if name not in manifest_names(folder):
        raise UnknownNameError("data set", name, manifest_names(folder))
    path = folder / f"{name}.toml"
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']} (found {first['input']!r:.80})") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


def find_file(manifest: Manifest, file: ManifestFile, data: str | None, *, folder: Path | None = None) -> FoundFile:
    """The file in `data` (``MEMORYBENCH_DATA``) or, if that is None, in `folder` (by default ``datasets/``).

    In `data` it may lie at its full path or directly in the folder. A file there that is not the published one is let
    through, unverified, if the environment says ``MEMORYBENCH_UNVERIFIED=1``. Raises `DataMissingError` if there is no
    file, `DataError` if its checksum is wrong.
    """
    if data is None:
        path = (folder or DATASETS) / file.path
        if not path.is_file():
            raise DataMissingError(
                f"{manifest.name}: {path} is missing. `{download_command(manifest, data)}` gets it ({manifest.size}; "
                f"{manifest.terms}), or set MEMORYBENCH_DATA to a folder that has it."
            )
        return _checked(manifest, file, path, data)
    places = [Path(data).expanduser() / file.path, Path(data).expanduser() / PurePosixPath(file.path).name]
    for path in places:
        if path.is_file():
            return _checked(manifest, file, path, data)
    raise DataMissingError(
        f"{manifest.name}: neither {places[0]} nor {places[1]} exists (MEMORYBENCH_DATA is {data}). "
        f"`{download_command(manifest, data)}` puts it there ({manifest.size}; {manifest.terms}); "
        "or set MEMORYBENCH_DATA to the folder that has it."
    )


def download_command(manifest: Manifest, data: str | None) -> str:
    """What to type to get the data set into `data` (None: the repository's ``datasets/``)."""
    return f"python -m bench download {manifest.name}" + (f" --to {shlex.quote(data)}" if data is not None else "")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, in constant memory. Raises `OSError`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def human_size(size: int) -> str:
    """A number of bytes in decimal units: ``2.8 MB``."""
    if size < 1000:
        return f"{size} bytes"
    value, unit = size / 1000, "kB"
    for larger in ("MB", "GB"):
        if value >= 999.95:  # 1000.0 once it is rounded
            value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"


def unverified_allowed() -> bool:
    """Whether the environment lets data through that is not the published one.

    Raises `ConfigurationError` for a value that is neither yes nor no, so that a typing error does not decide.
    """
    value = os.environ.get(UNVERIFIED_VARIABLE, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("", "0", "false", "no", "off"):
        return False
    raise ConfigurationError(f"{UNVERIFIED_VARIABLE}={value!r} is neither yes nor no; set it to 1 or 0.")


def _checked(manifest: Manifest, file: ManifestFile, path: Path, data: str | None) -> FoundFile:
    try:
        found, size = file_sha256(path), path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if found == file.sha256:
        return FoundFile(path, found, verified=True)
    sums = f"expected sha256 {file.sha256} ({file.bytes:,} bytes), found {found} ({size:,} bytes)"
    if data is None:
        raise DataError(f"{path}: wrong checksum: {sums}. Delete it and run `{download_command(manifest, data)}`.")
    if not unverified_allowed():
        raise DataError(
            f"{path}: wrong checksum: {sums}. `{download_command(manifest, data)}` gets the published file; "
            f"if this one is meant to differ, set {UNVERIFIED_VARIABLE}=1."
        )
    note = f"unverified data: {path.name} is not the published file, so its numbers compare with no others ({sums})"
    return FoundFile(path, found, verified=False, notes=(note,))
