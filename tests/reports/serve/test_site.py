"""Pages: runs sorted and filtered, trends, stories; nothing outside the folder; what is damaged is a message."""

from __future__ import annotations

import asyncio
import http.client
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.reports.serve.conftest import TOKEN_OF_TESTS, Site, copy_run, serving

SECRET = "what is outside of the folder"


def ids(page: httpx.Response) -> list[str]:
    assert page.status_code == 200
    return re.findall(r'<th scope="row"[^>]*><a href="/runs/([^"]+)">', page.text)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", ["third", "second", "first"]),
        ("?sort=begun&order=asc", ["first", "second", "third"]),
        ("?sort=run", ["first", "second", "third"]),
        ("?sort=nonsense&order=", ["first", "second", "third"]),
        ("?q=none", ["first"]),
        ("?q=finished+bm25&sort=run&order=desc", ["second", "first"]),
        ("?q=%3Cscript%3E", []),
        ("?page=99999999999999999999999", ["third", "second", "first"]),
        ("?page=-1&sort=accuracy", ["third", "second", "first"]),
    ],
)
def test_runs_are_sorted_and_filtered(site: Site, query: str, order: list[str]) -> None:
    page = site.get(f"/{query}")
    assert ids(page) == order
    assert "<script" not in page.text


def test_the_list_says_what_the_report_says(site: Site, runs: Path) -> None:
    report = httpx.get(f"{site.url}/runs/third/report.json").json()
    accuracy = report["results"][0]["accuracy"]
    low, high = (100 * end for end in accuracy["ci95"])
    row = site.get("/?q=third").text
    assert f"<strong>{100 * accuracy['value']:.1f} %</strong>" in row
    assert f"[{low:.1f}, {high:.1f}]" in row
    assert (runs / "third" / "report.json").read_text() == httpx.get(f"{site.url}/runs/third/report.json").text


def test_trends_join_runs_that_may_be_compared(site: Site) -> None:
    page = site.get("/trends").text
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["bm25 on synthetic"]
    assert page.count('class="dot"') == 2
    assert "10 questions, judged by lexical (lexical-v2), answered by extractive" in page


def test_a_run_leads_to_its_page_and_a_question_to_its_story(tmp_path: Path, runs: Path) -> None:
    shutil.copytree(runs / "first", tmp_path / "first")
    (tmp_path / "first" / "report.html").unlink()
    with serving(tmp_path) as other:
        assert other.get("/runs/first").headers["location"] == "/runs/first/live"
        live = other.get("/runs/first/live").text
        assert "it has no report.html" in live
        link = re.findall(r'href="(/runs/first/question\?[^"]+)"', live)[0].replace("&amp;", "&")
        story = other.get(link)
        assert story.status_code == 200
        assert '<pre class="story"' in story.text
        assert other.get("/runs/first/question?provider=bm25&benchmark=synthetic&id=nothing").status_code == 404
        body = "<style>p {}</style><script>1</script><script type='application/json'>[]</script>"
        (tmp_path / "first" / "report.html").write_text(body)
        assert other.get("/runs/first").headers["location"] == "/runs/first/report.html"
        report = other.get("/runs/first/report.html")
        assert report.text == body
        assert report.headers["content-security-policy"].count("'sha256-") == 2
        assert "connect-src" not in report.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("run=second&run=first", 200, "bm25 in second against bm25 in first"),
        ("run=first", 200, "none in first against bm25 in first"),
        ("run=first/bm25&run=third/oracle", 200, "oracle in third against bm25 in first"),
        ("run=first&run=other-judge", 409, "the judge is not the same"),
        ("run=first&run=other-judge&anyway=1", 200, "other-judge"),
        ("run=second&run=third&provider=absent", 409, "none of them is absent"),
        ("run=first&run=..%2Fsecret", 409, "there is no run"),
        ("run=first&run=%2Fetc%2Fpasswd", 409, "there is no run"),
        ("run=last&run=vs", 409, "there is no run"),
        ("", 400, "Tick two runs"),
        ("&".join(f"run=a{number}" for number in range(9)), 400, "at most 8"),
    ],
)
def test_ticked_runs_are_compared_with_the_first_of_them(
    site: Site, runs: Path, tmp_path: Path, query: str, status: int, words: str
) -> None:
    if "other-judge" in query:
        for name in ("first", "second"):
            copy_run(runs, name, tmp_path / name)
        copy_run(runs, "second", tmp_path / "other-judge")
        report = tmp_path / "other-judge" / "report.json"
        report.write_text(
            report.read_text().replace('"lexical-v2"', '"lexical-v1"').replace('"second"', '"other-judge"')
        )
        with serving(tmp_path) as other:
            answer = other.get(f"/compare?{query}")
    else:
        answer = site.get(f"/compare?{query}")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.text.split("</style>")[1]))
    assert (answer.status_code, words in text) == (status, True), text
    assert ("anyway=1" in answer.text) == (words == "the judge is not the same")


