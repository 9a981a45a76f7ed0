"""Services on loopback: in a thread of the test where that is enough, else as processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("fastapi", reason="the service needs the extra tuner: pip install -e '.[tuner]'")
pytest.importorskip("optuna", reason="the service needs the extra tuner: pip install -e '.[tuner]'")

import uvicorn

from net.serving import listen
from tests.processes import PIPE, STDOUT, Process
from tests.reports.store.postgres_server import PostgresServer
from tests.repository import ROOT
from tuner.service import ObjectiveSpec, ParameterSpec, StudySpec, TunerClient
from tuner.service.app import build_app
from tuner.service.guard import READ_TOKENS, WRITE_TOKENS, Tokens
from tuner.service.studies import Studies
from tuner.storage import quiet

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
READ, WRITE = "a-token-that-only-reads", "a-token-that-writes-too"

SPACE = (
    ParameterSpec(name="x", kind="float", low=-1, high=1, default=0.5),
    ParameterSpec(name="n", kind="int", low=1, high=100, log=True),
    ParameterSpec(name="mode", kind="choice", choices=("plain", "deep")),
    ParameterSpec(name="depth", kind="int", low=2, high=8, step=2, active_if={"mode": ("deep",)}),
)


def spec(name: str, **changes: object) -> StudySpec:
    return StudySpec.model_validate({"name": name, "space": SPACE, "seed": 1, "sampler": "random"} | changes)


def several(name: str) -> StudySpec:
    return spec(name, objectives=(ObjectiveSpec(name="score", direction="maximize"), ObjectiveSpec(name="usd")))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def serving(storage: str, tokens: Tokens | None = None, rate: float = 0) -> Iterator[str]:
    """The address of a service in a thread of this process."""
    quiet()
    with contextlib.closing(listen("127.0.0.1", 0)) as listening, contextlib.closing(Studies(storage)) as studies:
        config = uvicorn.Config(build_app(studies, tokens or Tokens(), rate=rate), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


class Service:
    """A process with ``python -m tuner serve``, whose output is in `log`."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "tuner", *arguments, "--port", "0"]
        self.process = Process(command, env=os.environ | (environment or {}), shared=True, stdout=PIPE, stderr=STDOUT)
        assert self.process.stdout is not None
        self.log: list[str] = []
        self._lines = iter(self.process.stdout)
        address = None
        while address is None:
            line = next(self._lines, "")
            assert line, f"the service did not start: {self.log}"
            self.log.append(line)
            address = re.search(r"^serving .* on (http://\S+\d);", line)
        self.url = address[1]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self.log.extend(self._lines)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """PostgreSQL; skips where its programs are missing."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres(server: PostgresServer) -> str:
    """A database that the tests of this folder share."""
    return server.database()


@pytest.fixture(scope="session")
def composed(postgres: str) -> Iterator[Service]:
    """The service of compose.yaml as a process on a real PostgreSQL: two tokens, one as its hash, and the dashboard."""
    pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard: pip install -e '.[dashboard]'")
    pytest.importorskip("a2wsgi", reason="needs the extra dashboard: pip install -e '.[dashboard]'")
    tokens = {READ_TOKENS: READ, WRITE_TOKENS: f"sha256:{sha256(WRITE.encode()).hexdigest()}"}
    command = [*COMPOSE["services"]["service"]["command"], "--storage", postgres, "--host", "127.0.0.1"]
    service = Service(command, tokens)
    yield service
    service.stop()


@pytest.fixture(scope="module", params=["memory", "journal", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("studies")
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres")
        return url
    return {"memory": "memory", "journal": f"journal:{folder / 's'}", "sqlite": f"sqlite:///{folder / 's'}"}[
        request.param
    ]


@pytest.fixture(scope="module")
def client(storage: str) -> Iterator[TunerClient]:
    """A client of a service in each kind of storage."""
    with serving(storage) as url, TunerClient(url) as client:
        yield client


@pytest.fixture(scope="module")
def here() -> Iterator[TunerClient]:
    """A client of a service in memory, for what no storage does differently."""
    with serving("memory") as url, TunerClient(url) as client:
        yield client
