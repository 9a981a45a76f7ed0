"""What all tests have in common: nothing of theirs is left in the user's cache; and what they show at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for indexes of data that cannot be written beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What adapters and the vendors' own SDKs send: a line for each operation that tests compared."""
    rows = sorted(
        (
            json.loads(str(value))
            for report in terminalreporter.stats.get("passed", [])
            for name, value in report.user_properties
            if name == "wire"
        ),
        key=lambda row: row["operation"],
    )
    if not rows:
        return
    terminalreporter.write_sep("-", "what an adapter sends and what the vendor's SDK sends")
    width = max(len(row["operation"]) for row in rows)
    for row in rows:
        told = "equal" if not row["differs"] else "differs"
        terminalreporter.write_line(f"{row['operation']:{width}}  {told:7}  {row['request']}")
        for field, reason in row["differs"].items():
            terminalreporter.write_line(f"{'':{width}}           {field}: {reason}")
