"""``python -m bench cache stats|clear|verify DIR``: the cache that runs with ``--cache DIR`` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bench.cache import clear_cache, read_contents, verify_cache
from bench.data import human_size
from vocabulary import PHASES, CheckpointError

_DAY_SECONDS = 86_400.0


def cache_lines(action: Literal["stats", "clear", "verify"], folder: Path, older_than_days: float) -> Iterator[str]:
    """Do it, and say what there is afterwards.

    Raises `ConfigurationError` where there is no cache or a run is in the way, `CheckpointError` if something is
    damaged, and `InfrastructureError` if containers of a service were left.
    """
    if action == "clear":
        clear_cache(folder, older_than_days * _DAY_SECONDS)
    damaged = list(verify_cache(folder)) if action == "verify" else []
    yield from damaged
    contents = read_contents(folder)
    for phase in filter(contents.parts.__contains__, PHASES):
        part = contents.parts[phase]
        yield f"{phase:<10} {part.rows:>9,} {human_size(part.bytes):>9}  taken {part.hits:,} times"
    size = human_size(contents.bytes)
    yield f"{'containers':<10} {contents.containers:>9,} {size:>9}  in {contents.stores:,} stores"
    if damaged:
        raise CheckpointError(f"{len(damaged)} faults in {folder}. Runs do such steps again; clear it to remove them.")
