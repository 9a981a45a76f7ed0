"""Garbage collection in a session of questions.

Its items live as long as it does, and a question leaves few cycles: collections are a fifth of the time of a run that
replays recorded questions.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable


def keep_collections() -> Callable[[], None]:
    """Return the function that makes garbage collection what it is now."""
    thresholds = gc.get_threshold()

    def restore() -> None:
        gc.set_threshold(*thresholds)
        gc.unfreeze()

    return restore


def relax_collections() -> None:
    """Collect less often from now on."""
    gc.set_threshold(50_000, *gc.get_threshold()[1:])


def spare_collections() -> None:
    """Leave all objects that there are out of collections; pytest's own two, at its end, are among these."""
    gc.freeze()


def end_without_collection() -> None:
    """Collect nothing when the process ends: of a run of 2,000 questions that takes a second."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
