"""Large JSON files an item at a time: the same values as a parser of the whole file, and where they lie."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench.data.json_items
from bench.data.json_items import read_items
from tests.known import LETTERS
from vocabulary import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(LETTERS, max_size=5), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.lists(st.dictionaries(st.text(LETTERS, max_size=5), VALUES, max_size=4), max_size=6)


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.data.json_items, "_FIRST_READ_BYTES", 7)
    monkeypatch.setattr(bench.data.json_items, "_MARGIN", 20)


@pytest.mark.long
@given(members=MEMBERS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans(), first=st.integers(1, 50))
def test_items_are_what_the_whole_file_says_and_lie_where_they_say(
    tmp_path_factory: pytest.TempPathFactory,
    members: list[Any],
    indent: int | None,
    ascii_only: bool,
    first: int,
) -> None:
    path = tmp_path_factory.mktemp("items") / "list.json"
    raw = json.dumps(members, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    path.write_bytes(raw)
    items = read_items(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.data.json_items, "_FIRST_READ_BYTES", first)
        found = list(items)
    assert [item.value for item in found] == json.loads(raw)
    assert [json.loads(raw[item.offset : item.offset + item.length]) for item in found] == json.loads(raw)
    assert [item.number for item in found] == list(range(len(found)))


def test_a_file_that_is_no_list_is_one_item(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('  {"evidence_items": [1, 2]}\n')
    (item,) = read_items(path)
    assert (item.value, item.offset, item.length) == ({"evidence_items": [1, 2]}, 2, 26)


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}, {"b": "tw', r"item 1: not valid JSON .*cut off\?"),
        ('[{"a": 1}, {"b": 2}', r"after item 1: not valid JSON, is the file cut off\?"),
        ('[{"a": 1}, ', r"item 1: not valid JSON, is the file cut off\?"),
        ("[", r"item 0: not valid JSON, is the file cut off\?"),
        ("", r"item 0: not valid JSON .*cut off\?"),
        ('[{"a": 1} {"b": 2}]', "after item 0: not valid JSON, '{' where ',' or ']' should be"),
        ('[{"a": 1}] [2]', "not valid JSON: '\\[' after its end"),
        ('[{"a" 1}' + ' , {"b": 2}' * 50 + "]", r"item 0: not valid JSON at byte 6 \(Expecting ':' delimiter\)"),
        ("[" * 100_000, "item 0: not valid JSON .nested too deeply"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_items(path))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.json"
    path.write_bytes('[{"a": "é"}]'.encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        list(read_items(path))


def test_a_fault_early_in_a_large_file_is_found_before_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text('[{"a": oops}' + ', {"b": "' + "x" * 30_000_000 + '"}]')
    before = bench.data.json_items._FIRST_READ_BYTES
    with path.open("rb") as stream:
        window = bench.data.json_items._Window(stream)
        with pytest.raises(DataError, match="item 0: not valid JSON at byte 7"):
            list(bench.data.json_items._items(window))
        assert stream.tell() == before


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (gzip.compress(b"[]"), "is compressed by gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "is an HTML or XML page"),
        ("[]".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04rest", "is a ZIP archive"),
        (b"[" + b"9" * 5_000 + b"]", "item 0: Exceeds the limit"),
        (b'[{"a": 1}, {"b": 1, "b": 2}]', "an object has the key 'b' twice"),
    ],
    ids=["gzip", "lfs", "html", "utf-16", "zip", "digits", "twice"],
)
def test_what_is_something_else_says_what_it_is(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        list(read_items(path))


def test_a_byte_order_mark_is_passed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'[{"a": 1}, {"b": 2}]')
    assert [(item.offset, item.length) for item in read_items(path)] == [(4, 8), (14, 8)]
