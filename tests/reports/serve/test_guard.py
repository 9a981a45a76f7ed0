"""Who is let in: this machine without a token, bearers of the token else, and no other web page; what pages may do."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reports.__main__ import main
from reports.serve.guard import TOKEN
from tests.processes import PIPE, STDOUT, Process
from tests.reports.serve.conftest import TOKEN_OF_TESTS, Site, serving


@pytest.fixture(scope="module")
def guarded(runs: Path) -> Iterator[Site]:
    with serving(runs, TOKEN_OF_TESTS) as site:
        yield site


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:6181", 200),
        ("127.0.0.1", 200),
        ("[::1]:6181", 200),
        ("rebound.example", 403),
        ("127.0.0.1.rebound.example:80", 403),
        ("localhost.", 403),
        ("192.0.2.7:6181", 403),
        ("", 403),
    ],
)
def test_without_a_token_only_an_address_of_this_machine_is_served(site: Site, host: str, status: int) -> None:
    assert site.get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("origin", ["http://page.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_is_refused(site: Site, guarded: Site, origin: str) -> None:
    assert site.get("/", headers={"Origin": origin}).status_code == 403
    headers = {"Origin": origin, "Authorization": f"Bearer {TOKEN_OF_TESTS}"}
    assert guarded.get("/", headers=headers).status_code == 403
    assert site.get("/", headers={"Origin": site.url}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_the_site_can_only_be_read(site: Site, method: str) -> None:
    answer = httpx.request(method, site.url + "/runs/first", timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_link_signs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(guarded: Site) -> None:
    with httpx.Client(base_url=guarded.url, timeout=60) as browser:
        assert browser.get("/").status_code == 401
        signed_in = browser.get("/", params={"token": TOKEN_OF_TESTS})
        cookie = signed_in.headers["set-cookie"]
        assert signed_in.status_code == 200
        assert 'http-equiv="refresh" content="0;url=/"' in signed_in.text
        assert re.search(r"HttpOnly; Path=/; SameSite=strict", cookie)
        assert TOKEN_OF_TESTS not in cookie + signed_in.text
        assert browser.get("/").status_code == 200
        assert browser.get("/runs/first/events").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN_OF_TESTS}"},
        {"Authorization": "Bearer \udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
        {"Cookie": f"memorybench_reports={TOKEN_OF_TESTS}"},
        {"Cookie": "memorybench_reports=\xff; ;;=,"},
        {"Cookie": "memorybench_reports"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/runs/first/report.json", "/assets/live.js", "/runs/first/events", "/nothing"])
def test_a_wrong_token_gets_nothing(guarded: Site, path: str, headers: dict[str, str]) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = guarded.get(path, headers=encoded)
    assert (answer.status_code, answer.text.count("\n")) == (401, 0)
    assert guarded.get(f"{path}?token=wrong").status_code == 401


def test_bearers_of_the_token_are_let_in_by_any_name(guarded: Site) -> None:
    headers = {"Authorization": f"Bearer {TOKEN_OF_TESTS}", "Host": "runs.example"}
    assert guarded.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/trends", "/nothing", "/runs/first/live", "/runs/absent", "/runs/first/report.json", "/assets/live.js"],
)
def test_every_answer_says_what_a_browser_may_do(site: Site, path: str) -> None:
    headers = site.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


def test_beyond_loopback_a_token_is_made_and_printed_once(runs: Path) -> None:
    command = [sys.executable, "-m", "reports", "serve", "--runs-dir", str(runs), "--host", "0.0.0.0", "--port", "0"]
    process = Process(command, stdout=PIPE, stderr=STDOUT)
    assert process.stdout
    printed = process.stdout.readline()
    found = re.search(r" on http://[^/]+:(\d+)/\?token=([\w-]{32})$", printed.rstrip())
    assert found, printed
    url = f"http://127.0.0.1:{found[1]}"
    with httpx.Client(base_url=url, timeout=60) as browser:
        assert browser.get("/").status_code == 401
        browser.get("/", params={"token": found[2]})
        assert "first" in browser.get("/").text
    process.terminate()
    rest, _ = process.communicate()
    assert found[2] not in rest
    assert "Traceback" not in rest


def test_what_cannot_be_served_is_one_line(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: Site
) -> None:
    assert main(["serve", "--runs-dir", str(tmp_path / "absent")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    port = site.url.rpartition(":")[2]
    assert main(["serve", "--runs-dir", str(runs), "--port", port]) == 2
    assert f"--port {port} cannot be listened to" in capsys.readouterr().err
    monkeypatch.setenv(TOKEN, "short")
    assert main(["serve", "--runs-dir", str(runs)]) == 2
    assert f"{TOKEN}: a token has at least 16 characters" in capsys.readouterr().err
