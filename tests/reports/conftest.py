"""A database for each test that asks for one: a SQLite file, and a real PostgreSQL server where its programs are."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reports.tables import sqlite_url

PASSWORD = "not-for-any-message"


def _server_programs() -> Path | None:
    """The folder with initdb and postgres."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        candidates.insert(0, Path(told.stdout.strip()))
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).parent)
    return next((folder for folder in candidates if all((folder / name).is_file() for name in PROGRAMS)), None)


PROGRAMS = ("initdb", "postgres")


def _as_other_user() -> dict[str, object]:
    """What makes a subprocess run as somebody else: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    deadline = time.monotonic() + 30
    while True:
        try:
            with engine.connect():
                return
        except sa.exc.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the PostgreSQL server did not start: {log.read_text()}")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a throw-away PostgreSQL server, with a user, a password and no database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    programs = _server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server programs (initdb, postgres) found by pg_config, in /usr/lib or on PATH")
    other_user = _as_other_user()
    folder = Path(tempfile.mkdtemp(prefix="checkpoint-postgres-"))
    if other_user:
        os.chown(folder, int(str(other_user["user"])), int(str(other_user["group"])))
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    port = _free_port()
    run_as = {"cwd": folder, **other_user}
    make = [programs / "initdb", "--pgdata", folder / "data", "--username", "bench", "--pwfile", secret]
    made = subprocess.run(
        [*make, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"],
        capture_output=True, text=True, check=False, **run_as,  # type: ignore[call-overload]  # user, group and cwd
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    log = folder / "log"
    serve = [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-c", "fsync=off"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*serve, "-c", "listen_addresses=127.0.0.1"],
            stdout=output, stderr=output, **run_as,  # type: ignore[call-overload]  # user, group and cwd
        )  # fmt: skip
    url = f"postgresql+psycopg://bench:{PASSWORD}@127.0.0.1:{port}"
    try:
        _await_server(f"{url}/postgres", server, log)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """The address of an empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return f"{postgres}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "checkpoint.sqlite")
    found: str = request.getfixturevalue("postgres_url")
    return found
