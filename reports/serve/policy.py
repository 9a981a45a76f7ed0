"""What a browser may load and run in a page: named by hashes, and nothing from elsewhere."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_ALWAYS = "default-src 'none'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
_INLINE = re.compile(rb"<(script|style)((?:\s[^>]*)?)>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)


def policy_of_page(text: str) -> str:
    """The policy of a page of this site: its own style sheet, scripts that are files, events, and forms that read."""
    styles = _hashes(text.encode(), b"style")
    return f"{_ALWAYS}; style-src {styles}; script-src 'self'; connect-src 'self'; form-action 'self'"


def policy_of_file(file: Path) -> str:
    """The policy of a report, which stands alone: what is inline in it, and no request at all.

    The file's own policy, which names what the suite wrote into it, holds as well.
    """
    found = file.stat()
    return _policy_of(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _policy_of(file: Path, _changed: int, _size: int) -> str:
    page = file.read_bytes()
    styles, scripts = _hashes(page, b"style"), _hashes(page, b"script")
    return f"{_ALWAYS}; style-src {styles or _NONE}; script-src {scripts or _NONE}; form-action 'none'"


_NONE = "'none'"


def _hashes(page: bytes, tag: bytes) -> str:
    bodies = {
        body for name, attributes, body in _INLINE.findall(page) if name.lower() == tag and b"json" not in attributes
    }
    return " ".join(sorted(f"'sha256-{base64.b64encode(sha256(body).digest()).decode()}'" for body in bodies))
