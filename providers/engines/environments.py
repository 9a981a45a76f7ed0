"""Engines that cannot share this environment: each has a Python environment of its own, and runs in its own process.

``make engine-NAME`` makes it from ``providers/engines/NAME.lock``, beside the packages of this Python or in the folder
that MEMORYBENCH_ENGINES names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vocabulary import ConfigurationError


def engine_folder(engine: str) -> Path:
    """Where the environment of `engine` is, or would be."""
    chosen = os.environ.get("MEMORYBENCH_ENGINES")
    return Path(chosen or Path(sys.prefix, "engines"), engine).absolute()


def engine_program(engine: str, program: str) -> Path:
    """A program of the engine's environment; raises `ConfigurationError`, naming the way out, if it is not there."""
    path = engine_folder(engine) / "bin" / program
    if not path.is_file():
        raise ConfigurationError(
            f"{engine} has an environment of its own, which is not installed ({path} is missing): make "
            f"engine-{engine}, or set MEMORYBENCH_ENGINES to the folder that holds it."
        )
    return path


def engine_variables(*prefixes: str, **values: object) -> dict[str, str]:
    """Variables of an engine's process: `values`, and those of this process but the engine's (`prefixes`) and Python's.

    What is measured is what the settings say, whatever a user has set for the engine elsewhere.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*prefixes, "PYTHON"))}
    return kept | {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
    }
