"""Writing a file that stands in its place only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vocabulary import ConfigurationError


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for `path`; raises `ConfigurationError` if it cannot be written, and leaves a former one as it was."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}. Name another file.") from error
    finally:
        draft.unlink(missing_ok=True)
