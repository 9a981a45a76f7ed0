"""Fetching published files over real HTTP: continued or refused, never a bad file in place."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.data.download import download
from bench.data.manifests import Manifest, ManifestFile
from tests.bench.data.file_server import (
    BLOCK_BYTES,
    CONTENT,
    HUB_FOLDER,
    FileServer,
    Page,
    serve_hub,
    start_command,
    wait_until,
    write_manifest,
)
from vocabulary import DataError

SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHANGED = CONTENT[::-1]
ON_HUB = f"{HUB_FOLDER}/x.bin"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serve_hub(monkeypatch) as server:
        yield server


@pytest.fixture(params=["hub", "url"])
def page(request: pytest.FixtureRequest, server: FileServer) -> Page:
    """``x.bin``, on the hub or at an address of its own."""
    page = Page()
    (server.hub if request.param == "hub" else server.pages)["x.bin" if request.param == "hub" else "/x.bin"] = page
    return page


def _manifest(server: FileServer, *, size: int = len(CONTENT)) -> Manifest:
    url = ON_HUB if server.hub else f"{server.address}/x.bin"
    return Manifest(
        name="tiny",
        title="A tiny data set",
        homepage="http://127.0.0.1/",
        licence="CC BY-NC 4.0",
        licence_note="non-commercial use only",
        citation="@misc{tiny}",
        files=(ManifestFile(path="tiny/x.bin", url=url, bytes=size, sha256=SHA256),),
    )


def _fetch(server: FileServer, folder: Path) -> list[str]:
    """Download ``x.bin`` into `folder`; what was said."""
    lines: list[str] = []
    download(_manifest(server), folder, lines.append)
    assert all("\n" not in line and "\r" not in line for line in lines)
    return lines


def _refuse(server: FileServer, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        _fetch(server, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _there(folder: Path) -> dict[str, bytes]:
    """What a download has put into `folder`."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".toml", ".txt")]
    return {path.name: path.read_bytes() for path in files}


