"""Fetching published files over real HTTP: resumed or refused, never a bad file in place."""

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
from file_server import CONTENT, FileServer, Page, serve_files, start_command, wait_until, write_manifest
from tenacity import wait_none

import bench.web
from bench.data import Manifest, ManifestFile
from bench.download import download
from schema import DataError

SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHANGED = CONTENT[::-1]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as server:
        yield server


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.web, "_backoff", wait_none())


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is cut ends the command."""
    monkeypatch.setattr(bench.web, "ATTEMPTS", 0)


def _manifest(url: str, *, size: int = len(CONTENT)) -> Manifest:
    return Manifest(
        name="tiny",
        title="A tiny data set",
        homepage="http://127.0.0.1/",
        licence="CC BY-NC 4.0",
        licence_note="non-commercial use only",
        citation="@misc{tiny}",
        files=(ManifestFile(path="tiny/x.bin", url=url, revision="r1", bytes=size, sha256=SHA256),),
    )


def _fetch(server: FileServer, folder: Path, page: Page | None = None) -> list[str]:
    """Download ``/x.bin`` into `folder`; what was said."""
    if page:
        server.pages["/x.bin"] = page
    lines: list[str] = []
    download(_manifest(f"{server.address}/x.bin"), folder, lines.append)
    assert all("\n" not in line and "\r" not in line for line in lines)
    return lines


def _refuse(server: FileServer, folder: Path, page: Page | None = None) -> str:
    with pytest.raises(DataError) as caught:
        _fetch(server, folder, page)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _there(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tiny").iterdir()}


def _lay(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "tiny" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# --- all goes well --------------------------------------------------------------------------------------------------


def test_a_download_lands_in_place_and_says_its_licence_once(server: FileServer, tmp_path: Path) -> None:
    server.pages["/moved"] = Page()
    lines = _fetch(server, tmp_path, Page(moved_to="/moved"))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [number for number, line in enumerate(lines) if "CC BY-NC 4.0, non-commercial use only" in line] == [1]


def test_what_is_there_and_right_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    path = _lay(tmp_path, "x.bin", CONTENT)
    assert _fetch(server, tmp_path)[-1] == f"{path} is already there, and its checksum is right."
    assert server.requests == []


@pytest.mark.parametrize("broken", [b"broken", CHANGED])
def test_a_broken_file_is_replaced(server: FileServer, tmp_path: Path, broken: bytes) -> None:
    _lay(tmp_path, "x.bin", broken)
    _fetch(server, tmp_path, Page())
    assert _there(tmp_path) == {"x.bin": CONTENT}


def test_of_several_files_all_or_one_are_fetched(server: FileServer, tmp_path: Path) -> None:
    server.pages |= {"/a": Page(), "/b": Page()}
    one, other = (_manifest(f"{server.address}/{name}").files[0] for name in "ab")
    both = (one, other.model_copy(update={"path": "tiny/y.bin"}))
    manifest = _manifest(f"{server.address}/a").model_copy(update={"files": both})
    download(manifest, tmp_path, lambda _: None, files=both[1:])
    assert _there(tmp_path) == {"y.bin": CONTENT}
    lines: list[str] = []
    download(manifest, tmp_path, lines.append)
    assert _there(tmp_path) == {"x.bin": CONTENT, "y.bin": CONTENT}
    assert lines[2] == "2 files, 2.0 MB in all"
    assert [request.path for request in server.requests] == ["/b", "/a"]


# --- what is not the published file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Page(CHANGED), f"wrong checksum: expected sha256 {SHA256}, found {hashlib.sha256(CHANGED).hexdigest()}"),
        (Page(CONTENT * 2), "got more than the expected 1,024,000 bytes"),
        (Page(CONTENT * 2, sized=False), "got more than the expected 1,024,000 bytes"),
    ],
)
@pytest.mark.parametrize("before", [None, b"what was there before"])
def test_another_file_is_refused_and_not_kept(
    server: FileServer, tmp_path: Path, page: Page, message: str, before: bytes | None
) -> None:
    if before is not None:
        _lay(tmp_path, "x.bin", before)
    error = _refuse(server, tmp_path, page)
    assert f"{server.address}/x.bin: {message}" in error
    assert "Nothing was kept" in error
    assert _there(tmp_path) == ({} if before is None else {"x.bin": before})


def test_a_page_that_is_not_there_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    assert "the server answered 404 Not Found (after 0 of 1,024,000 bytes)" in _refuse(server, tmp_path)
    assert len(server.requests) == 1
    assert _there(tmp_path) == {}


# --- what may pass --------------------------------------------------------------------------------------------------


def test_a_cut_connection_is_taken_up_where_it_was_cut(server: FileServer, tmp_path: Path) -> None:
    lines = _fetch(server, tmp_path, Page(cuts=[300_000, 0, 0, 0, 400_000, 0, 0, 0, 0]))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    asked = ["bytes=300000-"] * 4 + ["bytes=700000-"] * 5
    assert [request.range for request in server.requests] == [None, *asked], "a connection that gives bytes is no fault"
    assert {request.if_range for request in server.requests[1:]} == {'"first"'}
    assert sum(request.sent for request in server.requests) == len(CONTENT)
    assert sum("trying again" in line for line in lines) == 9


def test_a_connection_without_a_length_that_ends_early_is_taken_up(server: FileServer, tmp_path: Path) -> None:
    _fetch(server, tmp_path, Page(sized=False, cuts=[300_000]))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [request.range for request in server.requests] == [None, "bytes=300000-"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(server: FileServer, tmp_path: Path, status: int) -> None:
    _fetch(server, tmp_path, Page(failures=[(status, {})] * 4))
    assert _there(tmp_path) == {"x.bin": CONTENT}


def test_a_server_that_stays_busy_is_left_after_five_attempts(server: FileServer, tmp_path: Path) -> None:
    error = _refuse(server, tmp_path, Page(failures=[(503, {})] * 9))
    assert "the server answered 503 Service Unavailable (after 0 of 1,024,000 bytes). Nothing has come" in error
    assert len(server.requests) == 5


def test_a_server_is_left_alone_as_long_as_it_asks(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    date = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    dated = {**date, "Retry-After": "Sun, 06 Nov 1994 08:49:59 GMT"}
    _fetch(
        server,
        tmp_path,
        Page(failures=[(429, {"Retry-After": "7"}), (429, {"Retry-After": "9999"}), (503, {"Retry-After": "soon"})]),
    )
    assert slept == [7, 300, 0]
    error = bench.web._retry_after(_status_error(dated))
    assert error == 22


def _status_error(headers: dict[str, str]) -> Exception:
    import httpx

    request = httpx.Request("GET", "http://127.0.0.1/")
    return httpx.HTTPStatusError("busy", request=request, response=httpx.Response(503, headers=headers))


def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/x\.bin: .*Nothing has come; try again\.$"):
        download(_manifest("http://127.0.0.1:9/x.bin"), tmp_path, lambda _: None)


# --- going on later -------------------------------------------------------------------------------------------------


def test_a_short_file_is_kept_and_the_next_command_goes_on(server: FileServer, tmp_path: Path) -> None:
    error = _refuse(server, tmp_path, Page(CONTENT[:-7]))
    assert "got 1,023,993 of 1,024,000 bytes. What has come is kept: the same command goes on from there." in error
    assert set(_there(tmp_path)) == {".x.bin.part", ".x.bin.part.source"}
    _fetch(server, tmp_path, Page())
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [(request.range, request.sent) for request in server.requests] == [
        (None, 1_023_993),
        ("bytes=1023993-", 7),
    ]


def test_a_file_that_stays_short_is_refused(server: FileServer, tmp_path: Path) -> None:
    _refuse(server, tmp_path, Page(CONTENT[:-7]))
    assert "no more than 1,023,993 of 1,024,000 bytes" in _refuse(server, tmp_path)
    assert _there(tmp_path) == {}


@pytest.mark.usefixtures("one_attempt")
def test_a_server_without_range_gives_it_from_the_beginning(server: FileServer, tmp_path: Path) -> None:
    page = Page(ranges=False, cuts=[300_000])
    assert "after 300,000 of 1,024,000 bytes). What has come is kept" in _refuse(server, tmp_path, page)
    assert any("from the beginning" in line for line in _fetch(server, tmp_path))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [(request.range, request.status) for request in server.requests] == [(None, 200), ("bytes=300000-", 200)]


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("weak", ["", "W/"])
def test_a_file_that_was_changed_in_between_is_fetched_from_the_beginning(
    server: FileServer, tmp_path: Path, heeds: bool, weak: str
) -> None:
    _refuse(server, tmp_path, Page(CHANGED, etag=f'{weak}"wrong"', cuts=[300_000]))
    _fetch(server, tmp_path, Page(etag=f'{weak}"right"', heeds_if_range=heeds))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    asked = [(request.range, request.if_range, request.status) for request in server.requests[1:]]
    if heeds and not weak:
        assert asked == [("bytes=300000-", '"wrong"', 200)]
    else:  # the ETag of the answer tells, also where the server does not compare, or a weak one must not be sent
        assert asked == [("bytes=300000-", None if weak else '"wrong"', 206), (None, None, 200)]


@pytest.mark.usefixtures("one_attempt")
def test_without_an_etag_the_checksum_decides(server: FileServer, tmp_path: Path) -> None:
    _refuse(server, tmp_path, Page(etag=None, cuts=[300_000]))
    _fetch(server, tmp_path, Page(etag=None))
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [request.if_range for request in server.requests] == [None, None]
    (tmp_path / "tiny" / "x.bin").unlink()
    _refuse(server, tmp_path, Page(CHANGED, etag=None, cuts=[300_000]))
    assert "wrong checksum" in _refuse(server, tmp_path, Page(etag=None))
    assert _there(tmp_path) == {}
    _fetch(server, tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("source", [None, b"", b"[]", b"{", b'{"url": "http://127.0.0.1/other", "etag": ""}'])
def test_a_beginning_that_nobody_knows_is_not_gone_on_from(
    server: FileServer, tmp_path: Path, source: bytes | None
) -> None:
    _lay(tmp_path, ".x.bin.part", CONTENT[:300_000])
    if source is not None:
        _lay(tmp_path, ".x.bin.part.source", source)
    _fetch(server, tmp_path, Page())
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [request.range for request in server.requests] == [None]


def test_a_beginning_that_was_damaged_is_found_out(server: FileServer, tmp_path: Path) -> None:
    _refuse(server, tmp_path, Page(CONTENT[:-7]))
    part = tmp_path / "tiny" / ".x.bin.part"
    part.write_bytes(b"?" + part.read_bytes()[1:])
    assert "wrong checksum" in _refuse(server, tmp_path, Page())
    assert _there(tmp_path) == {}


@pytest.mark.parametrize("content", [CONTENT, CHANGED, CONTENT + b"?"])
def test_a_beginning_that_is_all_of_it_needs_no_server_if_it_is_right(
    server: FileServer, tmp_path: Path, content: bytes
) -> None:
    """A process that was killed just before it could put the file in place."""
    _lay(tmp_path, ".x.bin.part", content)
    _fetch(server, tmp_path, Page())
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert len(server.requests) == (0 if content == CONTENT else 1)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_was_killed_goes_on_where_it_was(
    server: FileServer, tmp_path: Path, blow: signal.Signals
) -> None:
    server.pages["/x.bin"] = page = Page(holds_after=600_000)
    write_manifest(tmp_path, ("x", f"{server.address}/x.bin"))
    part = tmp_path / "tiny" / ".x.bin.part"
    with start_command("download", "tiny", datasets=tmp_path) as first:
        wait_until(lambda: _size(part) == 600_000, "600,000 bytes are on the disk")
        first.send_signal(blow)
        _, errors = first.communicate(timeout=30)
    page.released.set()
    if blow == signal.SIGINT:
        assert first.returncode == 1
        assert errors == ("python -m bench: interrupted; what has come is kept: the same command goes on from there\n")
    assert set(_there(tmp_path)) == {".x.bin.part", ".x.bin.part.source"}
    with start_command("download", "tiny", datasets=tmp_path) as second:
        said, errors = second.communicate(timeout=30)
    assert second.returncode == 0, errors
    assert "going on after 600,000 bytes" in said
    assert _there(tmp_path) == {"x.bin": CONTENT}
    asked = [(request.range, request.if_range, request.sent) for request in server.requests[1:]]
    assert asked == [("bytes=600000-", '"first"', 424_000)]


# --- two at once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [False, True])
def test_two_commands_fetch_a_file_once(server: FileServer, tmp_path: Path, killed: bool) -> None:
    server.pages["/x.bin"] = page = Page(holds_after=600_000)
    write_manifest(tmp_path, ("x", f"{server.address}/x.bin"))
    part, waits = tmp_path / "tiny" / ".x.bin.part", "another process is fetching it"
    with (
        (tmp_path / "first").open("w") as first_says,
        (tmp_path / "second").open("w") as second_says,
        start_command("download", "tiny", datasets=tmp_path, stdout=first_says) as first,
    ):
        wait_until(lambda: _size(part) == 600_000, "the first is under way")
        with start_command("download", "tiny", datasets=tmp_path, stdout=second_says) as second:
            wait_until(lambda: waits in (tmp_path / "second").read_text(), "the second says that it waits")
            if killed:
                first.kill()
                wait_until(lambda: len(server.requests) == 2, "the second goes on")
            page.released.set()
            _, errors = second.communicate(timeout=30)
    assert second.returncode == 0, errors
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert [request.range for request in server.requests] == [None, *(["bytes=600000-"] if killed else [])]


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_one_line(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(b"a file where a folder should be")
    error = _refuse(server, tmp_path, Page())
    assert f"x.bin cannot be written: File exists (1.0 MB are needed in {tmp_path / 'tiny'})." in error


def test_a_file_that_cannot_fit_is_not_begun(server: FileServer, tmp_path: Path) -> None:
    manifest = _manifest(f"{server.address}/x.bin", size=10**17)
    with pytest.raises(DataError, match=r"100000000\.0 GB are still to be fetched, but only .* are free there"):
        download(manifest, tmp_path / "new" / "folder", lambda _: None)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_one_line_and_room_is_all_that_it_takes(server: FileServer, tmp_path: Path) -> None:
    # A limit on file size stands in for a full disk: both fail the write in the middle. It binds the child alone.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    server.pages["/x.bin"] = Page()
    write_manifest(tmp_path, ("x", f"{server.address}/x.bin"))
    with start_command("download", "tiny", datasets=tmp_path, first=limit) as command:
        _, errors = command.communicate(timeout=30)
    assert command.returncode == 1, errors
    assert "x.bin cannot be written: File too large (1.0 MB are needed in" in errors
    assert "What has come is kept: the same command goes on from there." in errors
    assert len(errors.splitlines()) == 1
    assert len(_there(tmp_path)[".x.bin.part"]) == 500_000
    _fetch_tiny(tmp_path)
    assert _there(tmp_path) == {"x.bin": CONTENT}
    assert server.requests[1].range == "bytes=500000-"


def _fetch_tiny(datasets: Path) -> None:
    with start_command("download", "tiny", datasets=datasets) as command:
        _, errors = command.communicate(timeout=30)
    assert command.returncode == 0, errors


# --- progress -------------------------------------------------------------------------------------------------------


def test_a_terminal_sees_a_bar(server: FileServer, tmp_path: Path) -> None:
    server.pages["/x.bin"] = Page(cuts=[300_000])
    write_manifest(tmp_path, ("x", f"{server.address}/x.bin"))
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with start_command("download", "x", datasets=tmp_path, stderr=its) as command:
        os.close(its)
        said, _ = command.communicate(timeout=30)
    shown = ""
    with contextlib.suppress(OSError):  # how a terminal says that everybody left it
        while True:
            shown += os.read(ours, 100_000).decode()
    os.close(ours)
    assert command.returncode == 0, shown
    assert "x:" in shown
    assert "100%" in shown
    assert "1.02M/1.02M" in shown
    assert "\r" not in said
    assert "is in place, and its checksum is right." in said


def test_a_file_sees_a_line_now_and_then(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("bench.progress.time.monotonic", lambda: float(next(clock)))
    lines = [line for line in _fetch(server, tmp_path, Page()) if line.startswith("tiny: ")]
    assert 5 <= len(lines) <= 10
    assert lines[-1] == "tiny: 1.0 MB of 1.0 MB"
