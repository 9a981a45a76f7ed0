"""What a program or a command line need not wait for is not imported."""

from __future__ import annotations

import sys

import pytest

from tests.processes import run as run_process
from tests.repository import ROOT

HEAVY = {"anthropic", "httpx", "httpx2", "huggingface_hub", "jinja2", "nltk", "numpy", "openai", "pytest", "scipy"}
HEAVY |= {"ray", "starlette", "uvicorn"}
LOADED = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"


def loaded(code: str, *arguments: str) -> set[str]:
    """What a fresh Python has imported after `code`."""
    command = [sys.executable, "-c", f"{code}\n{LOADED}", *arguments]
    result = run_process(command, cwd=ROOT, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize("code", ["import bench", "from bench import run_benchmark"])
def test_a_program_gets_neither_pytest_nor_an_sdk(code: str) -> None:
    found = loaded(code)
    assert "bench" in found
    assert not found & HEAVY


@pytest.mark.parametrize("room", ["bench", "reports", "judges"])
def test_help_needs_no_database(room: str) -> None:
    code = f"""
from {room}.__main__ import main
try:
    main(["--help"])
except SystemExit as ended:
    assert ended.code == 0
"""
    found = loaded(code)
    assert room in found
    assert not found & (HEAVY | {"sqlalchemy"})


def test_the_terminal_shows_something_before_anything_large_is_imported() -> None:
    code = """
import pytest
from bench.plugin import hooks

def leave(config):
    print("shown")
    pytest.exit("seen", returncode=0)

hooks._show_start = leave
pytest.main(["bench", "-k", "synthetic", "-p", "no:cacheprovider"])
"""
    found = loaded(code)
    assert "pytest" in found
    assert not found & ((HEAVY - {"pytest"}) | {"sqlalchemy", "rich"})


def test_an_unknown_provider_is_reported_before_the_pipeline_is_imported() -> None:
    code = """
import pytest
status = pytest.main(["bench", "-k", "locomo", "--provider", "bm52", "-p", "no:cacheprovider"])
assert status == pytest.ExitCode.USAGE_ERROR
"""
    assert not loaded(code) & ((HEAVY - {"pytest"}) | {"sqlalchemy", "rich"})


def test_a_name_imports_only_the_providers_that_mention_it() -> None:
    code = """
import sys
from providers import find_provider
assert find_provider("bm25").name == "bm25"
assert not [name for name in sys.modules if name.startswith("providers.hosted.")]
"""
    assert "providers" in loaded(code)


def test_a_list_of_studies_imports_no_statistics() -> None:
    pytest.importorskip("optuna")
    found = loaded('from tuner.__main__ import main\nmain(["list", "--storage", "sqlite://"])')
    assert "optuna" in found
    assert not found & {"scipy", "sklearn", "pandas", "jinja2"}
