"""The site in a thread of the test, over runs that were really made."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from net.serving import address_of, listen, token_hash
from reports.serve import build_site
from reports.serve.guard import TOKEN
from reports.serve.hub import Hub
from reports.store.run_lock import lock_run

TOKEN_OF_TESTS = "a-token-that-nobody-guesses"
SMALL = {"synthetic_sessions": 10, "synthetic_questions": 10}


@dataclass(frozen=True)
class Site:
    """A site that is served, and what its hub counts."""

    url: str
    hub: Hub

    def get(self, path: str, **options: object) -> httpx.Response:
        """One request, without following."""
        return httpx.get(self.url + path, timeout=60, **options)  # type: ignore[arg-type]  # options of httpx.get


@contextlib.contextmanager
def serving(folder: Path, token: str = "") -> Iterator[Site]:
    with closing(listen("127.0.0.1", 0)) as listening:
        site, hub = build_site(folder, token_hash(token, TOKEN) if token else None, stopping=lambda: server.should_exit)
        config = uvicorn.Config(site, log_config=None, lifespan="off", server_header=False, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Site(address_of(listening), hub)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def copy_run(runs: Path, name: str, to: Path) -> None:
    """Another run like one of `runs`."""
    shutil.copytree(runs / name, to)
    with closing(sqlite3.connect(to / "checkpoint.sqlite")) as connection:
        for table in ("runs", "invocations", "questions", "steps", "containers", "sessions"):
            connection.execute(f"update {table} set run_id = ?", (to.name,))
        connection.commit()


def begin_again(runs: Path, to: Path) -> int:
    """A run like the first of `runs` that goes on, at half of its questions; the lock to `end_again` with."""
    copy_run(runs, "first", to)
    with closing(sqlite3.connect(to / "checkpoint.sqlite")) as connection:
        connection.execute("update runs set finished = null")
        connection.execute("update invocations set ended = null")
        connection.execute("delete from steps where question > 'syn-q0004'")
        connection.commit()
    (to / "report.html").unlink()
    return lock_run(to)


def end_again(lock: int, run: Path | None = None) -> None:
    """Let the `run` end, finished, where it is still there."""
    if run is not None:
        with closing(sqlite3.connect(run / "checkpoint.sqlite")) as connection:
            connection.execute("update runs set finished = 1")
            connection.execute("update invocations set ended = 1")
            connection.commit()
    os.close(lock)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three finished runs, of which the first has two providers."""
    folder = tmp_path_factory.mktemp("served")
    for name, providers in (("first", ("bm25", "none")), ("second", ("bm25",)), ("third", ("oracle",))):
        run_benchmark(build_benchmark_config(runs_dir=folder, run_id=name, provider=providers, **SMALL), "synthetic")
    return folder


@pytest.fixture(scope="session")
def site(runs: Path) -> Iterator[Site]:
    with serving(runs) as site:
        yield site
