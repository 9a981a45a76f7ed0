"""The index of data files: made once, by one process, never half; found again; no trap when the file changes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.index import Found, FoundHaystack, IndexedFile, index_file, index_folder, is_indexed
from bench.data.json_items import Item
from tests.processes import PIPE, Process
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Case, DataError, Gold, Question


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which nothing is known yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _write(path: Path, values: list[Any]) -> Path:
    path.write_text(json.dumps(values))
    return path


def _case(name: str) -> Case:
    return Case(
        id=name,
        source_id=name,
        benchmark="made",
        question=Question(id=f"q{name}", text="What?"),
        gold=Gold(question_type="one", ground_truth="x"),
        haystack=f"h{name}",
        cluster=name,
    )


def _finder(asked: list[int]) -> Callable[[Item], Found]:
    def find(item: Item) -> Found:
        asked.append(item.number)
        name = str(item.value["name"])
        return Found((_case(name),), (FoundHaystack(f"h{name}", 3),), Counter(seen=1, **item.value.get("facts", {})))

    return find


def _index(path: Path, asked: list[int], kind: str = "made/1") -> IndexedFile:
    return index_file(path, kind, _finder(asked))


def test_the_second_use_reads_no_item(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}, {"name": "b", "facts": {"odd": 2}}]), list[int]()
    assert not is_indexed(path)
    first = _index(path, asked)
    assert asked == [0, 1]
    assert is_indexed(path)
    second = _index(path, asked)
    assert asked == [0, 1]
    assert first == second
    assert [case.id for case in second.cases] == ["a", "b"]
    assert second.facts == {"seen": 2, "odd": 2}
    place = second.haystacks["hb"]
    assert json.loads(place.read()) == {"name": "b", "facts": {"odd": 2}}
    assert place.sessions == 3


def test_the_index_lies_in_the_cache_and_not_beside_the_data(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "data").mkdir()
    path = _write(tmp_path / "data" / "data.json", [{"name": "a"}])
    _index(path, [])
    assert list(path.parent.iterdir()) == [path]
    assert {found.parent for found in cache.rglob("*") if found.is_file()} == {index_folder()}


def test_two_copies_of_a_file_share_what_is_known(tmp_path: Path) -> None:
    asked: list[int] = []
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        _write(folder / "data.json", [{"name": "a"}])
    first, second = _index(one / "data.json", asked), _index(other / "data.json", asked)
    assert asked == [0]
    assert first.cases == second.cases
    assert second.haystacks["ha"].file == other / "data.json"


def test_another_kind_of_loader_has_an_index_of_its_own(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}]), list[int]()
    _index(path, asked)
    _index(path, asked, "made/2")
    assert asked == [0, 0]


def test_a_changed_file_is_read_anew_and_a_touched_or_moved_one_is_not(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}]), list[int]()
    before = _index(path, asked)
    os.utime(path, ns=(1, 1))
    assert not is_indexed(path)
    assert _index(path, asked) == before
    moved = path.rename(tmp_path / "moved.json")
    assert _index(moved, asked).cases == before.cases
    assert asked == [0]
    _write(moved, [{"name": "b"}])
    os.utime(moved, ns=(2, 2))
    assert [case.id for case in _index(moved, asked).cases] == ["b"]
    assert asked == [0, 0]


def test_a_fault_in_the_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path, asked = tmp_path / "data.json", list[int]()
    path.write_text('[{"name": "a"}, {"name": "b"')
    with pytest.raises(DataError, match="cut off"):
        _index(path, asked)
    assert not is_indexed(path)
    _write(path, [{"name": "a"}, {"name": "b"}])
    assert len(_index(path, asked).cases) == 2


def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}]), list[int]()
    before = _index(path, asked)
    for part in index_folder().iterdir():
        part.write_bytes(part.read_bytes()[:-7])
    assert not is_indexed(path)
    assert _index(path, asked) == before
    assert asked == [0, 0]


def test_a_cache_folder_that_cannot_be_made_says_what_to_set(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file in its place")
    with pytest.raises(DataError, match=rf"index {index_folder()}: .*set XDG_CACHE_HOME to another folder"):
        _index(_write(tmp_path / "data.json", [{"name": "a"}]), [])


_FULL = """
import resource, sys
from pathlib import Path
from bench.data.index import index_file
from tests.bench.data.test_index import _finder
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as a full disk, it fails the write
index_file(Path(sys.argv[1]), "made/1", _finder([]))
"""


def test_a_full_disk_says_what_to_do_and_leaves_nothing_half(tmp_path: Path) -> None:
    path = _write(tmp_path / "data.json", [{"name": "a"}])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _FULL, str(path)]
    ended = run_process(command, cwd=ROOT, env=environment)
    assert f"index {index_folder()}: File too large. See to its disk, or set XDG_CACHE_HOME" in ended.stderr
    assert [part.name for part in index_folder().iterdir() if part.name != ".lock"] == []
    assert len(_index(path, []).cases) == 1


_USE_AS_NOBODY = """
import filelock  # while this Python may be read
import os, sys
from pathlib import Path
from bench.data.index import index_file
from tests.bench.data.test_index import _finder
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
asked = []
for _ in range(2):
    index_file(Path(sys.argv[1]), "made/1", _finder(asked))
print(asked)
"""


def test_a_folder_that_cannot_be_written_is_read_and_left_as_it_is() -> None:
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which nobody else may enter
        folder, cache = Path(name) / "data", Path(name) / "cache"
        for made in (folder, cache):
            made.mkdir()
        path = _write(folder / "data.json", [{"name": "a"}])
        Path(name).chmod(0o755)
        cache.chmod(0o777)
        folder.chmod(0o555)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
        command = [sys.executable, "-c", _USE_AS_NOBODY, str(path)]
        ended = run_process(command, cwd=ROOT, env=environment)
        folder.chmod(0o755)
        assert ended.stdout == "[0]\n", ended.stderr
        assert list(folder.iterdir()) == [path]


_SLOW_USE = """
import sys, time
from pathlib import Path
from bench.data.index import index_file
from tests.bench.data.test_index import _finder
path, log = Path(sys.argv[1]), Path(sys.argv[2])
asked = []
inner = _finder(asked)
def find(item):
    with log.open("a") as file:
        file.write(f"{item.number}\\n")
    time.sleep(0.02)
    return inner(item)
print(len(index_file(path, "made/1", find).cases))
"""


def _start(path: Path, log: Path) -> Process:
    return Process(
        [sys.executable, "-c", _SLOW_USE, str(path), str(log)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=PIPE,
    )


@pytest.mark.long
def test_several_processes_read_the_file_once(tmp_path: Path) -> None:
    path, log = _write(tmp_path / "data.json", [{"name": str(n)} for n in range(20)]), tmp_path / "log"
    running = [_start(path, log) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["20\n"] * 4
    assert log.read_text().split() == [str(n) for n in range(20)]


def test_who_is_killed_leaves_nothing_half(tmp_path: Path) -> None:
    path, log = _write(tmp_path / "data.json", [{"name": str(n)} for n in range(200)]), tmp_path / "log"
    process = _start(path, log)
    while not log.exists() or len(log.read_text().split()) < 20:
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    assert not is_indexed(path)
    asked: list[int] = []
    assert len(_index(path, asked).cases) == 200
    assert len(asked) == 200
