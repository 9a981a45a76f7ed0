"""A throw-away PostgreSQL server, which tests may stop and start again; skips where its programs are missing."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.processes import Process
from tests.processes import run as run_process

PASSWORD = "not-for-any-message"


def _server_programs() -> Path | None:
    """The folder with initdb and postgres."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if shutil.which("pg_config"):
        detail = run_process(["pg_config", "--bindir"])
        candidates.insert(0, Path(detail.stdout.strip()))
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).parent)
    return next((folder for folder in candidates if all((folder / name).is_file() for name in PROGRAMS)), None)


PROGRAMS = ("initdb", "postgres")


def _as_other_user() -> dict[str, Any]:  # Any: options of Popen
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


def _await_server(url: str, server: Process, log: Path) -> None:
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


class PostgresServer:
    """A server with a user ``bench`` and a password, on a port of its own; a `durable` one waits for the disk."""

    def __init__(self, *, durable: bool = False) -> None:
        pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
        programs = _server_programs()
        if programs is None:
            pytest.skip("no PostgreSQL server programs (initdb, postgres) found by pg_config, in /usr/lib or on PATH")
        other_user = _as_other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="checkpoint-postgres-"))
        if other_user:
            os.chown(self.folder, int(str(other_user["user"])), int(str(other_user["group"])))
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._port = _free_port()
        self._run_as = {"cwd": self.folder, **other_user}
        data = self.folder / "data"
        make = [programs / "initdb", "--pgdata", data, "--username", "bench", "--pwfile", secret, "--no-sync"]
        options = ["--auth", "scram-sha-256", "--encoding", "UTF8"]
        made = run_process([*map(str, make), *options], **self._run_as)
        assert made.returncode == 0, made.stderr
        serve = [programs / "postgres", "-D", data, "-p", str(self._port), "-k", self.folder]
        self._serve = [
            *map(str, serve),
            "-c",
            f"fsync={'on' if durable else 'off'}",
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        self.url = f"postgresql+psycopg://bench:{PASSWORD}@127.0.0.1:{self._port}"
        self.start()

    def cpu_seconds(self) -> float:
        """What the processes of the server have used of the CPU (Linux)."""
        process = Path(f"/proc/{self._server.pid}")
        living = (process / "task" / process.name / "children").read_text().split()
        gone = (process / "stat").read_text().rpartition(")")[2].split()[13:15]
        used = [int((process.parent / child / "schedstat").read_text().split()[0]) for child in living]
        return sum(used) / 1e9 + sum(map(int, gone)) / os.sysconf("SC_CLK_TCK")

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        log = self.folder / "log"
        with log.open("wb") as output:
            self._server = Process(
                self._serve, shared=True, stdout=output, stderr=output,
                **self._run_as,
            )  # fmt: skip
        _await_server(f"{self.url}/postgres", self._server, log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all connections in good order, SIGQUIT at once, as a crash does."""
        self._server.send_signal(how)
        self._server.wait(30)

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(f"{self.url}/postgres", isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def close(self) -> None:
        """Stop it and remove its files, which need not be in good order for that."""
        if self._server.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)
