"""What the nodes of a cluster are sent of a run: code, settings, and the variables that keys are in."""

from __future__ import annotations

import inspect
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.config import BenchmarkConfig
from bench.data import data_folder
from bench.pipeline.participants import Participants, known_benchmarks
from bench.pipeline.selection import OpenBenchmark
from bench.pipeline.session import ROOT, RunSession
from reports.store.sharing import folder_id
from vocabulary import ConfigurationError

_SUITE = ("bench", "judges", "llms", "net", "providers", "registry", "reports", "vocabulary")
_LEFT_OUT = {"datasets", "runs", "build", "site", "node_modules", "__pycache__"}
"""What of the current folder is never sent, beside hidden files, virtual environments and what .gitignore names."""

_SENT = re.compile(
    r"MEMORYBENCH_(?!RUNS_DIR|CACHE|DATA)\w+|PG\w+|\w*(KEY|TOKEN|SECRET|PASSWORD|_URL|_HOST|_ENDPOINT)"
    r"|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_FILE",
    re.IGNORECASE,
)
"""The variables that are sent: those of this suite, of PostgreSQL and of proxies, keys and addresses."""


@dataclass(frozen=True, repr=False)
class Assignment:
    """What is the same for all blocks of a run; `benchmarks` are names or dotted paths.

    `folder` is the run's folder where it was begun, and `folder_id` what it is called, so that a node that shares it is
    known. It holds keys and passwords: it is handed to tasks and never logged, as the `runtime_env` of Ray is.
    """

    config: BenchmarkConfig
    command: str
    run_id: str
    invocation: str
    started: float
    benchmarks: tuple[str, ...]
    data: str
    folder: Path
    folder_id: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, session: RunSession, benchmarks: Mapping[str, OpenBenchmark]) -> Assignment:
        """What the blocks of a run need; raises `ConfigurationError` for a benchmark that cannot be sent."""
        known = known_benchmarks(session.config.benchmark_options)
        kinds = {name: type(opened.benchmark) for name, opened in benchmarks.items()}
        check_shipped({f"benchmark {name}": kind for name, kind in kinds.items()})
        return cls(
            config=session.config,
            command=session.command,
            run_id=session.run_id,
            invocation=session.invocation,
            started=session.started,
            benchmarks=tuple(
                name if known.get(name) is kind else f"{kind.__module__}:{kind.__qualname__}"
                for name, kind in kinds.items()
            ),
            data=str(data_folder(session.config.data).absolute()),
            folder=session.folder.absolute(),
            folder_id=folder_id(session.folder),
            environment={name: value for name, value in os.environ.items() if _SENT.fullmatch(name)},
        )


def check_participants(participants: Participants) -> None:
    """Make sure that nodes will have the code of all participants; raises `ConfigurationError`."""
    check_shipped(
        {f"provider {name}": found for name, found in participants.providers.items()}
        | {f"answering model {participants.answerer.name}": type(participants.answerer)}
        | {f"judge {judge.name}": type(judge) for judge in participants.judges}
    )


def check_shipped(classes: Mapping[str, type]) -> None:
    """Make sure that each of these is installed, or in the code that is sent; raises `ConfigurationError`."""
    for what, found in classes.items():
        file = Path(inspect.getfile(found)).resolve()
        module = Path(*found.__module__.split("."))
        sent = (root / part for root in _roots() for part in (module.with_suffix(".py"), module / "__init__.py"))
        if file not in sent and not any(file.is_relative_to(place) for place in _installed()):
            raise ConfigurationError(
                f"--engine ray: {what} is defined in {file}, which is not sent to the nodes: move it to {_home()}, and "
                f"name it as from there."
            )


@contextmanager
def staged_code() -> Iterator[Path]:
    """A folder of links to the code that nodes are sent: this suite, and the current folder or repository."""
    with TemporaryDirectory(prefix="memorybench-ray-") as folder:
        staged = Path(folder)
        for path in (*(ROOT / name for name in _SUITE), *_own(_home())):
            if path.exists() and not (staged / path.name).is_symlink():
                (staged / path.name).symlink_to(path)
        (staged / "datasets").mkdir()
        for manifest in (ROOT / "datasets").glob("*.toml"):
            (staged / "datasets" / manifest.name).symlink_to(manifest)
        yield staged


def _own(home: Path) -> Iterable[Path]:
    """What of the folder `home` is code."""
    for path in sorted(home.iterdir()):
        hidden = path.name.startswith(".") and path.name != ".gitignore"
        left_out = path.name in _LEFT_OUT or path.suffix == ".egg-info" or (path / "pyvenv.cfg").exists()
        if not (hidden or left_out):
            yield path


def _home() -> Path:
    """The folder whose code is sent beside the suite: the repository of the suite in any of its folders."""
    here = Path.cwd().resolve()
    return ROOT if here.is_relative_to(ROOT) else here


def _roots() -> tuple[Path, ...]:
    return (_home(), ROOT)


def _installed() -> Iterator[Path]:
    """Where packages are that nodes are expected to have installed, as they have Ray."""
    for name in ("purelib", "platlib", "stdlib", "platstdlib"):
        yield Path(sysconfig.get_path(name)).resolve()
