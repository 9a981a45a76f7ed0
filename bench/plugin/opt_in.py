"""Tests that are about a provider and not about a benchmark: collected only when `-k` or a path requests them.

Mark such a test, or its whole file, with ``@pytest.mark.only_by_name("latency")``. ``-k latency`` brings it, and so
does its file or its node id on the command line; any other session knows nothing of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1]
"""The folder of all benchmarks and of the tests about providers."""

MARK = "only_by_name"
WORDS = ("conformance", "latency")
"""What the suite's own tests of this kind are asked for by; each word has a file, ``bench/WORD/test_WORD.py``."""


def left_out(collector: pytest.Collector, test: object) -> bool:
    """Whether `test`, a function or class of `collector`, is opt-in and neither `-k` nor a path requested it."""
    own = getattr(test, "pytestmark", None)
    marks = [*(own if isinstance(own, list) else ()), *collector.iter_markers(MARK)]
    words = [str(mark.args[0]) for mark in marks if mark.name == MARK]
    if not words or is_named(collector.config, collector.path):
        return False
    return not any(word.lower() in _expression(collector.config) for word in words)


def is_named(config: pytest.Config, file: Path) -> bool:
    """Whether the command line names `file`, or something in it."""
    return any(path == file for path in _paths(config))


def nothing_else(config: pytest.Config) -> bool:
    """Whether the command line asks for such tests alone: no benchmark has to be opened then."""
    if config.args and all(any(path == BENCH / word / f"test_{word}.py" for word in WORDS) for path in _paths(config)):
        return True
    # each alternative asks for one; an expression that is too clever for this opens benchmarks for nothing
    alternatives = re.split(r"\bor\b", _expression(config))
    return all(
        any(word in alternative and not re.search(rf"\bnot\s+\(*\w*{word}", alternative) for word in WORDS)
        for alternative in alternatives
    )


def about_benchmarks(config: pytest.Config) -> bool:
    """Whether the command line names nothing, or nothing but benchmarks; what is only run by name is none."""
    if nothing_else(config):
        return False
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.rootpath == BENCH.parent:
        return True  # elsewhere these are the paths of a project that has tests of its own
    return all(path.is_relative_to(BENCH) for path in _paths(config))


def absolute_argument(config: pytest.Config, argument: str) -> str:
    """A path or node id of the command line as one that means the same from any folder."""
    path, colons, rest = argument.partition("::")
    here = (config.invocation_params.dir / path).resolve()
    if config.option.pyargs and path.partition(".")[0] == BENCH.name and not here.exists():
        here = BENCH.parent / path.replace(".", "/")
        here = here.with_suffix(".py") if not here.exists() else here
    return f"{here}{colons}{rest}"


def _paths(config: pytest.Config) -> list[Path]:
    """The files and folders that the command line names."""
    return [Path(absolute_argument(config, argument).partition("::")[0]) for argument in config.args]


def _expression(config: pytest.Config) -> str:
    return str(config.option.keyword or "").lower()
