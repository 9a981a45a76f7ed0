"""Where the vendors' servers are found, and the table of what adapters and SDKs send."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "vendors"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
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
