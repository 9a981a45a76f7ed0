"""What the tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.plugin.suite import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """The suite in a place of its own."""
    return Suite(tmp_path)
