"""Fetching published data files: nothing is put in place before all its bytes are known to be right."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import bench.data
from bench.data import Manifest, ManifestFile, file_sha256, human_size
from schema import DataError

if TYPE_CHECKING:
    import httpx

Say = Callable[[str], None]

_SILENCE_LIMIT_S = 30.0
_CHUNK_BYTES = 1 << 18


def download(manifest: Manifest, folder: Path | None = None, say: Say = print) -> list[Path]:
    """Put the files of `manifest` into `folder` (by default ``datasets/``) and return where they are.

    Files that are already there and right are left alone. `say` gets the licence and the progress, a line at a time.
    Raises `DataError` if a file cannot be fetched, is not the published one or cannot be written; what was in place
    before is then still there, and nothing else.
    """
    folder = folder or bench.data.DATASETS
    say(f"{manifest.title}")
    say(f"Licence: {manifest.terms}. Home: {manifest.homepage}")
    paths = []
    for file in manifest.files:
        target = folder / file.path
        try:
            if target.is_file() and file_sha256(target) == file.sha256:
                say(f"{target} is already there, and its checksum is right.")
            else:
                _fetch(file, target, say)
                say(f"{target} is in place, and its checksum is right.")
        except OSError as error:
            room = f"{human_size(file.bytes)} are needed in {target.parent}"
            raise DataError(f"{target} cannot be written: {error.strerror or error} ({room}).") from error
        paths.append(target)
    return paths


def _fetch(file: ManifestFile, target: Path, say: Say) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that putting it in place is one rename; named by process, so that two downloads do not meet.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            _receive(file, stream, say)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _receive(file: ManifestFile, stream: BinaryIO, say: Say) -> None:
    import httpx  # slow to import, and only a download needs it

    digest, received = hashlib.sha256(), 0
    progress = _Progress(file, say)
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=_SILENCE_LIMIT_S) as client,
            client.stream("GET", file.url) as response,
        ):
            _require_success(file, response)
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                received += len(chunk)
                if received > file.bytes:
                    break  # no published file goes on like this: don't fill the disk with it
                digest.update(chunk)
                stream.write(chunk)
                progress.show(received)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{file.url}: {reason} (after {received:,} bytes). Nothing was kept; try again.") from error
    if received != file.bytes:
        got = f"more than the expected {file.bytes:,}" if received > file.bytes else f"{received:,} of {file.bytes:,}"
        raise DataError(f"{file.url}: got {got} bytes. Nothing was kept; try again.")
    if digest.hexdigest() != file.sha256:
        raise DataError(
            f"{file.url}: wrong checksum: expected sha256 {file.sha256}, found {digest.hexdigest()}. "
            "Nothing was kept; what this address gives is not the published file."
        )


def _require_success(file: ManifestFile, response: httpx.Response) -> None:
    if response.status_code != 200:
        answered = f"{response.status_code} {response.reason_phrase}".strip()
        raise DataError(f"{file.url}: the server answered {answered}. Nothing was kept; try again, or get it by hand.")


class _Progress:
    """Says how far a file has come: at every tenth, but not more than once a second."""

    def __init__(self, file: ManifestFile, say: Say) -> None:
        self._file = file
        self._say = say
        self._tenth = 0
        self._last = time.monotonic()
        say(f"{file.path}: fetching {human_size(file.bytes)} from {file.url}")

    def show(self, received: int) -> None:
        tenth = received * 10 // self._file.bytes
        if tenth > self._tenth and time.monotonic() - self._last >= 1:
            self._tenth, self._last = tenth, time.monotonic()
            self._say(f"{self._file.path}: {human_size(received)} of {human_size(self._file.bytes)}")
