"""What the tests of the plugin stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """The suite in a place of its own."""
    return Suite(tmp_path)
