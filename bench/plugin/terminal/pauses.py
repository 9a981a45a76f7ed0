"""Watches for services whose calls wait because they fail: no question ends meanwhile that could say it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

Paused = Mapping[str, float]
"""Services by name, with the seconds since their calls began to wait."""

_LOOK_SECONDS = 1.0


class Pauses:
    """Calls `show` with the services that are paused, every second while there are any, and once when none is left."""

    def __init__(self, paused: Callable[[], Paused], show: Callable[[Paused], None]) -> None:
        self._paused = paused
        self._show = show
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench-pauses", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no further."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        shown = False
        while not self._over.wait(_LOOK_SECONDS):
            now = self._paused()
            if now or shown:
                self._show(now)
            shown = bool(now)
