"""Downloading published data: what is right already is left alone, and one process at a time fetches a data set."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import bench.data.manifests
from bench.data.hub import Selection, select
from bench.data.manifests import PUBLISHED, Listing, ListingPart, Manifest, ManifestFile, RemoteFile, human_size
from bench.data.transfer import Say, checked_sha256, fetch, part_of
from vocabulary import DataError


def download(
    manifest: Manifest, folder: Path | None = None, say: Say = print, *, files: Sequence[ManifestFile] | None = None
) -> list[Path]:
    """Put `files` of `manifest` (by default all) into `folder` (by default ``datasets/``) and return where they are.

    Files that are already there and right are left alone. `say` gets the licence and what is done, a line at a time.
    Raises `DataError` if a file cannot be fetched, is not the published one or cannot be written; what was in place
    before is then still there.
    """
    folder, files = folder or bench.data.manifests.DATASETS, manifest.files if files is None else files
    _introduce(manifest, say)
    return [path for path, _ in _put(manifest, files, folder, say)]


def download_part(
    manifest: Manifest, part: ListingPart, selection: Selection, folder: Path | None = None, say: Say = print
) -> list[Path]:
    """Put the files of `part` that `selection` needs into `folder` (by default ``datasets/``); return where they are.

    As `download`, and ``published.json`` beside the files says which of them were found to be the published ones.
    Raises what `select` raises, too.
    """
    folder, listing = folder or bench.data.manifests.DATASETS, manifest.listing
    assert listing, "a part is a part of a listing"
    _introduce(manifest, say)
    files = select(listing, part, selection, say)
    published: dict[Path, str] = {}
    try:
        published.update(_put(manifest, files, folder, say))  # one by one: those before a failure count
    finally:
        if published:
            with _locked(folder, f"{manifest.name}-record", say):
                _record(listing, folder / listing.folder, published)
    return list(published)


def _introduce(manifest: Manifest, say: Say) -> None:
    say(manifest.title)
    say(f"Licence: {manifest.terms}. Home: {manifest.homepage}")


def _put(manifest: Manifest, files: Sequence[RemoteFile], folder: Path, say: Say) -> Iterator[tuple[Path, str]]:
    """Fetch what is not in place yet; where each file is, and its SHA-256."""
    say(f"{_counted(files)} in all")
    missing = {folder / file.path: file for file in files}
    for path, file in list(missing.items()):
        if sha256 := _checked(file, path):
            del missing[path]
            yield path, sha256
    if there := len(files) - len(missing):
        say(f"Already there, with the right checksums: {there:,} of them")
    if missing:
        with _locked(folder, manifest.name, say):
            say(f"Fetching {_counted(list(missing.values()))}")
            yield from _fetched(missing, folder)
    say(f"In place, with the right checksums: all of them, in {folder}")


def _counted(files: Sequence[RemoteFile]) -> str:
    size = human_size(sum(file.bytes for file in files))
    return f"{files[0].path}, {size}" if len(files) == 1 else f"{len(files):,} files, {size}"


def _fetched(missing: Mapping[Path, RemoteFile], folder: Path) -> Iterator[tuple[Path, str]]:
    from tqdm import tqdm  # type: ignore[import-untyped]  # it has no types of its own

    _require_room(missing, folder)
    total = sum(file.bytes for file in missing.values())
    with tqdm(total=total, unit="B", unit_scale=True, dynamic_ncols=True, disable=None) as bar:  # None: on a terminal
        for path, file in missing.items():  # what another process has put in place in the meantime is found
            yield path, _checked(file, path) or fetch(file, path, bar.update)


def _checked(file: RemoteFile, path: Path) -> str | None:
    try:
        return checked_sha256(file, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _require_room(missing: Mapping[Path, RemoteFile], folder: Path) -> None:
    """Raise `DataError` if what is still to come is known not to fit."""
    needed = sum(file.bytes for file in missing.values())
    needed -= sum(part.stat().st_size for part in map(part_of, missing) if part.is_file())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: {human_size(needed)} are still to be fetched, but only {human_size(free)} are free there. Make "
            "room, or give another folder with --to. Nothing was fetched."
        )


@contextmanager
def _locked(folder: Path, name: str, say: Say) -> Iterator[None]:
    """Do this in one process at a time; the lock of a process that dies is released by the system."""
    from filelock import FileLock, Timeout

    path = folder / f".{name}.lock"
    lock = FileLock(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            say(f"{folder}: another process is downloading {name}; waiting until it has ended")
            lock.acquire()
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: filelock notices, and a process that waits locks a new file
        lock.release()


def _record(listing: Listing, folder: Path, published: Mapping[Path, str]) -> None:
    """Add the files to the record that `published_files` reads."""
    path, draft = folder / PUBLISHED, folder / f".{PUBLISHED}.new"
    try:
        record = json.loads(path.read_bytes())
        known = record["files"] if record["revision"] == listing.revision else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        known = {}  # downloading the files again finds out what it said
    known |= {file.relative_to(folder).as_posix(): {"sha256": sha256} for file, sha256 in published.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({"revision": listing.revision, "files": known}, indent=1, sort_keys=True))
        draft.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error
