"""What all tests have in common: no cache of the user's, no patience with services; and what they show at the end."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

from tests.processes import ending_with_it, heed_signals
from tests.repository import DATA, ROOT

ENGINES = ROOT / "tests" / "providers" / "engines"

# each of a thousand processes that tests start would compile the whole project
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("busy")  # how long an example takes depends on what else the machine does


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors in the suite's own tests only, as users have plugins and code of their own; signals work."""
    config.addinivalue_line("filterwarnings", "error")
    heed_signals()
    # what syrupy says at the end of an interrupted session must not become the end of pytest
    config.addinivalue_line("filterwarnings", "default:syrupy")


@pytest.hookimpl(tryfirst=True)  # before ``-m`` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as long what makes whole runs, opens a browser or starts engines, except for the few marked as quick."""
    for item in items:
        whole_runs = {"suite", "undisturbed", "browser"} & {*getattr(item, "fixturenames", ())}
        if (whole_runs or ENGINES in item.path.parents) and not item.get_closest_marker("quick"):
            item.add_marker("long")


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for the index of data files, one for all workers: it takes half a minute to make."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """A folder with published data files: MEMORYBENCH_DATA, or ../shared/data beside the repository."""
    if not (DATA / "locomo" / "locomo10.json").is_file():
        pytest.skip(f"no published data in {DATA}: set MEMORYBENCH_DATA to a folder with locomo/locomo10.json")
    return DATA


@pytest.fixture(scope="session", autouse=True)
def no_patience() -> Iterator[None]:
    """Subjects that always fail end in errors at once; tests of outages ask for patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYBENCH_PATIENCE", "0")
        yield


@pytest.fixture(scope="module", autouse=True)
def memory_given_back() -> Iterator[None]:
    """What a module's tests freed goes back to the system: engines leave glibc hundreds of megabytes of it."""
    yield
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """What a test starts ends with it."""
    with ending_with_it():
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What adapters and the vendors' own SDKs send: a line for each operation that tests compared."""
    rows = sorted(
        (
            json.loads(str(value))
            for report in terminalreporter.stats.get("passed", [])
            for name, value in report.user_properties
            if name == "wire"
        ),
        key=lambda row: row["operation"],
    )
    if not rows:
        return
    terminalreporter.write_sep("-", "what an adapter sends and what the vendor's SDK sends")
    width = max(len(row["operation"]) for row in rows)
    for row in rows:
        message = "equal" if not row["differs"] else "differs"
        terminalreporter.write_line(f"{row['operation']:{width}}  {message:7}  {row['request']}")
        for field, reason in row["differs"].items():
            terminalreporter.write_line(f"{'':{width}}           {field}: {reason}")
