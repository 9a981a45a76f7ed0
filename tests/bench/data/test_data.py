"""Manifests, and finding and checking data files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bench.data.manifests import (
    Manifest,
    ManifestFile,
    find_download,
    find_file,
    human_size,
    manifest_names,
    read_manifest,
)
from tests.bench.data.file_server import CONTENT
from tests.repository import ROOT
from vocabulary import DataError, DataMissingError, UnknownNameError


def _manifest(url: str = "http://127.0.0.1:9/x.bin", *, sha256: str = "", size: int = len(CONTENT)) -> Manifest:
    file = ManifestFile(
        path="tiny/x.bin",
        url=url,
        bytes=size,
        sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
    )
    return Manifest(
        name="tiny",
        title="A tiny data set",
        homepage="http://127.0.0.1/",
        licence="CC BY-NC 4.0",
        licence_note="non-commercial use only",
        citation="@misc{tiny}",
        files=(file,),
    )


def _lay(folder: Path, name: str, content: bytes = CONTENT) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- manifests ------------------------------------------------------------------------------------------------------


def test_the_manifest_of_locomo() -> None:
    manifest = read_manifest("locomo")
    (file,) = manifest.files
    assert (file.path, file.bytes) == ("locomo/locomo10.json", 2_805_274)
    assert "/3eb6f2c585f5e1699204e3c3bdf7adc5c28cb376/" in file.url
    assert manifest.terms == "CC BY-NC 4.0, non-commercial use only"
    assert manifest.citation.startswith("@inproceedings{")


@pytest.mark.parametrize("name", manifest_names())
def test_every_manifest_can_be_read_and_bears_its_own_name(name: str) -> None:
    assert read_manifest(name).name == name


def test_an_unknown_manifest_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown data set 'locmo'. Did you mean 'locomo'\?"):
        read_manifest("locmo")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bytes = 2805274", "bytes = 0", "files.0.bytes: Input should be greater than 0"),
        ('path = "locomo/', 'path = "../', "files.0.path: Value error, must be relative"),
        (
            '"https://raw.githubusercontent.com/snap-research/locomo/',
            '"hf://datasets/a/b@main/',
            "files.0.url: String should",
        ),
        ('sha256 = "79', 'sha256 = "XY', "files.0.sha256: String should match"),
        ("title", "titel", "title: Field required"),
        ("[[files]]", "[[files", "(at line"),
        ("[[files]]", "[[listing]]", "listing: Input should be"),
    ],
)
def test_a_faulty_manifest_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "datasets" / "locomo.toml").read_text(encoding="utf-8")
    (tmp_path / "bad.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_manifest("bad", tmp_path)
    assert message in str(caught.value)
    assert "bad.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_listing_is_pinned_and_stands_alone(tmp_path: Path) -> None:
    text = (ROOT / "datasets" / "convomem.toml").read_text(encoding="utf-8")
    for old, new, message in (
        ("e3e9b39115b02346824c70d349350de738f8be41", "main", "listing.revision: String should match"),
        ("[listing]", "files = []\nx = 1", "Extra inputs|listing"),
        ('name = "convomem"', "", "name: Field required"),
    ):
        (tmp_path / "bad.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_manifest("bad", tmp_path)
    head = text.split("[listing]")[0]
    (tmp_path / "bad.toml").write_text(head, encoding="utf-8")
    with pytest.raises(DataError, match=r"the whole: Value error, a manifest has either files or a listing"):
        read_manifest("bad", tmp_path)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (277_383_467, "277.4 MB"),
        (2_737_100_077, "2.7 GB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


# --- finding and checking -------------------------------------------------------------------------------------------


def test_a_missing_file_says_what_gets_it_its_size_and_its_licence(tmp_path: Path) -> None:
    manifest = _manifest()
    with pytest.raises(DataMissingError) as caught:
        find_file(manifest, manifest.files[0], None, folder=tmp_path)
    text = str(caught.value)
    for part in (
        "`python -m bench download tiny`",
        "1.0 MB",
        "CC BY-NC 4.0, non-commercial use only",
        "MEMORYBENCH_DATA",
        str(tmp_path / "tiny" / "x.bin"),
    ):
        assert part in text
    assert "\n" not in text


def test_a_folder_of_ones_own_without_the_file_is_named(tmp_path: Path) -> None:
    manifest, own, repository = _manifest(), tmp_path / "my data", tmp_path / "datasets"
    _lay(repository, "tiny/x.bin")  # not asked: the folder was given on purpose
    with pytest.raises(DataMissingError) as caught:
        find_file(manifest, manifest.files[0], str(own), folder=repository)
    assert f"MEMORYBENCH_DATA is {own}" in str(caught.value)
    assert f"`python -m bench download tiny --to '{own}'`" in str(caught.value)


@pytest.mark.parametrize("name", ["tiny/x.bin", "x.bin"])
def test_a_folder_of_ones_own_may_be_flat(tmp_path: Path, name: str) -> None:
    manifest, path = _manifest(), _lay(tmp_path, name)
    found = find_file(manifest, manifest.files[0], str(tmp_path))
    assert (found.path, found.sha256, found.verified) == (path, manifest.files[0].sha256, True)
    assert found.notes == ()


def test_a_broken_download_is_an_error(tmp_path: Path) -> None:
    manifest, path = _manifest(), _lay(tmp_path, "tiny/x.bin", CONTENT[:-1])
    with pytest.raises(DataError) as caught:
        find_file(manifest, manifest.files[0], None, folder=tmp_path)
    found = hashlib.sha256(CONTENT[:-1]).hexdigest()
    assert str(caught.value) == (
        f"{path}: wrong checksum: expected sha256 {manifest.files[0].sha256} (1,024,000 bytes), "
        f"found {found} (1,023,999 bytes). Delete it and run `python -m bench download tiny`."
    )


def test_a_differing_file_of_ones_own_is_marked(tmp_path: Path) -> None:
    manifest = _manifest()
    _lay(tmp_path, "x.bin", b"other")
    found = find_file(manifest, manifest.files[0], str(tmp_path))
    assert (found.verified, found.sha256) == (False, hashlib.sha256(b"other").hexdigest())
    (note,) = found.notes
    assert note.startswith("unverified data: x.bin is not the published file, so its numbers compare with no others")
    assert manifest.files[0].sha256 in note
    assert found.sha256 in note


# --- what a name on the command line asks for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "manifest", "asked"),
    [
        ("locomo", "locomo", None),
        ("longmemeval", "longmemeval", None),
        ("longmemeval_s", "longmemeval", "longmemeval_s"),
        ("convomem", "convomem", "convomem"),
        ("convomem_evidence", "convomem", "convomem_evidence"),
    ],
)
def test_a_download_is_a_manifest_or_what_it_names(name: str, manifest: str, asked: str | None) -> None:
    found, part = find_download(name)
    assert found.name == manifest
    assert (part.name if part else None) == asked


def test_an_unknown_download_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'longmemeval_s'\?.*convomem_evidence"):
        find_download("longmemeval_ss")
