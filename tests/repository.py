"""Where the repository is, and where published data lies."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MEMORYBENCH_DATA") or ROOT.parent / "shared" / "data")