PATHS = [
    "/runs/../secret", "/runs/%2e%2e/secret", "/runs/..%2fsecret", "/runs/%2e%2e%2fsecret/report.html",
    "/runs/%2Fetc%2Fpasswd/report.html", "/runs//etc/passwd", "/runs/first/../../secret/report.html",
    "/runs/linked/report.html", "/runs/linked/live", "/runs/linked/events", "/runs/holds-a-link/report.html",
    "/runs/holds-a-link/report.json", "/runs/holds-a-link/live", "/runs/%00/report.html", "/runs/a%5C..%5Csecret/live",
    "/assets/../runs.html.j2", "/assets/%2e%2e%2fviews.py", "/assets/runs.html.j2", "/runs/.hidden/report.html",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_nothing_outside_of_the_folder_is_served(runs: Path, tmp_path: Path, path: str) -> None:
    folder, outside = tmp_path / "runs", tmp_path / "secret"
    folder.mkdir()
    shutil.copytree(runs / "first", outside)
    shutil.copytree(runs / "first", folder / "first")
    for name in ("report.html", "report.json"):
        (outside / name).write_text(SECRET)
    (folder / "linked").symlink_to(outside)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "report.html").write_text(SECRET)
    (folder / "holds-a-link").mkdir()
    for name in ("report.html", "report.json", "checkpoint.sqlite"):
        (folder / "holds-a-link" / name).symlink_to(outside / name)
    with serving(folder) as site:
        address = urlsplit(site.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        connection.request("GET", path)  # as it stands: httpx would mend it
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status == 404, body
        assert SECRET not in body
        assert ids(site.get("/")) == ["first"]


@pytest.mark.long
def test_damaged_runs_hide_no_other_and_are_no_tracebacks(
    runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("first", "cut", "no-json", "odd-rows"):
        copy_run(runs, "first", tmp_path / name)
    whole = (tmp_path / "cut" / "checkpoint.sqlite").read_bytes()
    (tmp_path / "cut" / "checkpoint.sqlite").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "no-json" / "report.json").write_text('{"run": {')
    spoil(tmp_path / "odd-rows" / "checkpoint.sqlite")
    (tmp_path / "odd-rows" / "report.json").unlink()
    for name, content in (("noise", b"no database" * 1000), ("fresh", b"")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.sqlite").write_bytes(content)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "run.json").write_text("[]")
    with serving(tmp_path) as site:
        page = site.get("/")
        names = ["cut", "elsewhere", "first", "fresh", "no-json", "noise", "odd-rows"]
        assert sorted(ids(page)) == names
        assert page.text.count('class="state finished"') >= 2
        assert page.text.count('class="state unreadable"') >= 4
        for name in names:
            for rest in ("", "/live", "/events", "/report.json", "/report.html", "/question?id=x"):
                answer = site.get(f"/runs/{name}{rest}")
                assert answer.status_code in (200, 303, 404, 503), (name, rest)
                assert "Traceback" not in answer.text
        assert 'event: problem\ndata: "the checkpoint' in site.get("/runs/noise/events").text
    assert [record for record in caplog.records if record.exc_info] == []


def spoil(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update questions set record = '{}'")
        connection.execute("update steps set result = 'no JSON'")
        connection.commit()


def test_reading_leaves_the_folder_as_it_was(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "first", tmp_path / "first")
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with serving(tmp_path) as site:
        for path in ("/", "/trends", "/runs/first/live", "/runs/first/events"):
            assert site.get(path).status_code == 200
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.long
def test_a_thousand_requests_at_once_are_all_answered(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = f"Authorization: Bearer {TOKEN_OF_TESTS}\r\n"
    kinds = [
        ("/", token, b"200"), ("/", "", b"401"), ("/runs/../secret", token, b"404"),
        ("/runs/first/events", token, b"200"), ("/runs/first/live", token, b"200"),
    ]  # fmt: skip

    async def ask(host: str, port: int, number: int) -> tuple[bytes, bytes]:
        path, headers, expected = kinds[number % len(kinds)]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = await reader.read()
        writer.close()
        return expected, answer.split(b" ", 2)[1]

    async def ask_all(url: str) -> Counter[tuple[bytes, bytes]]:
        address = urlsplit(url)
        asked = (ask(str(address.hostname), address.port or 0, number) for number in range(1000))
        return Counter(await asyncio.gather(*asked))

    with serving(runs, TOKEN_OF_TESTS) as site:
        answers = asyncio.run(ask_all(site.url))
        assert answers == {(b"200", b"200"): 600, (b"401", b"401"): 200, (b"404", b"404"): 200}
        assert site.hub.looks < 100
        assert site.get("/", headers={"Authorization": f"Bearer {TOKEN_OF_TESTS}"}).status_code == 200
    assert [record for record in caplog.records if record.exc_info] == []
