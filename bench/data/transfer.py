"""Getting a file's bytes: continued where an earlier command ended, and in place only once they are known to be right.

Beside the place of ``x.json`` lies ``.x.json.part`` until then.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO  # Any: parsed JSON

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from bench.data.manifests import HUB, RemoteFile, file_sha256
from vocabulary import DataError

Say = Callable[[str], None]

_BLOCK_BYTES = 1 << 24
_SILENCE_LIMIT_SECONDS = 30.0


def checked_sha256(remote: RemoteFile, path: Path) -> str | None:
    """The SHA-256 of the file at `path` if it is there and the published one, else None. Raises `OSError`."""
    if not path.is_file() or path.stat().st_size != remote.bytes:
        return None
    if _checksum(remote, path) != (remote.sha256 or remote.blob):
        return None
    return remote.sha256 or file_sha256(path)


def part_of(target: Path) -> Path:
    """Where the bytes of `target` are until they are complete and checked."""
    return target.with_name(f".{target.name}.part")


def fetch(remote: RemoteFile, target: Path, add: Callable[[int], object]) -> str:
    """Put the file into its place and return its SHA-256; `add` is called with each number of bytes that are there.

    Raises `DataError` if it cannot be had or is not the published one; what was in place before is then still there.
    """
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab" if remote.url.startswith(HUB) else "wb") as stream:
            add(stream.tell())
            for chunk in _chunks(remote.url, stream.tell()):
                stream.write(chunk)
                add(len(chunk))
            stream.flush()
            os.fsync(stream.fileno())
        if (sha256 := checked_sha256(remote, part)) is None:
            raise _refused(remote, part)
        part.replace(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}.{_kept(part)}") from error
    except DataError as error:
        raise DataError(f"{error}{_kept(part)}") from error
    return sha256


def _is_transient(error: BaseException) -> bool:
    import httpx2

    if response := getattr(error, "response", None):
        return response.status_code in (408, 429) or bool(response.is_server_error)
    return isinstance(error, httpx2.TransportError)


retried = retry(
    retry=retry_if_exception(_is_transient),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(max=10),
    reraise=True,
)
"""For first requests, which huggingface_hub tries once; it tries later ones again by itself."""


def _chunks(url: str, start: int) -> Iterator[bytes]:
    """The file's bytes: from `start` on if it lies on the hub, else all of them."""
    with remote_errors(url):
        if not url.startswith(HUB):
            yield _content(url)
            return
        with _opened(url) as remote:
            remote.seek(start)
            while chunk := remote.read(_BLOCK_BYTES):
                yield chunk


@retried
def _opened(url: str) -> BinaryIO:
    from huggingface_hub import HfFileSystem  # slow to import, and only a download needs it

    opened: BinaryIO = HfFileSystem().open(url, "rb", block_size=_BLOCK_BYTES, cache_type="none")
    return opened


@retried
def _content(url: str) -> bytes:
    import httpx2

    return httpx2.get(url, follow_redirects=True, timeout=_SILENCE_LIMIT_SECONDS).raise_for_status().content


def remote_json(url: str) -> Any:  # any: parsed JSON
    """What the address answers, as JSON; raises what `remote_errors` turns into a `DataError`."""
    return json.loads(_content(url))


@contextmanager
def remote_errors(what: str) -> Iterator[None]:
    """Raise `DataError`, in one line, for what a server or the way to it is to blame for."""
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, FileNotFoundError, ConnectionError, ValueError) as error:
        reason = str(error)
        if response := getattr(error, "response", None):
            reason = f"the server answered {response.status_code} {response.reason_phrase}"
        elif isinstance(error, FileNotFoundError):
            reason = f"not found: {reason}"
        raise DataError(f"{what}: {' '.join(reason.split()) or type(error).__name__}.") from error


def _refused(remote: RemoteFile, part: Path) -> DataError:
    expected = f"sha256 {remote.sha256}" if remote.sha256 else f"git blob id {remote.blob}"
    found = f"{_checksum(remote, part)} ({part.stat().st_size:,} bytes)"
    part.unlink()
    return DataError(
        f"{remote.url}: not the published file: expected {expected} ({remote.bytes:,} bytes), found {found}. "
        "Nothing was kept."
    )


def _kept(part: Path) -> str:
    if not part.is_file():
        return ""
    if not part.stat().st_size:
        part.unlink()
        return " Nothing has come; try again."
    return " What has come is kept: the same command goes on from there."


def _checksum(remote: RemoteFile, path: Path) -> str:
    """Of the kind that the file's publisher gives."""
    if remote.sha256:
        return file_sha256(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: digest).hexdigest()
