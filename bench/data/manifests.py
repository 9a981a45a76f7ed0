"""Where a benchmark's data files are, and whether they are the published ones.

What is published is written in ``datasets/NAME.toml``; downloads land beside it. A folder of one's own
(``MEMORYBENCH_DATA``) takes the place of ``datasets/`` when it is given.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from vocabulary import DataError, DataMissingError, UnknownNameError, Word

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
PUBLISHED = "published.json"
"""Beside files that a listing names: which of them were found to be the published ones when they were fetched."""


def _stay_inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path:
        raise ValueError("must be relative, with forward slashes and without '..'")
    return path


InnerPath = Annotated[str, Field(min_length=1), AfterValidator(_stay_inside)]
HUB = "hf://"
"""An address on the Hugging Face hub begins so: ``hf://datasets/OWNER/NAME@REVISION/PATH``."""


class RemoteFile(Word):
    """One published file: `path` under the data folder, where it is to be had, and how it is known to be the right one.

    That is its `sha256` or, where that is empty, its git `blob` id: the SHA-1 of ``blob``, a blank, the size, a zero
    byte and the content. Both are in lower-case hexadecimal.
    """

    path: InnerPath
    url: str
    bytes: int = Field(ge=0)
    sha256: str = ""
    blob: str = ""


class ManifestFile(RemoteFile):
    """A file that a manifest names, at an address that never changes; `name` is what to download it by alone.

    `json_copy` is where a folder of the user's own may hold the content of a Parquet file as JSON.
    """

    url: str = Field(pattern=r"^(hf://datasets/[^/\s]+/[^/\s@]+@[0-9a-f]{40}/|https?://)\S+$")
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = ""
    json_copy: InnerPath | None = None


class ListingPart(Word):
    """The files of a listing below `path`, asked for by `name`: about so many `files` with so many `bytes` in all.

    Those count whose path below `path` matches the regular expression `pattern`. `by_context_size` says that each of
    them is about haystacks of one size, which its last bytes tell. `sha256` is what `BenchmarkInfo` has of these files,
    where that is known: data are then known to be the published ones however they came here.
    """

    name: str = Field(min_length=1)
    path: InnerPath
    files: int = Field(gt=0)
    bytes: int = Field(gt=0)
    pattern: str = r"[^/.][^/]*/\d+_[^/]+/[^/.][^/]*\.json"
    by_context_size: bool = False
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")


