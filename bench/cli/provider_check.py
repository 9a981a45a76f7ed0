"""``python -m bench check-provider FILE``: the conformance kit for a provider that a TOML file describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bench
from providers import configured_name, configured_provider


def check_provider(file: str, options: Sequence[str]) -> int:
    """Run the kit and return pytest's exit status; `options` are pytest's.

    Raises `ConfigurationError` with one line if the file is wrong.
    """
    name = configured_name(file)
    found = configured_provider(name)

    import pytest

    from bench.conformance import Explained

    kit = Path(bench.__file__).parent / "conformance"
    asked = [str(kit), "-k", "conformance", "--provider", name, "-q", *options]
    return int(pytest.main(asked, plugins=[Explained(found.explained)]))
