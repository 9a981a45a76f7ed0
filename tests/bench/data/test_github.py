"""Files that GitHub lists: fetched over real HTTP, each checked by its git blob id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.data import github
from bench.data.download import download_part
from bench.data.hub import Selection
from bench.data.manifests import Listing, ListingPart, Manifest, published_files
from tests.bench.data.file_server import FileServer, Page, serve_files
from vocabulary import ConfigurationError, DataError

REVISION = "b" * 40
CONTENTS = {"chats/100K/1/chat.json": b"[1]", "chats/100K/1/probing_questions/probing_questions.json": b"{}"}
OTHERS = {"chats/100K/1/topic.json": b"3", "chats/500K/1/chat.json": b"4", "chats/100K/x/chat.json": b"5"}
TREE = f"/repos/owner/BEAM/git/trees/{REVISION}"
PART = ListingPart(
    name="beam_100k", path="chats/100K", pattern=r"\d+/(?:chat|probing_questions/probing_questions)\.json",
    files=2, bytes=5,
)  # fmt: skip


def _entry(path: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"path": path, "type": "blob", "sha": blob, "size": len(content)}


def _tree(**changes: object) -> bytes:
    entries = [_entry(path, content) for path, content in (CONTENTS | OTHERS).items()]
    folder = {"path": "chats", "type": "tree", "sha": "0" * 40}
    return json.dumps({"tree": [folder, *entries], "truncated": False, **changes}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serve_files() as server:
        monkeypatch.setattr(github, "API", server.address)
        monkeypatch.setattr(github, "RAW", server.address)
        server.pages[TREE] = Page(_tree())
        for path, content in (CONTENTS | OTHERS).items():
            server.pages[f"/owner/BEAM/{REVISION}/{path}"] = Page(content)
        yield server


def _fetch(folder: Path, selection: Selection | None = None) -> Manifest:
    listing = Listing(host="github", repository="owner/BEAM", revision=REVISION, folder="beam", parts=(PART,))
    manifest = Manifest(
        name="beam", title="Chats", homepage="http://127.0.0.1/", licence="none", citation="@misc{x}", listing=listing
    )
    download_part(manifest, PART, selection or Selection(), folder, lambda _line: None)
    return manifest


def test_the_files_of_a_part_are_fetched_and_recorded(server: FileServer, tmp_path: Path) -> None:
    manifest = _fetch(tmp_path)
    found = {path.relative_to(tmp_path / "beam").as_posix(): path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert {name: content for name, content in found.items() if name.startswith("chats/")} == CONTENTS
    recorded = published_files(manifest, tmp_path / "beam")
    assert recorded == {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    before = len(server.requests)
    _fetch(tmp_path)
    assert [request.path for request in server.requests[before:]] == [TREE], "what is there is not fetched again"


def test_a_file_with_another_blob_id_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.pages[f"/owner/BEAM/{REVISION}/chats/100K/1/chat.json"] = Page(b"[2]")
    with pytest.raises(DataError, match="not the published file: expected git blob id"):
        _fetch(tmp_path)
    assert not list((tmp_path / "beam").rglob("chat.json"))


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Page(_tree(truncated=True)), "its list is cut off"),
        (Page(_tree(tree=[])), "its list holds no file below chats/100K"),
        (Page(_tree(tree=[{"path": "x"}])), "no list of files"),
        (Page(b"<html>"), "Expecting value"),
        (Page(b"[]"), "no list of files"),
    ],
)
def test_a_list_that_is_none_is_an_error(page: Page, message: str, server: FileServer, tmp_path: Path) -> None:
    server.pages[TREE] = page
    with pytest.raises(DataError, match=message):
        _fetch(tmp_path)


def test_there_are_no_categories_to_choose_from(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="beam_100k has no categories"):
        _fetch(tmp_path, Selection(category=("x",)))
    with pytest.raises(ConfigurationError, match="beam_100k has no context sizes"):
        _fetch(tmp_path, Selection(context_size=(3,)))
    assert server.requests == []
