"""What somebody who mistyped a name probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The one of `known` that `name` is most like, upper and lower case being the same; None if it is like none.

    `likeness`, from 0 to 1, is how like it must be.
    """
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'NAME'?`` for an error message; empty if `name` is like none of `known`."""
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""
