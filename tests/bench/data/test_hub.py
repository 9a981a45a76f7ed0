"""Files that the hub lists: only those that a selection needs are fetched, and each is checked by what the hub says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.data.download import download_part
from bench.data.hub import Selection
from bench.data.manifests import Listing, ListingPart, Manifest, locate_part, published_files, read_manifest
from tests.bench.data.file_server import REPOSITORY, REVISION, FileServer, Page, serve_hub, start_command
from tests.repository import ROOT
from vocabulary import ConfigurationError, DataError, DataMissingError, UnknownNameError

MIXED, RAW = "core_benchmark/pre_mixed_testcases", "core_benchmark/evidence_questions"


def _test_cases(context_size: int, padding: int) -> bytes:
    """A pre-mixed file: the context size is each test case's last key."""
    filler = [{"messages": [{"speaker": "User", "text": "We talked of boats. " * padding}]}]
    cases = [{"evidenceItems": [], "conversations": filler, "contextSize": context_size}] * 2
    return json.dumps(cases, indent=2, separators=(",", " : ")).encode()


FILES = {
    f"{MIXED}/user_evidence/1_evidence/batched_000.json": _test_cases(1, 1),
    f"{MIXED}/user_evidence/1_evidence/batched_030.json": _test_cases(30, 300),
    f"{MIXED}/user_evidence/2_evidence/batched_000.json": _test_cases(30, 400),
    f"{MIXED}/abstention_evidence/1_evidence/batched_012.json": _test_cases(30, 500),
    f"{MIXED}/abstention_evidence/1_evidence/batched_013.json": _test_cases(300, 600),
    f"{RAW}/user_evidence/1_evidence/4f_Some Role.json": b'{"evidence_items": [1]}',
    f"{RAW}/changing_evidence/2_evidence/5a_Teacher.json": b'{"evidence_items": [1, 2]}',
}
LARGE = f"{MIXED}/abstention_evidence/1_evidence/batched_013.json"
"""The one that is listed as a large file, with its SHA-256; the others have a git blob id."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serve_hub(monkeypatch) as server:
        server.hub |= {path: Page(content, large=path == LARGE) for path, content in FILES.items()}
        server.hub |= {f"{part}/{name}": Page(b"{}") for part in (MIXED, RAW) for name in ("README.json", "../a.json")}
        yield server


@pytest.fixture
def manifest(server: FileServer) -> Manifest:
    del server
    return Manifest(
        name="convomem",
        title="Talks",
        homepage="http://127.0.0.1/",
        licence="CC BY-NC 4.0",
        citation="@misc{talks}",
        listing=Listing(
            repository=REPOSITORY,
            revision=REVISION,
            folder="convomem",
            parts=(
                ListingPart(name="convomem", path=MIXED, files=5, bytes=13_000_000_000, by_context_size=True),
                ListingPart(name="convomem_evidence", path=RAW, files=2, bytes=1_212_565_824),
            ),
        ),
    )


def _fetch(manifest: Manifest, folder: Path, part: int = 0, **chosen: object) -> tuple[set[str], list[str]]:
    """Download; the names of what was chosen, and what was said."""
    assert manifest.listing
    lines: list[str] = []
    selection = Selection.model_validate(chosen)
    paths = download_part(manifest, manifest.listing.parts[part], selection, folder, lines.append)
    return {path.relative_to(folder / "convomem").as_posix() for path in paths}, lines


def _data(folder: Path) -> dict[str, bytes]:
    root = folder / "convomem"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.json") if path.parent != root
    }


# --- what is fetched ------------------------------------------------------------------------------------------------


def test_only_the_files_of_a_context_size_are_fetched(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    chosen, lines = _fetch(manifest, tmp_path, context_size=(30,))
    of_30 = {path for path, content in FILES.items() if b'"contextSize" : 30\n' in content}
    assert len(of_30) == 3
    assert chosen == of_30
    assert _data(tmp_path) == {path: FILES[path] for path in of_30}
    assert sum("CC BY-NC 4.0" in line for line in lines) == 1
    tails = {path: held for path, held in server.transfers if not held or not held.startswith("bytes=0-")}
    sizes = {path: len(content) for path, content in FILES.items() if path.startswith(MIXED) and len(content) > 512}
    assert tails == {path: f"bytes={size - 512}-{size - 1}" for path, size in sizes.items()}
    whole = {path for path, held in server.transfers if held and held.startswith("bytes=0-") and path in sizes}
    assert whole == of_30, "files of other sizes are not fetched"


def test_category_and_evidence_narrow_what_is_looked_at(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    chosen, _ = _fetch(manifest, tmp_path, context_size=(30,), category=("user_evidence",), evidence=(1,))
    assert chosen == {f"{MIXED}/user_evidence/1_evidence/batched_030.json"}
    assert {path for path, _ in server.transfers} == {
        f"{MIXED}/user_evidence/1_evidence/batched_0{number}.json" for number in ("00", "30")
    }


def test_raw_evidence_needs_no_context_size(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    chosen, lines = _fetch(manifest, tmp_path, part=1)
    assert chosen == {path for path in FILES if path.startswith(RAW)}
    assert _data(tmp_path) == {path: FILES[path] for path in chosen}
    assert "2 files, 49 bytes in all" in lines
    server.requests.clear()
    chosen, _ = _fetch(manifest, tmp_path, part=1, category=("changing_evidence",), evidence=(2,))
    assert len(chosen) == 1
    assert server.transfers == []


def test_all_files_are_fetched_only_if_that_is_said(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    total = sum(len(content) for path, content in FILES.items() if path.startswith(MIXED))
    with pytest.raises(ConfigurationError, match=rf"convomem: 5 files with {total / 1000:.1f} kB fit\. .*--all"):
        _fetch(manifest, tmp_path)
    assert server.transfers == []
    chosen, _ = _fetch(manifest, tmp_path, everything=True)
    assert len(chosen) == 5


@pytest.mark.parametrize(
    ("part", "chosen", "error", "message"),
    [
        (0, {"category": ("user_evidenc",)}, UnknownNameError, r"unknown category.*Did you mean 'user_evidence'\?"),
        (0, {"evidence": (7,)}, ConfigurationError, "has 7 evidence messages; there are: 1, 2"),
        (0, {"context_size": (31,)}, ConfigurationError, "has context size 31; there are: 1, 30, 300"),
        (1, {"context_size": (30,)}, ConfigurationError, "convomem_evidence has no context sizes"),
    ],
)
def test_a_selection_that_fits_nothing_names_what_there_is(
    manifest: Manifest, tmp_path: Path, part: int, chosen: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _fetch(manifest, tmp_path, part=part, **chosen)
    assert _data(tmp_path) == {}


def test_a_file_that_tells_no_context_size_is_named(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    server.hub[LARGE].content = b"[]" + b" " * (len(FILES[LARGE]) - 2)
    with pytest.raises(DataError, match=r"batched_013\.json: no contextSize in its last 512 bytes"):
        _fetch(manifest, tmp_path, context_size=(30,))


# --- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_that_differs_from_what_was_expected_is_reported(
    server: FileServer, manifest: Manifest, tmp_path: Path
) -> None:
    del server.hub[LARGE]
    _, lines = _fetch(manifest, tmp_path, context_size=(30,))
    assert "convomem: the list has 4 files; 5 were expected" in lines


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{}", "holds no file below"), (b"<html>", "Expecting value"), (b"[]", "holds no file below")],
)
def test_what_is_no_list_is_one_line(
    server: FileServer, manifest: Manifest, tmp_path: Path, content: bytes, message: str
) -> None:
    server.lists = content
    with pytest.raises(DataError, match=message) as caught:
        _fetch(manifest, tmp_path, everything=True)
    assert "\n" not in str(caught.value)


def test_a_data_set_that_the_hub_does_not_have_is_one_line(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.listing
    other = manifest.model_copy(update={"listing": manifest.listing.model_copy(update={"revision": "0" * 40})})
    with pytest.raises(DataError, match=rf"hf://datasets/{REPOSITORY}@0+: ") as caught:
        _fetch(other, tmp_path, everything=True)
    assert "\n" not in str(caught.value)


def test_a_hub_that_is_busy_is_asked_again(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    server.busy = [503, 429]
    assert len(_fetch(manifest, tmp_path, part=1)[0]) == 2
    server.busy = [503] * 99
    with pytest.raises(DataError, match="the server answered 503 Service Unavailable") as caught:
        _fetch(manifest, tmp_path, everything=True)
    assert "\n" not in str(caught.value)


# --- checked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LARGE, f"{MIXED}/user_evidence/1_evidence/batched_000.json"])
def test_each_file_is_checked_by_what_the_hub_tells(
    server: FileServer, manifest: Manifest, tmp_path: Path, path: str
) -> None:
    right, page = FILES[path], server.hub[path]
    page.given = right[:-1] + b"?"
    kind = "sha256" if path == LARGE else "git blob id"
    with pytest.raises(DataError, match=f"not the published file: expected {kind} "):
        _fetch(manifest, tmp_path, everything=True)
    assert path not in _data(tmp_path)
    assert published_files(manifest, tmp_path / "convomem").keys() == _data(tmp_path).keys()
    page.given = None
    _, lines = _fetch(manifest, tmp_path, everything=True)
    assert _data(tmp_path)[path] == right
    assert any("Already there, with the right checksums" in line for line in lines) is (path != min(FILES))


def test_what_was_fetched_is_known_to_be_published(manifest: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "convomem"
    assert published_files(manifest, folder) == {}
    _fetch(manifest, tmp_path, part=1, category=("user_evidence",))
    _fetch(manifest, tmp_path, context_size=(1,))
    fetched = (
        f"{RAW}/user_evidence/1_evidence/4f_Some Role.json",
        f"{MIXED}/user_evidence/1_evidence/batched_000.json",
    )
    sums = {path: hashlib.sha256(FILES[path]).hexdigest() for path in fetched}
    assert published_files(manifest, folder) == sums
    assert published_files(manifest, tmp_path) == {f"convomem/{path}": digest for path, digest in sums.items()}
    record = json.loads((folder / "published.json").read_text())
    assert record["files"][fetched[0]] == {"sha256": sums[fetched[0]]}


def test_a_lost_record_is_found_out_again(server: FileServer, manifest: Manifest, tmp_path: Path) -> None:
    _fetch(manifest, tmp_path, everything=True)
    known = published_files(manifest, tmp_path)
    (tmp_path / "convomem" / "published.json").unlink()
    server.requests.clear()
    _fetch(manifest, tmp_path, everything=True)
    assert published_files(manifest, tmp_path) == known
    assert server.transfers == []


def test_the_record_of_another_revision_says_nothing(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "convomem").mkdir()
    record = {"revision": "0" * 40, "files": {"x.json": {"sha256": "0" * 64}}}
    (tmp_path / "convomem" / "published.json").write_text(json.dumps(record))
    assert published_files(manifest, tmp_path) == {}
    _fetch(manifest, tmp_path, part=1)
    assert set(published_files(manifest, tmp_path)) == {f"convomem/{path}" for path in FILES if path.startswith(RAW)}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"revision": "%s", "files": {"a": 1}}'])
def test_a_record_that_is_none_is_one_line(manifest: Manifest, tmp_path: Path, text: str) -> None:
    (tmp_path / "published.json").write_text(text.replace("%s", REVISION))
    with pytest.raises(DataError, match=r"published\.json is not the record of a download.*Delete it"):
        published_files(manifest, tmp_path)


# --- finding, and the command line ----------------------------------------------------------------------------------


def test_files_are_found_with_and_without_the_listings_folder(manifest: Manifest, tmp_path: Path) -> None:
    assert manifest.listing
    mixed, raw = manifest.listing.parts
    with pytest.raises(DataMissingError, match="`python -m bench download convomem --context-size 30`"):
        locate_part(manifest, mixed, None, folder=tmp_path)
    _fetch(manifest, tmp_path, part=1)
    names = sorted(tmp_path / "convomem" / path for path in FILES if path.startswith(RAW))
    assert locate_part(manifest, raw, None, folder=tmp_path) == names
    assert locate_part(manifest, raw, str(tmp_path)) == names
    assert locate_part(manifest, raw, str(tmp_path / "convomem")) == names
    with pytest.raises(DataMissingError, match=f"MEMORYBENCH_DATA is {tmp_path}"):
        locate_part(manifest, mixed, str(tmp_path))


def test_the_manifest_of_convomem_is_pinned() -> None:
    listing = read_manifest("convomem").listing
    assert listing
    assert listing.revision == "e3e9b39115b02346824c70d349350de738f8be41"
    assert {(part.name, part.path, part.files) for part in listing.parts} == {
        ("convomem", MIXED, 471),
        ("convomem_evidence", RAW, 1_242),
    }


def test_the_command_line_chooses(server: FileServer, tmp_path: Path) -> None:
    text = (ROOT / "datasets" / "convomem.toml").read_text(encoding="utf-8")
    (tmp_path / "convomem.toml").write_text(text.replace("Salesforce/ConvoMem", REPOSITORY), encoding="utf-8")
    chosen = ("--context-size", "1", "--context-size", "30", "--category", "user_evidence", "--evidence", "1")
    with start_command("download", "convomem", *chosen, datasets=tmp_path, hub=server) as command:
        said, errors = command.communicate(timeout=30)
    assert (command.returncode, errors) == (0, "")
    assert "2 files, " in said
    assert set(_data(tmp_path)) == {
        f"{MIXED}/user_evidence/1_evidence/batched_0{number}.json" for number in ("00", "30")
    }
    with start_command("download", "convomem", "--category", "user_evidence", datasets=tmp_path, hub=server) as command:
        said, errors = command.communicate(timeout=30)
    assert command.returncode == 2
    assert errors.startswith("python -m bench: convomem: 3 files with ")
    assert len(errors.splitlines()) == 1
