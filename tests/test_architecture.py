"""The floors of the house, its faces, and what has no place in it."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from tests.processes import Finished
from tests.processes import run as run_process
from tests.repository import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
ROOMS: list[str] = SETTINGS["importlinter"]["root_packages"]

MOST_FILES = 16
MOST_LINES = 320
WELL_KNOWN = {
    *("attrs", "cache", "click", "config", "core", "data", "datasets", "db", "dotenv", "evaluate", "jinja2", "jose"),
    *("jwt", "magic", "mcp", "memory", "models", "numpy", "openapi", "peft", "pipeline", "plugin", "prompts", "ray"),
    *("redis", "requests", "schedule", "schema", "search", "serial", "store", "test", "tests", "tokenizers", "tools"),
    *("torch", "tqdm", "transformers", "types", "utils", "yaml"),
}
"""Import names that a folder at the top of this repository must not take."""

NAMES_THAT_SAY_NOTHING = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def lint_imports(folder: Path) -> Finished:
    return run_process(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))",
        ],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONSAFEPATH": "1"},
    )


def imports_past_a_face(rooms: Sequence[str]) -> list[str]:
    """Imports of a module that its package's face should stand for, each as ``importer: line``; runs none of them.

    A package is a room or a folder in one. A module may be imported by its own package and by those inside it.
    """
    graph = grimp.build_graph(*rooms, cache_dir=None)
    packages = {module for module in graph.modules if graph.find_children(module) or module in rooms}
    found = []
    for importer in sorted(graph.modules - {f"{room}.__main__" for room in rooms}):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            home = imported if imported in packages else imported.rpartition(".")[0]
            named = imported in packages or imported.rpartition(".")[2] in _named_by_its_face(home)
            if not named and not importer.startswith(f"{home}.") and importer != home:
                details = graph.get_import_details(importer=importer, imported=imported)
                found += [f"{importer}:{d['line_number']}: {d['line_contents']}" for d in details]
    return found


def _named_by_its_face(package: str) -> set[str]:
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.origin
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    faces = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    return {name for face in faces for name in ast.literal_eval(face)}


def test_every_room_is_under_the_contracts() -> None:
    folders = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")} - {"tests"}
    assert folders == set(ROOMS)
    assert set(SETTINGS["mypy"]["files"]) == {*ROOMS, "tests", "conftest.py"}
    contracts = SETTINGS["importlinter"]["contracts"]
    rooms = next(contract for contract in contracts if contract["type"] == "layers" and "containers" not in contract)
    assert set(" | ".join(rooms["layers"]).split(" | ")) == set(ROOMS)
    assert {*next(contract for contract in contracts if contract["type"] == "acyclic_siblings")["ancestors"]} == {
        *ROOMS
    }


def test_every_folder_of_a_room_has_its_floor() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*/__init__.py")} - {
        ROOT / r for r in ROOMS
    }
    floors = {
        ROOT / container.replace(".", "/") / name
        for contract in SETTINGS["importlinter"]["contracts"]
        for container in contract.get("containers", ())
        for layer in contract["layers"]
        for name in re.split(r" [|:] ", layer)
    }
    assert folders - floors == set()


def test_folders_and_files_keep_to_a_size_that_can_be_read() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    crowded = {
        str(folder): count for folder, count in Counter(path.parent for path in files).items() if count > MOST_FILES
    }
    long = {str(path): count for path in files if (count := len(path.read_text().splitlines())) > MOST_LINES}
    assert (crowded, long) == ({}, {})


def test_no_room_has_the_name_of_a_package_that_memory_systems_import() -> None:
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[=\[]", line)[0].replace("-", "_") for line in locked if not line.startswith("#")}
    assert names
    assert not names & {*ROOMS, "tuner"}
    # what is installed here, by what it is imported as, and well-known names that nothing here brings
    installed = {
        name for name, distributions in packages_distributions().items() if {*distributions} != {"memorybench"}
    }
    assert not (installed | WELL_KNOWN) & {*ROOMS, "tuner"}


def test_imports_only_point_down() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_contract_sees_imports_that_point_up_or_sideways(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    wrong = {"vocabulary": "llms", "net": "registry", "llms": "providers", "reports": "judges", "judges": "bench"}
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
        (tmp_path / room / "low.py").write_text(f"import {wrong.get(room, 'vocabulary')}\n")
    lines = (tmp_path / "pyproject.toml").read_text(encoding="utf-8").split("[[tool.importlinter.contracts]]")
    (tmp_path / "pyproject.toml").write_text("[[tool.importlinter.contracts]]".join(lines[:2]), encoding="utf-8")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    for importer, imported in wrong.items():
        assert f"{importer}.low -> {imported}" in result.stdout


def test_packages_import_each_other_by_their_faces() -> None:
    found = imports_past_a_face(ROOMS)
    assert not found, "import these from the room's face instead:\n" + "\n".join(found)


def test_an_import_past_a_face_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kitchen", "cellar"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "cellar" / "shelf.py").write_text("wine = 1\n")
    (tmp_path / "cellar" / "door.py").write_text("from cellar.shelf import wine\n")
    (tmp_path / "cellar" / "barrels").mkdir()
    (tmp_path / "cellar" / "barrels" / "__init__.py").touch()
    (tmp_path / "cellar" / "barrels" / "oak.py").write_text("from cellar.shelf import wine\nport = 1\n")
    (tmp_path / "cellar" / "tap.py").write_text("from cellar.barrels.oak import port\n")
    (tmp_path / "kitchen" / "cook.py").write_text(
        "import cellar\nfrom cellar import wine\n\ndef pour():\n    from cellar.shelf import wine\n    return wine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert imports_past_a_face(["kitchen", "cellar"]) == [
        "cellar.tap:1: from cellar.barrels.oak import port",
        "kitchen.cook:5: from cellar.shelf import wine",
    ]


def test_conftest_only_wires() -> None:
    module = ast.parse((ROOT / "conftest.py").read_text(encoding="utf-8"))
    wiring = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    assert [ast.unparse(node) for node in module.body if not isinstance(node, wiring)] == []


def test_data_folder_holds_no_code() -> None:
    # A package named `datasets` would shadow the Hugging Face library, which memory systems import.
    assert [str(path) for path in (ROOT / "datasets").rglob("*.py*")] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    files = [path.relative_to(ROOT) for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py")]
    assert files
    assert [str(path) for path in files if NAMES_THAT_SAY_NOTHING & {*path.parent.parts, path.stem}] == []
