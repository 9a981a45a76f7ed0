"""A pytest plugin that warns wherever it can, as pytest-asyncio does before anything is collected."""

from __future__ import annotations

import threading
import warnings
from typing import NoReturn

import pytest


def _warn(where: str) -> None:
    warnings.warn(pytest.PytestDeprecationWarning(f"an option is not set: {where}"), stacklevel=1)


def _fail() -> NoReturn:
    raise SystemExit(3)


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    _warn("at the beginning")


@pytest.hookimpl
def pytest_report_header() -> None:
    _warn("in the header")


@pytest.hookimpl
def pytest_collection_modifyitems() -> None:
    _warn("at collection")


@pytest.hookimpl
def pytest_runtest_setup() -> None:
    _warn("at a test")
    thread = threading.Thread(target=_fail, name="somebody's thread")
    thread.start()
    thread.join()


@pytest.hookimpl
def pytest_sessionfinish() -> None:
    _warn("at the end")
