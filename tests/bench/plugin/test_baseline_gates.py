"""Gates against a baseline: the run of a broken memory is red, a re-run is green, and nonsense is refused at once."""

from __future__ import annotations

from typing import Any

import pytest

from reports.__main__ import main
from tests.bench.plugin.suite import SMALL, WATCHED, Suite

BENCH = ("bench/benchmarks/test_synthetic.py", *SMALL)
MET, MISSED, REFUSED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR


def test_a_re_run_is_met_and_a_broken_memory_is_missed(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    suite.run(*BENCH, "--provider=bm25", "--run-id=main")
    assert main(["baseline", "main", "--runs-dir", str(suite.runs)]) == 0
    baseline = suite.folder / "baseline.json"
    baseline.write_text(capsys.readouterr().out, encoding="utf-8")

    rules = ("--no-worse=accuracy", "--max-drop=recall@10=0.02", "--max-rise=p95.search_ms=100000%")
    same = suite.run(*BENCH, "--provider=bm25", f"--baseline={baseline}", *rules, "-n2", "--run-id=pr")
    assert same.status == MET, same.output
    assert same.output.count("gate met: ") == 3
    gate: Any = suite.report("pr")["gate"]
    assert gate["baseline"]["run"] == "main"
    accuracy, recall, time = gate["against"]
    assert (accuracy["rule"], accuracy["n"], accuracy["change"], accuracy["met"]) == ("no-worse", 20, 0.0, True)
    assert (recall["margin"], recall["sensitive"]) == (0.02, False), "20 questions cannot tell"
    assert "cannot tell 0.02 from none" in " ".join(same.output.split())
    assert time["percent"]

    # the provider of the baseline is the only one, so that another one is held against it
    broken = suite.run(*BENCH, "--provider=none", "--baseline=main", "--no-worse=recall@10")
    assert broken.status == MISSED
    assert "gate missed: recall@10 0.000 after 0.938 in main on none/synthetic" in " ".join(broken.output.split())
    assert "questions: worse" in " ".join(broken.output.split())
    again = suite.run("--lf", "--collect-only", "-q")
    assert "second look" in again.output, "and without the gate, which no second look can satisfy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baseline=nothing", "--no-worse=accuracy"), "there is no run 'nothing'"),
        (("--no-worse=accuracy",), "--no-worse accuracy needs --baseline"),
        (("--baseline=main",), "nothing is held against it"),
        (("--baseline=main", "--no-worse=acuracy"), "unknown metric 'acuracy'. Did you mean 'accuracy'?"),
        (("--baseline=main", "--no-worse=accuracy", "--judge=tests.subjects.watched:Contains"), "by another judge"),
        (("--baseline=main", "--no-worse=accuracy", "--synthetic-seed=1"), "other data of synthetic"),
        (("--baseline=main", "--no-worse=recall@30", "--top-k=10"), "--top-k 30"),
        (("--baseline=main", "--no-worse=accuracy", "--run-id=main"), "against itself"),
    ],
    ids=["missing", "no baseline", "no rule", "metric", "judge", "data", "top-k", "itself"],
)
def test_what_cannot_be_held_against_it_is_refused_before_anything_is_asked(
    with_main: Suite, arguments: tuple[str, ...], message: str
) -> None:
    known = sorted(path.name for path in with_main.runs.iterdir())
    ended = with_main.run(*BENCH, "--provider=bm25", *arguments)
    assert ended.status == REFUSED
    assert message in ended.about("ERROR")
    assert sorted(path.name for path in with_main.runs.iterdir()) == known


@pytest.fixture(scope="module")
def with_main(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A folder with a run `main` in it."""
    suite = Suite(tmp_path_factory.mktemp("baseline"))
    assert suite.run(*BENCH, "--provider=bm25", "--run-id=main").status == MISSED
    return suite


def test_questions_that_only_one_of_them_has_are_left_out_and_none_in_common_is_refused(with_main: Suite) -> None:
    part = with_main.run(*BENCH, "--provider=bm25", "--baseline=main/bm25", "--no-worse=accuracy", "--limit=5")
    assert part.status == MET
    assert "gate met: accuracy" in part.output


def test_lf_finishes_a_run_and_holds_it_against_the_same_baseline(suite: Suite) -> None:
    watched = ("--limit=10", *WATCHED[1:])
    suite.run(*BENCH, "--provider=tests.subjects.watched:Watched", *watched, "--run-id=before")
    early = (*BENCH, "--provider=tests.subjects.stopped_early:FirstComesLast", *watched)
    stopped = suite.run(*early, "-x", "--baseline=last", "--no-worse=accuracy")
    assert stopped.status == MISSED
    assert "gate refused: the run is not finished" in stopped.output
    resumed = suite.run("--lf")
    assert resumed.status == MET, resumed.output
    assert "in before on tests.subjects.stopped_early:FirstComesLast/synthetic" in " ".join(resumed.output.split())
