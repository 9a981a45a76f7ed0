"""Runs that share a cache of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.cache.shared_runs import SharedRuns


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedRuns:
    monkeypatch.setenv("WATCHED", str(tmp_path))
    return SharedRuns(tmp_path)
