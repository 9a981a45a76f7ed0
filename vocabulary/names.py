"""Names of providers, models and judges as names of files."""

from __future__ import annotations

import re
from hashlib import blake2b


def file_name_of(name: str) -> str:
    """A name or dotted path as a file's name, different for different names on every file system.

    ``bm25`` stays as it is; ``my_package.memory:Mine`` becomes ``my-package-memory-Mine-`` and eight hex digits.
    """
    plain = re.sub(r"[^A-Za-z0-9]", "-", name)
    if re.fullmatch(r"[a-z0-9-]{1,80}", name):
        return plain
    return f"{plain[:80]}-{blake2b(name.encode(errors='surrogatepass'), digest_size=4).hexdigest()}"
