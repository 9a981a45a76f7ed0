"""Runs the server of an engine as long as somebody uses it: ``python -I THIS ENGINE FOLDER PROGRAMS``.

Only the standard library: it is started as a script, in the surroundings that the engine gets. FOLDER holds

    users.lock    held shared by every process that uses the server; when it can be had alone, nobody does
    server.json   where the server listens, as long as it does

PROGRAMS is the ``bin`` of the engine's environment. Users that are killed release their lock, so nothing stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any  # Any: what Popen takes

USERS, SERVER = "users.lock", "server.json"
START_SECONDS = 300.0
_POLL_SECONDS = 0.2
_STOP_SECONDS = 20.0
_NOT_ROOT = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
"""PostgreSQL refuses to run as root: it runs where root has another name, and the rights of an owner of files."""


def main(engine: str, folder: Path, programs: Path) -> None:
    """Serve until nobody uses it, a process ends by itself, or SIGTERM."""
    import fcntl

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    (folder / ".env").touch()  # engines read the next one above their folder, and let it override everything
    # The lock outlasts the stopping: until then nobody uses it, and nobody starts another.
    with (folder / USERS).open("a") as users, contextlib.ExitStack() as ending:
        ending.callback((folder / SERVER).unlink, missing_ok=True)
        port = free_port()
        processes = ENGINES[engine](ending, folder, programs, port)
        url = f"http://127.0.0.1:{port}"
        wait(lambda: answers(url), processes[-1])
        (folder / "server.new").write_text(json.dumps({"url": url}))
        (folder / "server.new").rename(folder / SERVER)
        while all(process.poll() is None for process in processes):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_POLL_SECONDS)
        sys.exit("a process ended by itself")


def cognee(ending: contextlib.ExitStack, folder: Path, programs: Path, port: int) -> list[subprocess.Popen[bytes]]:
    """Start Cognee, with the worker beside this file as its server."""
    worker = Path(__file__).with_name("cognee_worker.py")
    return [start(ending, [programs / "python", "-P", worker, str(port)], signal.SIGTERM, cwd=folder)]


def hindsight(ending: contextlib.ExitStack, folder: Path, programs: Path, port: int) -> list[subprocess.Popen[bytes]]:
    """Start PostgreSQL, with its data in ``postgres/``, and Hindsight."""
    postgres = installation(programs)
    data = prepared(folder, postgres)
    command: list[str | Path] = [*not_root(), postgres / "postgres", *database_options(data, own := free_port())]
    database = start(ending, command, signal.SIGINT, cwd=data, env=with_libraries(postgres))
    ready: list[str | Path] = [postgres / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(own)]
    wait(lambda: subprocess.run(ready, check=False, env=with_libraries(postgres)).returncode == 0, database)
    password = (folder / "password").read_text()
    surroundings = {
        **os.environ,
        "HINDSIGHT_API_DATABASE_URL": f"postgresql://hindsight:{password}@127.0.0.1:{own}/postgres",
        "HINDSIGHT_API_HOST": "127.0.0.1",
        "HINDSIGHT_API_PORT": str(port),
    }
    return [database, start(ending, [programs / "hindsight-api"], signal.SIGTERM, cwd=folder, env=surroundings)]


def installation(programs: Path) -> Path:
    """The programs of the PostgreSQL that the package pg0 carries, unpacked beside it once."""
    import fcntl

    home = programs.parent / "postgres"
    home.mkdir(exist_ok=True)
    with (programs.parent / "postgres.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            (pg0,) = programs.parent.glob("lib/python3*/site-packages/pg0/bin/pg0")
            surroundings = {**os.environ, "HOME": str(home)}
            for words in (["start", "--port", str(free_port())], ["drop", "--force"]):
                subprocess.run([*not_root(), pg0, *words], env=surroundings, cwd=home, check=True)
            (home / "complete").touch()
    (found,) = home.glob(".pg0/installation/*/bin")
    return found


def prepared(folder: Path, postgres: Path) -> Path:
    """The folder of the data, made if there is none: whole or not at all."""
    data, new, secret = folder / "postgres", folder / "postgres.new", folder / "password"
    if data.exists():
        return data
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    secret.write_text(secrets.token_hex(16))
    secret.chmod(0o600)
    made = ["--username=hindsight", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
    command: list[str | Path] = [*not_root(), postgres / "initdb", f"--pgdata={new}", *made]
    subprocess.run(command, cwd=new, check=True, env=with_libraries(postgres))
    new.rename(data)
    return data


def database_options(data: Path, port: int) -> list[str]:
    """How PostgreSQL is started. Without fsync a killed process loses nothing, a loss of power may."""
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=64MB")
    return ["-D", str(data), "-p", str(port), *(word for setting in settings for word in ("-c", setting))]


def start(
    ending: contextlib.ExitStack, command: Sequence[str | Path], stop: signal.Signals, **options: Any
) -> subprocess.Popen[bytes]:
    """A process that gets the signal `stop` when `ending` is left, or when this process dies (on Linux)."""
    process = subprocess.Popen(command, preexec_fn=at_death(stop), **options)

    def end() -> None:
        process.send_signal(stop)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    ending.callback(end)
    return process


def at_death(number: signal.Signals) -> Callable[[], object] | None:
    """What lets a new process get a signal when the one that started it dies; where the kernel can do that."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, number)  # PR_SET_PDEATHSIG


def wait(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Return when `done`; exit if the process ended or takes too long."""
    end = time.monotonic() + START_SECONDS
    while not done():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{process.args!r} did not start")
        time.sleep(_POLL_SECONDS)


def answers(url: str) -> bool:
    """Whether a server is there and says that it can be used."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health", timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """A port of this computer that nobody listens at."""
    with socket.socket() as at:
        at.bind(("127.0.0.1", 0))
        return int(at.getsockname()[1])


def with_libraries(postgres: Path) -> dict[str, str]:
    """The environment of PostgreSQL's programs, which bring their libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": str(postgres.parent / "lib")}


def not_root() -> Sequence[str]:
    """What comes before a command of PostgreSQL."""
    if os.geteuid():
        return ()
    try:
        subprocess.run([*_NOT_ROOT, "true"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"PostgreSQL does not run as root, and another user's name cannot be had ({error}): run as another user"
        )
    return _NOT_ROOT


ENGINES = {"cognee": cognee, "hindsight": hindsight}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
