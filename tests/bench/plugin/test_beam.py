"""BEAM end to end: a chat by both protocols of the offline judge, and what reports show of its rubrics."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.bench.plugin.suite import Suite
from tests.repository import DATA


@pytest.fixture
def chat(suite: Suite) -> Path:
    """A folder with the first chat of the published 100K size."""
    source = DATA / "beam" / "chats" / "100K" / "1"
    if not source.is_dir():
        pytest.skip(f"no {source}: set MEMORYBENCH_DATA")
    shutil.copytree(source, suite.folder / "data" / "beam" / "chats" / "100K" / "1")
    return suite.folder / "data"


def test_a_chat_is_graded_by_its_rubrics_without_a_key(suite: Suite, chat: Path) -> None:
    said: dict[str, str] = {}
    for protocol in ("beam-nuggets", "beam-paper"):
        options = ("--provider", "bm25", "--judge-protocol", protocol, "--run-id", protocol)
        ended = suite.run("bench", "-k", "beam", *options, MEMORYBENCH_DATA=str(chat))
        assert ended.counted["skipped"] == 2, "the sizes that are not here; 10M only runs where it is named"
        assert ended.counted["correct"] + ended.counted["wrong"] == 20
        said[protocol] = " ".join(ended.output.split())
        (result,) = suite.report(protocol)["results"]
        assert result["judge"]["protocol"] == f"lexical-{protocol}/1"
        assert not result["benchmark"]["verified"]
        lines = [json.loads(line) for line in (suite.runs / protocol / "results.jsonl").read_text().splitlines()]
        scores = {line["question_id"]: [one["score"] for one in line["verdict"]["nuggets"]] for line in lines}
        assert all(len(scores[line["question_id"]]) == len(line["rubric"]) >= 1 for line in lines)
        assert sum(line["verdict"]["order"] is not None for line in lines) == (2 if protocol == "beam-paper" else 0)
        shown = result["nuggets"]["beam_nuggets"]["overall"]
        assert shown == {
            "value": pytest.approx(sum(sum(one) / len(one) for one in scores.values()) / 20, abs=1e-6),
            "n": 20,
        }
        assert f"{shown['value']:.3f}, " in said[protocol].split("beam_nuggets: ")[1]
        page = (suite.runs / protocol / "report.html").read_text(encoding="utf-8")
        assert page.count("<td>beam_nuggets</td>") == page.count("<td>beam_paper</td>") == 1
    orders = [line["verdict"]["order"] for line in lines if line["question_type"] == "event_ordering"]
    paper = suite.report("beam-paper")["results"][0]["nuggets"]["beam_paper"]["by_type"]["event_ordering"]
    assert paper["value"] == pytest.approx(sum(orders) / 2, abs=1e-6)
