"""A database for each test that asks for one: a SQLite file, and a real PostgreSQL server where its programs are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.tables import sqlite_url
from tests.reports.store.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that all tests share, and leave running."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The address of an empty PostgreSQL database."""
    return postgres.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "checkpoint.sqlite")
    found: str = request.getfixturevalue("postgres_url")
    return found
