"""Classes of other packages, declared by their entry points: groups ``memorybench.providers`` and the like.

Only the metadata of installed packages is read until a class is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUPS = {
    "bench.benchmarks": "memorybench.benchmarks",
    "providers": "memorybench.providers",
    "judges": "memorybench.judges",
}
"""The group for the classes of a package of this suite."""


@cache
def declared(package: str) -> dict[str, Sequence[EntryPoint]]:
    """The entry points for classes such as those of `package`, by name; several where packages do not agree."""
    found: dict[str, list[EntryPoint]] = {}
    if group := GROUPS.get(package):
        for point in entry_points(group=group):
            same = found.setdefault(point.name, [])
            if point not in same:  # one distribution may be found in two folders of the path
                same.append(point)
    return {name: sorted(points, key=origin) for name, points in found.items()}


def origin(point: EntryPoint) -> str:
    """Where an entry point comes from, for an error message."""
    return f"{point.value} of {point.dist.name if point.dist else 'an unknown package'}"
