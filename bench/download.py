"""Fetching published data: nothing is put in place before all its bytes are known to be right (`bench.transfer`)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bench.data
from bench.data import Listing, ListingPart, Manifest, ManifestFile, human_size
from bench.hub import HubFile, HubListing, Selection
from bench.progress import show_progress
from bench.published import Published
from bench.transfer import Remote, checked_sha256, fetch, part_of
from bench.web import Say, open_client
from schema import ConfigurationError, DataError

Note = Callable[[Path, str, Say], None]
"""Is told of each file that is in its place, its SHA-256, and how to say something about it."""

_NOTE_SECONDS = 2.0


def download(
    manifest: Manifest, folder: Path | None = None, say: Say = print, *, files: Sequence[ManifestFile] | None = None
) -> list[Path]:
    """Put `files` of `manifest` (by default all) into `folder` (by default ``datasets/``) and return where they are.

    Files that are already there and right are left alone. `say` gets the licence and the progress, a line at a time.
    Raises `DataError` if a file cannot be fetched, is not the published one or cannot be written; what was in place
    before is then still there. What had come of a file lies hidden beside it, and the next call goes on from there.
    """
    folder, files = folder or bench.data.DATASETS, manifest.files if files is None else files
    _introduce(manifest, say)
    if len(files) > 1:
        say(f"{len(files)} files, {human_size(sum(file.bytes for file in files))} in all")
    wanted = [(Remote(file.url, file.bytes, file.sha256), folder / file.path) for file in files]
    missing = []
    for remote, path in wanted:
        if _is_there(remote, path):
            say(f"{path} is already there, and its checksum is right.")
        else:
            missing.append((remote, path))
            say(f"{path}: fetching {human_size(remote.bytes)} from {remote.url}")
    _fetch_all(
        (files[0].name if len(files) == 1 else "") or manifest.name,
        missing,
        folder,
        say,
        lambda path, _, say: say(f"{path} is in place, and its checksum is right."),
    )
    return [path for _, path in wanted]


def download_part(
    manifest: Manifest, part: ListingPart, selection: Selection, folder: Path | None = None, say: Say = print
) -> list[Path]:
    """Put the files of `part` that `selection` needs into `folder` (by default ``datasets/``); return where they are.

    As `download`, and ``published.json`` beside the files says which of them were found to be the published ones.
    Raises `ConfigurationError` if nothing fits the selection, or if it leaves the context size open where that makes a
    difference of gigabytes.
    """
    folder, listing = folder or bench.data.DATASETS, manifest.listing
    assert listing, "a part is a part of a listing"
    if selection.context_size and not part.by_context_size:
        raise ConfigurationError(f"{part.name} has no context sizes: leave --context-size out.")
    _introduce(manifest, say)
    try:
        files = _choose(part, listing, selection, folder, say)
        paths = [folder / listing.folder / file.path for file in files]
        say(f"{_files(len(files))}, {human_size(sum(file.bytes for file in files))} in all")
        _fetch_listed(listing, part, dict(zip(paths, files, strict=True)), folder, say)
    except OSError as error:  # what is kept beside the data
        raise DataError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from error
    return paths


def _choose(part: ListingPart, listing: Listing, selection: Selection, folder: Path, say: Say) -> list[HubFile]:
    with open_client() as client:
        hub = HubListing(listing, part, folder, client, say)
        files = hub.choose(selection.category, selection.evidence)
        if part.by_context_size and not selection.everything:
            if not selection.context_size:
                raise ConfigurationError(
                    f"{part.name}: {len(files):,} files with {human_size(sum(file.bytes for file in files))} fit. Say "
                    "which you need, as in --context-size 30, or fetch them all with --all."
                )
            files = hub.of_context_size(files, selection.context_size)
    return files


def _fetch_listed(listing: Listing, part: ListingPart, file_at: Mapping[Path, HubFile], folder: Path, say: Say) -> None:
    published = Published(listing, folder)
    found: dict[str, dict[str, Any]] = {}  # any: a JSON object's values
    last = time.monotonic()

    def note(path: Path, sha256: str, _: Say) -> None:
        nonlocal last
        found[file_at[path].path] = {"sha256": sha256, "bytes": file_at[path].bytes}
        if time.monotonic() - last >= _NOTE_SECONDS:  # not at each of a thousand files: the record holds them all
            published.add(found)
            last = time.monotonic()

    missing = []
    for path, file in file_at.items():
        remote = file.remote(listing)
        if sha256 := _is_there(remote, path):
            found[file.path] = {"sha256": sha256, "bytes": file.bytes}
        else:
            missing.append((remote, path))
    if found:
        say(f"{len(found):,} of them are already there, and their checksums are right.")
    try:
        _fetch_all(part.name, missing, folder, say, note)
    finally:
        published.add(found)
    say(f"In place, with the right checksums: {_files(len(file_at))} in {folder / listing.folder}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _introduce(manifest: Manifest, say: Say) -> None:
    say(f"{manifest.title}")
    say(f"Licence: {manifest.terms}. Home: {manifest.homepage}")


def _is_there(remote: Remote, path: Path) -> str | None:
    try:
        return checked_sha256(remote, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _fetch_all(what: str, missing: Sequence[tuple[Remote, Path]], folder: Path, say: Say, note: Note) -> None:
    if not missing:
        return
    _require_room(missing, folder)
    total = sum(remote.bytes for remote, _ in missing)
    with open_client() as client, show_progress(what, total, say) as progress:
        for remote, path in missing:
            try:
                sha256 = fetch(remote, path, client, progress)
            except OSError as error:
                told = f"{error.strerror or error} ({human_size(remote.bytes)} are needed in {path.parent})"
                kept = " What has come is kept: the same command goes on from there." if part_of(path).exists() else ""
                raise DataError(f"{path} cannot be written: {told}.{kept}") from error
            note(path, sha256, progress.say)


def _require_room(missing: Sequence[tuple[Remote, Path]], folder: Path) -> None:
    """Raise `DataError` if what is still to come is known not to fit."""
    needed = sum(remote.bytes for remote, _ in missing)
    needed -= sum(part_of(path).stat().st_size for _, path in missing if part_of(path).is_file())
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DataError(
            f"{folder}: {human_size(needed)} are still to be fetched, but only {human_size(free)} are free there. Make "
            "room, or give another folder with --to. Nothing was fetched."
        )
