"""Manifests, finding and checking data files, fetching them over real HTTP, and the command line on top."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench.data
from bench.__main__ import main
from bench.data import Manifest, ManifestFile, find_file, human_size, manifest_names, read_manifest
from bench.download import download
from schema import ConfigurationError, DataError, DataMissingError, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4_000  # 1,024,000 bytes, several chunks


def _manifest(url: str = "http://127.0.0.1:9/x.bin", *, sha256: str = "", size: int = len(CONTENT)) -> Manifest:
    file = ManifestFile(
        path="tiny/x.bin",
        url=url,
        revision="r1",
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


def _silent(_: str) -> None:
    pass


# --- manifests ------------------------------------------------------------------------------------------------------


def test_the_manifest_of_locomo() -> None:
    manifest = read_manifest("locomo")
    (file,) = manifest.files
    assert (file.path, file.bytes, manifest.size) == ("locomo/locomo10.json", 2_805_274, "2.8 MB")
    assert file.revision in file.url
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
        ('sha256 = "79', 'sha256 = "XY', "files.0.sha256: String should match"),
        ("title", "titel", "title: Field required"),
        ("[[files]]", "[[files", "(at line"),
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


def test_a_broken_download_is_an_error_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, path = _manifest(), _lay(tmp_path, "tiny/x.bin", CONTENT[:-1])
    monkeypatch.setenv("MEMORYBENCH_UNVERIFIED", "1")
    with pytest.raises(DataError) as caught:
        find_file(manifest, manifest.files[0], None, folder=tmp_path)
    found = hashlib.sha256(CONTENT[:-1]).hexdigest()
    assert str(caught.value) == (
        f"{path}: wrong checksum: expected sha256 {manifest.files[0].sha256} (1,024,000 bytes), "
        f"found {found} (1,023,999 bytes). Delete it and run `python -m bench download tiny`."
    )


@pytest.mark.parametrize("value", ["", "0", "no"])
def test_a_differing_file_of_ones_own_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    manifest = _manifest()
    _lay(tmp_path, "x.bin", b"other")
    monkeypatch.setenv("MEMORYBENCH_UNVERIFIED", value)
    with pytest.raises(DataError, match=r"wrong checksum: expected .* found .*set MEMORYBENCH_UNVERIFIED=1"):
        find_file(manifest, manifest.files[0], str(tmp_path))


def test_a_differing_file_that_is_meant_to_be_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _manifest()
    _lay(tmp_path, "x.bin", b"other")
    monkeypatch.setenv("MEMORYBENCH_UNVERIFIED", "1")
    found = find_file(manifest, manifest.files[0], str(tmp_path))
    assert (found.verified, found.sha256) == (False, hashlib.sha256(b"other").hexdigest())
    assert found.notes[0].startswith("unverified data: x.bin is not the published file")


def test_an_unclear_permission_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _manifest()
    _lay(tmp_path, "x.bin", b"other")
    monkeypatch.setenv("MEMORYBENCH_UNVERIFIED", "maybe")
    with pytest.raises(ConfigurationError, match="MEMORYBENCH_UNVERIFIED='maybe'"):
        find_file(manifest, manifest.files[0], str(tmp_path))


# --- fetching -------------------------------------------------------------------------------------------------------


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, well or badly as the path says."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/short": CONTENT[:-7], "/long": CONTENT * 2, "/other": CONTENT[::-1]}.get(self.path, CONTENT)
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who gets more than was expected hangs up
            self.wfile.write(body[:300_000] if self.path in ("/cut", "/unsized") else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("page", ["/good", "/moved"])
def test_a_download_lands_in_place_and_says_its_licence_once(server: str, tmp_path: Path, page: str) -> None:
    lines: list[str] = []
    manifest = _manifest(server + page)
    (path,) = download(manifest, tmp_path, lines.append)
    assert path.read_bytes() == CONTENT
    assert find_file(manifest, manifest.files[0], None, folder=tmp_path).verified
    assert [entry.name for entry in path.parent.iterdir()] == ["x.bin"]
    assert sum("CC BY-NC 4.0, non-commercial use only" in line for line in lines) == 1
    assert all("\n" not in line and "\r" not in line for line in lines)


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path) -> None:
    path = _lay(tmp_path, "tiny/x.bin")
    lines: list[str] = []
    assert download(_manifest("http://127.0.0.1:9/nobody-listens"), tmp_path, lines.append) == [path]
    assert lines[-1] == f"{path} is already there, and its checksum is right."


def test_a_broken_file_is_replaced(server: str, tmp_path: Path) -> None:
    path = _lay(tmp_path, "tiny/x.bin", b"broken")
    download(_manifest(server + "/good"), tmp_path, _silent)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/other", "wrong checksum: expected sha256 .*, found "),
        ("/short", "got 1,023,993 of 1,024,000 bytes"),
        ("/cut", "after 300,000 bytes|after 262,144 bytes"),
        ("/unsized", "got 300,000 of 1,024,000 bytes"),
        ("/long", "got more than the expected 1,024,000 bytes"),
        ("/missing", "the server answered 404 Not Found"),
    ],
)
@pytest.mark.parametrize("before", [None, b"what was there before"])
def test_a_bad_download_leaves_nothing_bad_in_place(
    server: str, tmp_path: Path, page: str, message: str, before: bytes | None
) -> None:
    if before is not None:
        _lay(tmp_path, "tiny/x.bin", before)
    with pytest.raises(DataError, match=message) as caught:
        download(_manifest(server + page), tmp_path, _silent)
    assert server + page in str(caught.value)
    assert "Nothing was kept" in str(caught.value)
    assert "\n" not in str(caught.value)
    left = {entry.name: entry.read_bytes() for entry in (tmp_path / "tiny").iterdir()}
    assert left == ({} if before is None else {"x.bin": before})


def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/x\.bin: .*Nothing was kept; try again"):
        download(_manifest(), tmp_path, _silent)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    _lay(tmp_path, "tiny", b"a file where a folder should be")
    with pytest.raises(DataError, match=r"x\.bin cannot be written: .*1\.0 MB are needed"):
        download(_manifest(), tmp_path, _silent)


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(server: str, tmp_path: Path) -> None:
    # A limit on file size stands in for a full disk: both fail the write in the middle. It binds the child alone.
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)); "
        "from bench.__main__ import main; sys.exit(main())"
    )
    _write_manifest(tmp_path, server + "/good")
    done = _run(program, "download", "tiny", datasets=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "x.bin cannot be written: File too large (1.0 MB are needed in" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "tiny").iterdir()) == []


# --- the command line -----------------------------------------------------------------------------------------------


def _write_manifest(folder: Path, url: str) -> None:
    text = (ROOT / "datasets" / "locomo.toml").read_text(encoding="utf-8")
    head = text.split("[[files]]")[0].replace('name = "locomo"', 'name = "tiny"')
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = f'path = "tiny/x.bin"\nurl = "{url}"\nrevision = "r1"\nbytes = {len(CONTENT)}\nsha256 = "{digest}"\n'
    (folder / "tiny.toml").write_text(f"{head}[[files]]\n{file}", encoding="utf-8")


def _run(program: str, *arguments: str, datasets: Path) -> subprocess.CompletedProcess[str]:
    """A child process whose manifests and downloads are in `datasets`."""
    program = f"import pathlib, bench.data; bench.data.DATASETS = pathlib.Path({str(datasets)!r}); {program}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
        check=False,
    )


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of manifests that takes the place of the repository's."""
    monkeypatch.delenv("MEMORYBENCH_DATA", raising=False)
    monkeypatch.setattr(bench.data, "DATASETS", tmp_path)
    shutil.copy(ROOT / "datasets" / "locomo.toml", tmp_path)
    return tmp_path


