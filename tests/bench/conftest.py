"""Where these tests find published data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """A folder with published data files: MEMORYBENCH_DATA, or ../shared/data beside the repository."""
    given = os.environ.get("MEMORYBENCH_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (folder / "locomo" / "locomo10.json").is_file():
        pytest.skip(f"no published data in {folder}: set MEMORYBENCH_DATA to a folder with locomo/locomo10.json")
    return folder
