"""A memory system that refuses to clear its containers until a mark is set."""

from __future__ import annotations

import os
from pathlib import Path

from tests.subjects.watched import Watched
from vocabulary import ProviderError


class Unclearable(Watched):
    """Clears nothing at first."""

    name = "unclearable"

    def clear(self, container: str) -> None:
        if not (Path(os.environ["WATCHED"]) / "mended").exists():
            raise ProviderError("it is not allowed")
        super().clear(container)