def test_download_from_the_command_line(server: str, datasets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_manifest(datasets, server + "/good")
    assert main(["download", "tiny", "--to", str(datasets / "elsewhere")]) == 0
    assert (datasets / "elsewhere" / "tiny" / "x.bin").read_bytes() == CONTENT
    assert main(["download", "tiny"]) == 0
    assert (datasets / "tiny" / "x.bin").read_bytes() == CONTENT
    assert "non-commercial use only" in capsys.readouterr().out


def test_a_download_that_fails_is_one_line_and_status_1(
    server: str, datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_manifest(datasets, server + "/missing")
    assert main(["download", "tiny"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("python -m bench: ")
    assert "404" in errors[0]


@pytest.mark.usefixtures("datasets")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["download", "locmo"], "Did you mean 'locomo'?"),
        (["describe", "locmo"], "Did you mean 'locomo'?"),
        (["describe"], "NAME"),
        (["fetch"], "invalid choice: 'fetch'"),
        ([], "COMMAND"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as leaving:  # argparse leaves by itself
        status = leaving.code
    errors = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.usefixtures("datasets")
def test_list_without_data_says_what_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("locomo "))
    assert row[:5] == ["locomo", "missing", "-", "2.8", "MB"]
    assert "`python -m bench download locomo`" in out


@pytest.mark.usefixtures("datasets")
def test_describe_without_data_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "locomo"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "`python -m bench download locomo`" in errors[0]


def test_list_and_describe_with_data(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMORYBENCH_DATA", str(data_folder))
    assert main(["list"]) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("locomo "))
    assert row[:5] == ["locomo", "here", "1,986", "2.8", "MB"]
    assert main(["describe", "locomo"]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    for expected in (
        ["questions", "1,986"],
        ["multi-hop", "282"],
        ["adversarial", "446"],
        ["haystacks", "10"],
        ["sessions", "272"],
        ["messages", "5,882"],
        ["licence", "CC", "BY-NC", "4.0"],
    ):
        assert expected in words
