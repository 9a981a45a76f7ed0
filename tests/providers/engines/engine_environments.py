"""Engines that have an environment of their own, in tests."""

from __future__ import annotations

import pytest

from providers.engines.environments import engine_folder


def need(engine: str) -> None:
    """Skip the test unless the engine's environment is installed."""
    if not (engine_folder(engine) / "bin" / "python").exists():
        pytest.skip(f"{engine} is not installed in an environment of its own: make engine-{engine}")
