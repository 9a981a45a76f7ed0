"""One file over HTTP: what has come is kept, checked as it comes, and put in place when all of it is right.

Beside a file ``x.json`` that is being fetched lies ``.x.json.part``, its beginning, and ``.x.json.part.source``, where
that came from. Both outlive the process, so that the next one goes on from there. The process that fetches holds a lock
on the beginning; the system takes it back from a process that dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from bench.progress import Progress
from bench.web import Patience, Say, reason
from schema import DataError

if TYPE_CHECKING:
    import httpx

_CHUNK_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_GO_ON = "What has come is kept: the same command goes on from there"
_REFUSED = "Nothing was kept: what this address gives is not the published file"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to be had at `url`: so many `bytes`, known by their `sha256` or, if that is empty, by their git `blob` id.

    A blob id is the SHA-1 of ``blob``, a blank, the size, a zero byte and the content. Both are in hexadecimal.
    """

    url: str
    bytes: int
    sha256: str
    blob: str = ""


class _Checksum:
    """The checksums of bytes as they come."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._sha256 = hashlib.sha256()
        self._blob = hashlib.sha1(b"blob %d\0" % remote.bytes, usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        if not self._remote.sha256:
            self._blob.update(chunk)

    def read(self, stream: BinaryIO | FileIO) -> int:
        """Take in all that `stream` holds from its beginning on; how many bytes that was."""
        stream.seek(0)
        count = 0
        while chunk := stream.read(_CHUNK_BYTES):
            self.update(chunk)
            count += len(chunk)
        return count

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def fault(self) -> str:
        """What is wrong with the bytes, nothing if they are the right ones."""
        kind, expected, found = ("sha256", self._remote.sha256, self.sha256)
        if not expected:
            kind, expected, found = ("git blob id", self._remote.blob, self._blob.hexdigest())
        return "" if found == expected else f"wrong checksum: expected {kind} {expected}, found {found}"


def checked_sha256(remote: Remote, path: Path) -> str | None:
    """The SHA-256 of the file at `path` if it is there and right, else None. Raises `OSError`."""
    if not path.is_file() or path.stat().st_size != remote.bytes:
        return None
    checksum = _Checksum(remote)
    with path.open("rb") as stream:
        checksum.read(stream)
    return None if checksum.fault else checksum.sha256


def part_of(target: Path) -> Path:
    """Where the beginning of `target` lies while it is being fetched."""
    return target.with_name(f".{target.name}.part")


def fetch(remote: Remote, target: Path, client: httpx.Client, progress: Progress) -> str:
    """Put the file into its place, going on from what is there of it, and return its SHA-256.

    Waits, and says so, while another process fetches the same file. Raises `DataError` if it cannot be had or is not
    the right one, `OSError` if it cannot be written; what was in place before is then still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, before = part_of(target), _state(target)
    with _claimed(part, target, progress.say) as stream:
        if _state(target) != before and (sha256 := checked_sha256(remote, target)):  # another process was faster
            part.unlink()
            progress.skip(remote.bytes)
            return sha256
        try:
            sha256 = _Transfer(remote, part, stream, client, progress).run()
        finally:
            if (state := _state(part)) == _state(stream.fileno()) and state and not state.size:
                part.unlink()  # nothing has come
        part.replace(target)
    return sha256


@contextmanager
def _claimed(part: Path, target: Path, say: Say) -> Iterator[FileIO]:
    """The beginning of a file, open for writing at its end, for this process alone."""
    while True:
        with part.open("a+b", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"{target}: another process is fetching it; waiting until it has ended")
                fcntl.flock(stream, fcntl.LOCK_EX)
            # Whoever had it may have put it in place or deleted it since: then this is no longer the beginning.
            if _state(part) == _state(stream.fileno()):
                yield stream
                return


