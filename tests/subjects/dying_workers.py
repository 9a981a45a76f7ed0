"""A plugin that kills a worker at a question, once: in its ``call``, or after its ``report`` and before it is done."""

from __future__ import annotations

import os
import signal

import pytest

from tests.subjects.watched import first_time


def _die_at(nodeid: str, moment: str) -> None:
    at_question = nodeid.endswith("q0003]") and "PYTEST_XDIST_WORKER" in os.environ
    if at_question and os.environ.get("DYING") == moment and first_time("death"):
        os.kill(os.getpid(), signal.SIGKILL)


def pytest_runtest_call(item: pytest.Item) -> None:
    _die_at(item.nodeid, "call")


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _die_at(report.nodeid, "report")
