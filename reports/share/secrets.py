"""Finding keys and passwords in what is about to be shared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from vocabulary import ConfigurationError

_NAMED = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_SHORTEST = 8
_SHAPES = (
    rb"sk-[A-Za-z0-9_-]{20,}",
    rb"gh[pousr]_[A-Za-z0-9]{36,}",
    rb"github_pat_[A-Za-z0-9_]{40,}",
    rb"glpat-[A-Za-z0-9_-]{20,}",
    rb"AKIA[0-9A-Z]{16}",
    rb"AIza[A-Za-z0-9_-]{35}",
    rb"xox[abprs]-[A-Za-z0-9-]{20,}",
    rb"hf_[A-Za-z0-9]{30,}",
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    rb"://[^\s/:@\"']{1,80}:(?!\*\*\*@)[^\s/:@\"']{3,80}@",
)
_OVERLAP = 4096


class Secrets:
    """The values of this environment's keys and passwords, and the shapes of well-known kinds of keys."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._values = {
            form: name
            for name, value in environment.items()
            if _NAMED.search(name.upper()) and len(value) >= _SHORTEST
            for form in {value.encode(errors="replace"), json.dumps(value)[1:-1].encode()}
        }
        if password := _password_of(environment.get("MEMORYBENCH_CHECKPOINT_URL", "")):
            self._values[password.encode()] = "MEMORYBENCH_CHECKPOINT_URL"
        named = [re.escape(value) for value in sorted(self._values, key=len, reverse=True)]
        # one by one: a pattern that begins with fixed letters is searched for much faster than several at once
        self._patterns = [re.compile(pattern) for pattern in (*named, *_SHAPES)]

    def check(self, where: str, parts: Iterable[bytes]) -> None:
        """Raise `ConfigurationError`, which names no secret, if one is in the text that `parts` make."""
        before, tail = 0, b""
        for part in parts:
            text = tail + part
            if found := next(filter(None, (pattern.search(text) for pattern in self._patterns)), None):
                name = self._values.get(found[0])
                what = f"the value of {name}" if name else "what looks like a key or a password"
                raise ConfigurationError(
                    f"{where} holds {what} (byte {before + found.start()}), and nothing was written. Revoke it and "
                    "remove it from the run, or share it all the same with --anyway."
                )
            tail = text[-_OVERLAP:]
            before += len(text) - len(tail)


def _password_of(url: str) -> str | None:
    try:
        return sa.make_url(url).password if url else None
    except (sa.exc.ArgumentError, ValueError):
        return None