class Listing(Word):
    """Files too many to be named one by one: `host` lists those of the data set or git repository `repository`.

    Files land in `folder` of the data folder, under the paths that they have there at `revision`, a commit.
    """

    repository: str = Field(pattern=r"^[^/\s]+/[^/\s@]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    folder: InnerPath
    host: Literal["huggingface", "github"] = "huggingface"
    parts: tuple[ListingPart, ...] = Field(min_length=1)


class Manifest(Word):
    """What is known of a published data set: `citation` is BibTeX, `licence_note` the licence's catch in few words.

    It names its `files`, or has a `listing` that does.
    """

    name: str
    title: str
    homepage: str
    licence: str
    licence_note: str = ""
    citation: Annotated[str, AfterValidator(str.strip)]
    files: tuple[ManifestFile, ...] = ()
    listing: Listing | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if bool(self.files) == bool(self.listing):
            raise ValueError("a manifest has either files or a listing")
        return self

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
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DataError(f"{path}: {place}: {first['msg']} (found {first['input']!r:.80})") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


def find_download(name: str) -> tuple[Manifest, ManifestFile | ListingPart | None]:
    """What `name` asks for: a file or a part of a listing that bears it, or (None) a whole manifest.

    Raises `UnknownNameError` if nothing does.
    """
    known: dict[str, tuple[Manifest, ManifestFile | ListingPart | None]] = {}
    for manifest in map(read_manifest, manifest_names()):
        known[manifest.name] = manifest, None
        for part in manifest.listing.parts if manifest.listing else manifest.files:
            if part.name:
                known[part.name] = manifest, part
    if name not in known:
        raise UnknownNameError("data set", name, known)
    return known[name]


def find_file(manifest: Manifest, file: ManifestFile, data: str | None, *, folder: Path | None = None) -> FoundFile:
    """The file as `locate_file` finds it, with its checksum taken and checked by `check_file`."""
    path = locate_file(manifest, file, data, folder=folder)
    try:
        found = file_sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    return check_file(manifest, file, path, found, data)


def locate_file(manifest: Manifest, file: ManifestFile, data: str | None, *, folder: Path | None = None) -> Path:
    """Where the file is in `data` (``MEMORYBENCH_DATA``) or, if that is None, in `folder` (by default ``datasets/``).

    In `data` it, or else its `json_copy`, may lie at its full path or directly in the folder. Raises `DataMissingError`
    if it is not there.
    """
    command, size = download_command(manifest, file, data), human_size(file.bytes)
    if data is None:
        path = (folder or DATASETS) / file.path
        if path.is_file():
            return path
        raise DataMissingError(
            f"{file.name or manifest.name}: {path} is missing. `{command}` gets it ({size}; {manifest.terms}), or set "
            "MEMORYBENCH_DATA to a folder that has it."
        )
    own = Path(data).expanduser()
    places = [own / name for path in (file.path, file.json_copy) if path for name in (path, PurePosixPath(path).name)]
    for path in places:
        if path.is_file():
            return path
    raise DataMissingError(
        f"{file.name or manifest.name}: neither {places[0]} nor {places[1]} exists (MEMORYBENCH_DATA is {data}). "
        f"`{command}` puts it there ({size}; {manifest.terms}); or set MEMORYBENCH_DATA to the folder that has it."
    )


def check_file(manifest: Manifest, file: ManifestFile, path: Path, sha256: str, data: str | None) -> FoundFile:
    """The file at `path`, whose checksum is `sha256`: as published, or marked as unverified.

    A folder that the user names (`data`) may hold files of the user's own. ``datasets/`` has none, so a different
    checksum there means a damaged file: `DataError`.
    """
    if sha256 == file.sha256:
        return FoundFile(path, sha256, verified=True)
    sums = f"expected sha256 {file.sha256} ({file.bytes:,} bytes), found {sha256} ({path.stat().st_size:,} bytes)"
    if data is None:
        command = download_command(manifest, file, data)
        raise DataError(f"{path}: wrong checksum: {sums}. Delete it and run `{command}`.")
    note = f"unverified data: {path.name} is not the published file, so its numbers compare with no others ({sums})"
    return FoundFile(path, sha256, verified=False, notes=(note,))


def data_folder(data: str | None) -> Path:
    """Where data files are looked for: `data` (``MEMORYBENCH_DATA``), or ``datasets/`` where that is None."""
    return Path(data).expanduser() if data is not None else DATASETS


def locate_part(manifest: Manifest, part: ListingPart, data: str | None, *, folder: Path | None = None) -> list[Path]:
    """The JSON files of `part` that are in `data` (``MEMORYBENCH_DATA``; None: `folder`, by default ``datasets/``).

    They are in the order of their paths. In `data` the paths may begin with the listing's folder or without it. Raises
    `DataMissingError` if there is none.
    """
    assert manifest.listing, "a part is a part of a listing"
    own = data_folder(data) if data is not None or folder is None else folder
    places = [own / manifest.listing.folder / part.path, *([own / part.path] if data is not None else [])]
    for place in places:
        if found := sorted(place.rglob("*.json")):
            return found
    where = f"MEMORYBENCH_DATA is {data}" if data is not None else "or set MEMORYBENCH_DATA to a folder that has them"
    choice = " --context-size 30" if part.by_context_size else ""
    raise DataMissingError(
        f"{part.name}: no file in {' or '.join(map(str, places))}. `{download_command(manifest, part, data)}{choice}` "
        f"gets them ({human_size(part.bytes)} in all; {manifest.terms}); {where}."
    )


def published_files(manifest: Manifest, folder: Path) -> dict[str, str]:
    """The files that a download found to be as published: paths relative to `folder`, with their SHA-256.

    `folder` is a data folder or the listing's folder in it. Empty where nothing was downloaded, or from another
    revision than the manifest's. Raises `DataError` if the record cannot be read.
    """
    assert manifest.listing, "files that a manifest names have their checksums there"
    for prefix in ("", f"{manifest.listing.folder}/"):
        path = folder / f"{prefix}{PUBLISHED}"
        if path.is_file():
            break
    else:
        return {}
    try:
        record = json.loads(path.read_bytes())
        if record["revision"] != manifest.listing.revision:
            return {}
        return {f"{prefix}{name}": str(file["sha256"]) for name, file in record["files"].items()}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is not the record of a download ({type(error).__name__}: {error})"
        raise DataError(f"{message}. Delete it; downloading again checks what is there and writes it anew.") from error


def download_command(manifest: Manifest, file: ManifestFile | ListingPart, data: str | None) -> str:
    """What to type to get a file, or a part of a listing, into `data` (None: the repository's ``datasets/``)."""
    place = f" --to {shlex.quote(data)}" if data is not None else ""
    return f"python -m bench download {file.name or manifest.name}{place}"


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