class _Transfer:
    """Completes the beginning of a file that is there."""

    def __init__(self, remote: Remote, part: Path, stream: FileIO, client: httpx.Client, progress: Progress) -> None:
        self._remote = remote
        self._part = part
        self._source = part.with_name(f"{part.name}.source")
        self._stream = stream
        self._client = client
        self._progress = progress
        self._patience = Patience(progress.say)
        self._have = 0
        self._checksum = _Checksum(remote)
        self._etag = ""

    def run(self) -> str:
        import httpx  # slow to import, and only a download needs it

        self._take_up()
        try:
            self._patience.call(self._remote.url, self._receive)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = f"{self._remote.url}: {reason(error)} (after {self._have:,} of {self._remote.bytes:,} bytes)"
            raise DataError(f"{told}. {_GO_ON if self._have else 'Nothing has come; try again'}.") from error
        if fault := self._checksum.fault:
            raise self._refused(fault)
        os.fsync(self._stream.fileno())
        self._source.unlink(missing_ok=True)
        return self._checksum.sha256

    def _take_up(self) -> None:
        """Go on from what is there, if it is known to be of the file that is wanted."""
        size = self._stream.seek(0, os.SEEK_END)
        if not size:
            return
        etag = self._known_source()
        if size <= self._remote.bytes and (etag is not None or size == self._remote.bytes):
            self._have = self._checksum.read(self._stream)
            self._etag = etag or ""
            self._progress.skip(self._have)
            if self._have < self._remote.bytes or not self._checksum.fault:
                self._progress.say(f"{self._remote.url}: going on after {self._have:,} bytes")
                return
        self._start_over()

    def _known_source(self) -> str | None:
        """The ETag that the beginning came with, None if it is not known to be of this file."""
        try:
            source = json.loads(self._source.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        same = isinstance(source, dict) and {**source, "etag": ""} == {**asdict(self._remote), "etag": ""}
        return str(source["etag"]) if same and "etag" in source else None

    def _start_over(self) -> None:
        self._stream.truncate(0)
        self._progress.add(-self._have)
        self._have, self._etag = 0, ""
        self._checksum = _Checksum(self._remote)

    def _receive(self) -> None:
        if self._have == self._remote.bytes:
            return
        headers = {"Accept-Encoding": "identity"}  # positions are those of the file, not of something packed
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
            if self._etag and not self._etag.startswith("W/"):
                headers["If-Range"] = self._etag
        with self._client.stream("GET", self._remote.url, headers=headers) as response:
            if self._have and response.status_code == 416:
                raise self._refused(f"there are no more than {self._have:,} of {self._remote.bytes:,} bytes")
            response.raise_for_status()
            if response.status_code not in (200, 206) or (response.status_code == 206 and not self._have):
                raise DataError(f"{self._remote.url}: the server answered {response.status_code} to a plain request.")
            if self._have and not self._goes_on(response):
                self._progress.say(f"{self._remote.url}: cannot go on where it was cut; fetching it from the beginning")
                self._start_over()
            if self._have or response.status_code == 200:
                self._store(response)
                return
        self._receive()  # that was the rest of another state of the file

    def _goes_on(self, response: httpx.Response) -> bool:
        """Whether the answer is the rest of what is there."""
        if response.status_code != 206:
            return False
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != self._have or match[2] not in (str(self._remote.bytes), "*"):
            raise self._refused(
                f"asked for the bytes from {self._have:,} on of {self._remote.bytes:,}, the server gave "
                f"{response.headers.get('Content-Range', 'a part without its place')!r}"
            )
        return not self._etag or response.headers.get("ETag", self._etag) == self._etag

    def _store(self, response: httpx.Response) -> None:
        import httpx

        if not self._have:
            self._etag = response.headers.get("ETag", "")
            self._source.write_text(json.dumps({**asdict(self._remote), "etag": self._etag}), encoding="utf-8")
        for chunk in response.iter_bytes():
            if self._have + len(chunk) > self._remote.bytes:  # no published file goes on like this
                raise self._refused(f"got more than the expected {self._remote.bytes:,} bytes")
            unwritten = memoryview(chunk)
            while unwritten:
                unwritten = unwritten[self._stream.write(unwritten) :]
            self._checksum.update(chunk)
            self._have += len(chunk)
            self._progress.add(len(chunk))
            self._patience.progressed()
        if self._have < self._remote.bytes:
            told = f"got {self._have:,} of {self._remote.bytes:,} bytes"
            if "Content-Length" in response.headers:  # all that the server has
                raise DataError(f"{self._remote.url}: {told}. {_GO_ON}.")
            raise httpx.RemoteProtocolError(told)

    def _refused(self, fault: str) -> DataError:
        self._part.unlink()
        self._source.unlink(missing_ok=True)
        return DataError(f"{self._remote.url}: {fault}. {_REFUSED}.")


class _State(NamedTuple):
    """What tells a file from the one that was there before."""

    inode: int
    size: int
    mtime_ns: int


def _state(file: Path | int) -> _State | None:
    try:
        stat = os.stat(file)  # noqa: PTH116  a Path cannot ask about a descriptor
    except FileNotFoundError:
        return None
    return _State(stat.st_ino, stat.st_size, stat.st_mtime_ns)
