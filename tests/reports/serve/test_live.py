"""The live page follows a run that is really made, by looks that all who watch it share; and one that is removed."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bench.plugin.suite import WATCHED, Suite, wait
from tests.reports.serve.conftest import Site, begin_again, end_again, serving

ENDED = re.compile(r"<strong>([\d,]+)</strong> of ([\d,]+) questions")


def events(site: Site, run: str) -> Iterator[tuple[str, str]]:
    """What the server sends about a run: the name of each event and its data, as text."""
    with httpx.stream("GET", f"{site.url}/runs/{run}/events", timeout=60) as answer:
        assert answer.status_code == 200
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, str(json.loads(line.removeprefix("data: ")))


@pytest.mark.long
def test_a_run_of_several_workers_is_followed_to_its_report(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    providers = ("--provider=tests.subjects.watched:Slow", "--provider=tests.subjects.watched:Broken", *WATCHED[1:])
    sizes = ("--synthetic-sessions=20", "--synthetic-questions=40")
    suite.runs.mkdir()
    process = suite.start("bench", "-k", "synthetic", "-n2", *providers, *sizes, "--run-id=followed", SLOW="0.7")
    with serving(suite.runs) as site:
        wait(lambda: 'class="state running"' in site.get("/").text or process.poll() is not None)
        others: list[tuple[str, str]] = []
        other = threading.Thread(target=lambda: others.extend(events(site, "followed")))
        other.start()
        seen = list(events(site, "followed"))
        other.join()
        looks = site.hub.looks
        suite.end(process)
        standings = [data for name, data in seen if name == "standing"]
        counts = [int(found[1]) for data in standings if (found := ENDED.search(data))]
        assert seen[-1] == ("end", "{}")
        assert counts == sorted(counts)
        assert len({*counts}) > 2
        assert counts[-1] == 80
        assert looks < 2 * len(standings), "each watcher has its own looks"
        middle = standings[len(standings) // 2]
        assert 'class="state running"' in middle
        assert re.search(r"Time left \(estimate\)</dt><dd>(about|not known)", middle)
        assert re.search(r"Calls in flight</dt><dd>\d+ of 32", middle)
        assert "Newest failures" in middle
        assert "ProviderError" in standings[-1]
        assert '<a class="go" href="/runs/followed/report.html">' in standings[-1]
        for result in suite.report("followed")["results"]:
            low, high = (100 * end for end in result["accuracy"]["ci95"])
            shown = f"<strong>{100 * result['accuracy']['value']:.1f} %</strong> <span"
            assert shown in standings[-1]
            assert f"[{low:.1f}, {high:.1f}]" in standings[-1]
        link = re.findall(r'href="(/runs/followed/question[^"]+)"', middle)[0].replace("&amp;", "&")
        assert site.get(link).headers["location"].startswith("/runs/followed/report.html#syn-q")
        assert site.hub.looks == looks, "somebody looks although nobody watches"


def test_a_run_that_is_removed_while_it_is_watched_is_a_message(
    runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "going"
    lock = begin_again(runs, run)
    with serving(tmp_path) as site:
        sent = events(site, "going")
        name, data = next(sent)
        assert (name, 'class="state running"' in data) == ("standing", True)
        shutil.rmtree(run)
        rest = list(sent)
        assert rest[-2][0] == "problem"
        assert "cannot be read" in rest[-2][1] or "no run" in rest[-2][1]
        assert "going" not in site.get("/").text
        assert site.get("/runs/going/live").status_code == 404
    end_again(lock)
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_server_that_stops_ends_its_streams(runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = begin_again(runs, tmp_path / "going")
    with serving(tmp_path) as site:
        sent = events(site, "going")
        assert next(sent)[0] == "standing"
    assert list(sent)[-1][0] in ("standing", "end")
    end_again(lock)
    assert [record for record in caplog.records if record.exc_info] == []
