"""The suite as `pip install -e` leaves it: importable from any folder, with its entry points."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.repository import ROOT


def install(folder: Path) -> Path:
    """A folder for PYTHONPATH with the metadata of this suite, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return write_metadata(folder, project["name"], project["version"], project["entry-points"])


def write_metadata(folder: Path, name: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> Path:
    """The metadata of a distribution with these entry points, in `folder`."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [line for group, points in groups.items() for line in (f"[{group}]", *map(" = ".join, points.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
