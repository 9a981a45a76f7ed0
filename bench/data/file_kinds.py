"""What a file is that is no JSON: downloads leave other things in its place."""

from __future__ import annotations

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "is compressed by gzip: unpack it"),
    (b"PK\x03\x04", "is a ZIP archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd: unpack it"),
    (b"PAR1", "is a Parquet file and not the published JSON"),
    (b"\xff\xfe", "is UTF-16 and not UTF-8"),
    (b"\xfe\xff", "is UTF-16 and not UTF-8"),
    (b"version https://git-lfs", "is a Git LFS pointer and not the file: run `git lfs pull` where it comes from"),
    (b"<", "is an HTML or XML page, such as the error or login page of a download"),
)


def other_kind(start: bytes) -> str | None:
    """What the file is that begins with `start`; None for what may be JSON."""
    begun = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for magic, kind in _KINDS if begun.startswith(magic)), None)
