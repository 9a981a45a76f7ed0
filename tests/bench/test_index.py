"""The index beside a data file: made once, by one process, never half; found again; no trap when the file changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.index import INDEX, Found, FoundHaystack, Index, IndexedFile, is_indexed
from bench.json_items import Item
from schema import Case, DataError, Gold, Question

ROOT = Path(__file__).resolve().parents[2]


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
    with Index(path.parent, kind) as index:
        return index.file(path, _finder(asked))


def test_the_second_use_reads_no_item(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}, {"name": "b", "facts": {"odd": 2}}]), []
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
    assert (tmp_path / INDEX).is_file()


def test_another_kind_of_loader_has_an_index_of_its_own(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}]), []
    _index(path, asked)
    _index(path, asked, "made/2")
    assert asked == [0, 0]


def test_a_changed_file_is_read_anew_and_a_touched_or_moved_one_is_not(tmp_path: Path) -> None:
    path, asked = _write(tmp_path / "data.json", [{"name": "a"}]), []
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
    path, asked = tmp_path / "data.json", []
    path.write_text('[{"name": "a"}, {"name": "b"')
    with pytest.raises(DataError, match="cut off"):
        _index(path, asked)
    assert not is_indexed(path)
    _write(path, [{"name": "a"}, {"name": "b"}])
    assert len(_index(path, asked).cases) == 2


def test_one_index_serves_the_folders_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = _write(tmp_path / "a" / "b" / "data.json", [{"name": "a"}])
    with Index(tmp_path, "made/1") as index:
        index.file(path, _finder([]))
    assert is_indexed(path)
    (tmp_path / INDEX).write_bytes(b"no database at all, but long enough to be looked at" * 50)
    assert not is_indexed(path)


def test_an_index_that_is_damaged_says_which_file_to_delete(tmp_path: Path) -> None:
    path = _write(tmp_path / "data.json", [{"name": "a"}])
    (tmp_path / INDEX).write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(DataError, match=rf"index .*{INDEX}: .*Delete it"):
        _index(path, [])


_USE_AS_NOBODY = """
import os, sys
from pathlib import Path
from bench.index import Index
from tests.bench.test_index import _finder
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
asked = []
for _ in range(2):
    with Index(Path(sys.argv[1]).parent, "made/1") as index:
        index.file(Path(sys.argv[1]), _finder(asked))
print(asked)
"""


def test_a_folder_that_cannot_be_written_has_its_index_in_the_cache() -> None:
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
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        folder.chmod(0o755)
        assert ended.stdout == "[0]\n", ended.stderr
        assert not (folder / INDEX).exists()
        assert list((cache / "memorybench").iterdir())


_SLOW_USE = """
import sys, time
from pathlib import Path
from bench.index import Index
from tests.bench.test_index import _finder
path, log = Path(sys.argv[1]), Path(sys.argv[2])
asked = []
inner = _finder(asked)
def find(item):
    with log.open("a") as file:
        file.write(f"{item.number}\\n")
    time.sleep(0.02)
    return inner(item)
with Index(path.parent, "made/1") as index:
    print(len(index.file(path, find).cases))
"""


def _start(path: Path, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SLOW_USE, str(path), str(log)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


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
