"""A Python that has imported what every run imports, and forks itself for each: a run is a process without its start.

So are the workers of a run that asks pytest-xdist for some (`tests/prepared_workers.py`).

What a start itself does is for the tests that start a Python anew: `tests/test_startup.py`, and all that use
`Suite.start_fresh`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Timer
from typing import Any  # parsed JSON

from pydantic import BaseModel

from bench import Benchmark
from judges import Judge
from llms import Answerer
from providers import Provider
from registry import known_classes
from reports.pages.rendering import _environment
from reports.store import read_versions
from tests.prepared_workers import prepare_workers
from tests.processes import PIPE, Finished, Forked, Process
from tests.repository import ROOT

_IMPORTED = (
    "pytest", "_pytest.junitxml", "_pytest.pytester", "pdb", "unittest", "rich.console", "rich.table",
    "sqlalchemy.dialects.sqlite", "jinja2", "snowballstemmer", "aiohttp", "openai.resources.chat",
    "bench.conformance", "bench.run", "reports.show",
)  # fmt: skip
_TEMPLATES = ("run.html.j2", "page.html.j2", "charts.html.j2")
_BESIDES = {"tuner": "tuner.commands", "judges": "judges.audit"}
"""What is imported once somebody runs these modules."""

_only_one = Lock()
_running: list[Process] = []


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    errors: Path | None = None,
    seconds: float,
) -> int | None:
    """Run ``python -m MODULE``, its output in a file; its status (negative for a signal), or None after `seconds`.

    What it prints as errors is in the same file, unless there is one for `errors`.
    """
    request = _request(module, arguments, folder, environment, output, errors)
    with _only_one:
        python = _asked(request)
        assert python.stdout
        group, overdue = int(python.stdout.readline()), []

        def end() -> None:
            overdue.append(group)
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

        limit = Timer(seconds, end)
        limit.start()
        try:
            status = int(python.stdout.readline())
        finally:
            limit.cancel()
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)  # what it started and left behind
    return None if overdue else os.waitstatus_to_exitcode(status)


def start_module(
    module: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    seconds: float,
) -> Forked:
    """Start ``python -m MODULE``, its output and errors in a file; it is killed after `seconds`."""
    status = output.with_name(f"{output.name}.status")
    request = _request(module, arguments, folder, environment, output, None) | {"status": str(status)}
    with _only_one:
        python = _asked(request)
        assert python.stdout
        pid = int(python.stdout.readline())
    return Forked(pid, [module, *arguments], status=status, output=output, seconds=seconds)


def _request(
    module: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    errors: Path | None,
) -> dict[str, object]:
    output.write_bytes(b"")
    return {
        "module": module,
        "arguments": list(arguments),
        "folder": str(folder),
        "environment": dict(environment),
        "output": str(output),
        "errors": str(errors or output),
    }


def _asked(request: Mapping[str, object]) -> Process:
    """The Python that forks, started if there is none, with the request sent to it."""
    if not _running or _running[0].poll() is not None:
        _running[:] = [Process([sys.executable, "-m", __name__], stdin=PIPE, stdout=PIPE, shared=True)]
    (python,) = _running
    assert python.stdin
    python.stdin.write(json.dumps(request) + "\n")
    python.stdin.flush()
    return python


def run_prepared(
    module: str, *arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] = os.environ, seconds: float = 100
) -> Finished:
    """``python -m MODULE`` to its end, as `tests.processes.run` does it: status and both outputs."""
    words = [str(word) for word in arguments]
    with TemporaryDirectory() as folder:
        files = Path(folder, "output"), Path(folder, "errors")
        status = run_module(
            module, words, folder=cwd, environment=env, output=files[0], errors=files[1], seconds=seconds
        )
        printed = [file.read_text(encoding="utf-8") for file in files]
    assert status is not None, f"not done after {seconds:g} s: {module} {words!r}\n{printed[0]}\n{printed[1]}"
    return Finished([module, *words], status, *printed)


def _import_what_runs_import() -> None:
    """All but plugins, whose assertions pytest rewrites when it imports them."""
    for name in _IMPORTED:
        importlib.import_module(name)
    classes = ((Benchmark, "bench.benchmarks"), (Judge, "judges"), (Answerer, "llms"), (Provider, "providers"))
    for base, package in classes:
        known_classes(base, package)
    read_versions()
    for model in _descendants(BaseModel):
        model.model_rebuild()  # those that are built when they are first used
    for name in _TEMPLATES:
        _environment(ROOT / "reports" / "html").get_template(name)  # compiled, which takes longer than a page
    gc.freeze()  # no collection looks at these objects again


def _descendants(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _serve() -> None:
    """Fork for every line of the input; print the child's process id, and its status when it has ended.

    Where the request names a file for the status, nobody waits here for the end.
    """
    _import_what_runs_import()
    for line in sys.stdin:
        request = json.loads(line)
        status = request.pop("status", None)
        if besides := _BESIDES.get(request["module"]):
            importlib.import_module(besides)
        if status:
            print(_begin(request, Path(status)), flush=True)
            continue
        child = os.fork()
        if not child:
            _become(**request)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


def _begin(request: dict[str, Any], status: Path) -> int:
    """The process id of a child of a fork that waits for its end, and then writes its status to the file."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # those that have written theirs
            pass
    read, write = os.pipe()
    if not os.fork():
        child = os.fork()
        if not child:
            os.close(read)
            os.close(write)
            _become(**request)
        os.write(write, b"%d" % child)
        os.close(write)
        ended = os.waitpid(child, 0)[1]
        draft = status.with_suffix(".draft")
        draft.write_text(str(ended))
        draft.rename(status)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        return int(pipe.read())


def _become(
    module: str, arguments: list[str], folder: str, environment: dict[str, str], output: str, errors: str
) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, file in ((1, output), (2, errors)):
        written = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(written, stream)
        os.close(written)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:1] = [folder, *environment.get("PYTHONPATH", folder).split(os.pathsep)]
    prepare_workers(arguments)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _serve()
