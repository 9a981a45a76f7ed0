"""Where runs lie: one folder for the whole repository, whichever of its folders a command is given in."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def default_runs_dir() -> Path:
    """``runs`` in the root of this repository, relative to the current folder; outside of it in the current folder."""
    here = Path.cwd()
    return Path(os.path.relpath(_ROOT / "runs", here)) if here.is_relative_to(_ROOT) else Path("runs")


def usual_runs_dir() -> Path:
    """What commands take where ``--runs-dir`` is not given: ``MEMORYBENCH_RUNS_DIR``, or the default."""
    return Path(os.environ.get("MEMORYBENCH_RUNS_DIR") or default_runs_dir())


def runs_dir_option(runs_dir: Path) -> str:
    """What a command about a run in `runs_dir` needs: `` --runs-dir DIR``, or nothing for the usual folder."""
    if runs_dir.resolve() == usual_runs_dir().resolve():
        return ""
    return f" --runs-dir {shlex.quote(str(runs_dir))}"
