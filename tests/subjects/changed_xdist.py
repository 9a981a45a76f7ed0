"""A plugin that makes xdist look as if it had changed inside: a worker's queue has another name."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    for plugin in session.config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            type(plugin).__name__ = "Interactor"