def _lay(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "tiny" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# --- all goes well --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("page")
def test_a_download_lands_in_place_and_says_its_licence_and_size_first(server: FileServer, tmp_path: Path) -> None:
    lines = _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [number for number, line in enumerate(lines) if "CC BY-NC 4.0, non-commercial use only" in line] == [1]
    assert "tiny/x.bin, 1.0 MB" in lines[2]


def test_an_address_may_have_moved(server: FileServer, tmp_path: Path) -> None:
    server.pages |= {"/x.bin": Page(moved_to="/moved"), "/moved": Page()}
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


@pytest.mark.usefixtures("page")
def test_what_is_there_and_right_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    path = _lay(tmp_path, "x.bin", CONTENT)
    path.parent.chmod(0o555)
    assert "Already there, with the right checksums: 1 of them" in _fetch(server, tmp_path)
    path.parent.chmod(0o755)
    assert server.requests == []


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("broken", [b"broken", CHANGED])
def test_a_broken_file_is_replaced(server: FileServer, tmp_path: Path, broken: bytes) -> None:
    _lay(tmp_path, "x.bin", broken)
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


def test_of_several_files_all_or_one_are_fetched(server: FileServer, tmp_path: Path) -> None:
    server.hub |= {"x.bin": Page(), "y.bin": Page()}
    one = _manifest(server).files[0]
    both = (one, one.model_copy(update={"path": "tiny/y.bin", "url": f"{HUB_FOLDER}/y.bin"}))
    manifest = _manifest(server).model_copy(update={"files": both})
    download(manifest, tmp_path, lambda _: None, files=both[1:])
    assert _there(tmp_path) == {"y.bin": CONTENT}
    lines: list[str] = []
    download(manifest, tmp_path, lines.append)
    assert _there(tmp_path) == {"x.bin": CONTENT, "y.bin": CONTENT}
    assert lines[2] == "2 files, 2.0 MB in all"
    assert {path for path, _ in server.transfers[-6:]} == {"x.bin"}


# --- what is not the published file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [CHANGED, CONTENT * 2, CONTENT[:-7]])
@pytest.mark.parametrize("before", [None, b"what was there before"])
def test_another_file_is_refused_and_not_kept(
    server: FileServer, page: Page, tmp_path: Path, content: bytes, before: bytes | None
) -> None:
    page.content = content
    if before is not None:
        _lay(tmp_path, "x.bin", before)
    error = _refuse(server, tmp_path)
    assert f"x.bin: not the published file: expected sha256 {SHA256} (1,024,000 bytes), found " in error
    assert f"{hashlib.sha256(content).hexdigest()} ({len(content):,} bytes). Nothing was kept." in error
    assert _there(tmp_path) == ({} if before is None else {"x.bin": before})


def test_a_page_that_is_not_there_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    assert "/x.bin: the server answered 404 Not Found. Nothing has come; try again." in _refuse(server, tmp_path)
    assert len(server.requests) == 1
    assert _there(tmp_path) == {}


def test_a_file_that_the_hub_does_not_have_is_one_line(server: FileServer, tmp_path: Path) -> None:
    server.hub["other.bin"] = Page()
    assert f"{ON_HUB}: not found: datasets/somebody/talks@" in _refuse(server, tmp_path)
    assert _there(tmp_path) == {}


# --- what may pass --------------------------------------------------------------------------------------------------


def test_a_cut_connection_is_taken_up(server: FileServer, page: Page, tmp_path: Path) -> None:
    page.cuts = [100_000, 0, 150_000]
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(server: FileServer, page: Page, tmp_path: Path, status: int) -> None:
    page.failures = [status] * 4
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


def test_a_server_that_stays_busy_is_left(server: FileServer, page: Page, tmp_path: Path) -> None:
    page.failures = [503] * 9
    assert "x.bin: the server answered 503 Service Unavailable. Nothing has come; try again." in _refuse(
        server, tmp_path
    )
    assert _there(tmp_path) == {}


def test_nobody_listening_is_one_line(server: FileServer, page: Page, tmp_path: Path) -> None:
    del page
    server.server_close()
    assert "x.bin: " in (error := _refuse(server, tmp_path))
    assert error.endswith(". Nothing has come; try again.")


# --- going on later -------------------------------------------------------------------------------------------------


def test_what_has_come_is_kept_and_the_next_command_goes_on(server: FileServer, tmp_path: Path) -> None:
    server.hub["x.bin"] = page = Page(cuts=[BLOCK_BYTES] + [0] * 99)
    assert "What has come is kept: the same command goes on from there." in _refuse(server, tmp_path)
    assert set(_there(tmp_path)) == {".x.bin.part"}
    page.cuts.clear()
    server.requests.clear()
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert server.transfers[0][1] == f"bytes={BLOCK_BYTES}-{2 * BLOCK_BYTES - 1}"


@pytest.mark.usefixtures("page")
def test_a_beginning_that_was_damaged_is_found_out(server: FileServer, tmp_path: Path) -> None:
    _lay(tmp_path, ".x.bin.part", b"?" * 1000)
    if server.hub:
        assert "not the published file" in _refuse(server, tmp_path)
        assert _there(tmp_path) == {}
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


@pytest.mark.long
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_was_killed_goes_on_where_it_was(
    server: FileServer, tmp_path: Path, blow: signal.Signals
) -> None:
    server.hub["x.bin"] = page = Page(holds_at=600_000)
    write_manifest(tmp_path, ("x", ON_HUB))
    part = tmp_path / "tiny" / ".x.bin.part"
    with start_command("download", "tiny", datasets=tmp_path, hub=server) as first:
        wait_until(lambda: _size(part) == 600_000, "600,000 bytes are on the disk")
        first.send_signal(blow)
        _, errors = first.communicate(timeout=30)
    page.released.set()
    if blow == signal.SIGINT:
        assert first.returncode == 1
        assert errors == ("python -m bench: interrupted; what has come is kept: the same command goes on from there\n")
    assert "x.bin" not in _there(tmp_path)
    server.requests.clear()
    with start_command("download", "tiny", datasets=tmp_path, hub=server) as second:
        _, errors = second.communicate(timeout=30)
    assert second.returncode == 0, errors
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [held for _, held in server.transfers] == [
        f"bytes={first}-{first + BLOCK_BYTES - 1}" for first in (600_000, 800_000, 1_000_000)
    ]


# --- two at once ----------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("killed", [False, True])
def test_two_commands_fetch_a_file_once(server: FileServer, tmp_path: Path, killed: bool) -> None:
    server.hub["x.bin"] = page = Page(holds_at=600_000)
    write_manifest(tmp_path, ("x", ON_HUB))
    part, waits = tmp_path / "tiny" / ".x.bin.part", "another process is downloading tiny"
    with (
        (tmp_path / "second.txt").open("w") as second_says,
        start_command("download", "tiny", datasets=tmp_path, hub=server) as first,
    ):
        wait_until(lambda: _size(part) == 600_000, "the first is under way")
        with start_command("download", "x", datasets=tmp_path, hub=server, stdout=second_says) as second:
            wait_until(lambda: waits in (tmp_path / "second.txt").read_text(), "the second says that it waits")
            if killed:
                first.kill()
                wait_until(lambda: len(server.transfers) == 5, "the second goes on")
            page.released.set()
            _, errors = second.communicate(timeout=30)
    assert second.returncode == 0, errors
    assert _there(tmp_path) == {"x.bin": CONTENT}
    asked = [held for _, held in server.transfers]
    assert len(set(asked)) == 6
    assert len(asked) == (7 if killed else 6), "what was under way as the first was killed"


# --- the disk -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("page")
def test_a_folder_that_cannot_be_made_is_one_line(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(b"a file where a folder should be")
    assert "x.bin cannot be written: File exists." in _refuse(server, tmp_path)


def test_a_file_that_cannot_fit_is_not_begun(server: FileServer, tmp_path: Path) -> None:
    manifest = _manifest(server, size=10**17)
    with pytest.raises(DataError, match=r"100000000\.0 GB are still to be fetched, but only .* are free there"):
        download(manifest, tmp_path / "new" / "folder", lambda _: None)
    assert server.requests == []
    assert _there(tmp_path) == {}


def test_a_disk_that_is_full_is_one_line_and_room_is_all_that_it_takes(server: FileServer, tmp_path: Path) -> None:
    # A limit on file size stands in for a full disk: both fail the write in the middle. It binds the child alone.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    server.hub["x.bin"] = Page()
    write_manifest(tmp_path, ("x", ON_HUB))
    with start_command("download", "tiny", datasets=tmp_path, hub=server, first=limit) as command:
        _, errors = command.communicate(timeout=30)
    assert command.returncode == 1, errors
    assert "x.bin cannot be written: File too large. What has come is kept: the same command goes on" in errors
    assert len(errors.splitlines()) == 1
    assert list(_there(tmp_path)) == [".x.bin.part"]
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


# --- progress -------------------------------------------------------------------------------------------------------


def test_a_terminal_sees_a_bar(server: FileServer, tmp_path: Path) -> None:
    server.hub["x.bin"] = Page()
    write_manifest(tmp_path, ("x", ON_HUB))
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with start_command("download", "x", datasets=tmp_path, hub=server, stderr=its) as command:
        os.close(its)
        said, _ = command.communicate(timeout=30)
    shown = ""
    with contextlib.suppress(OSError):  # how a terminal says that everybody left it
        while True:
            shown += os.read(ours, 100_000).decode()
    os.close(ours)
    assert command.returncode == 0, shown
    assert "100%" in shown
    assert "1.02M/1.02M" in shown
    assert "\r" not in said
    assert "In place, with the right checksums" in said
