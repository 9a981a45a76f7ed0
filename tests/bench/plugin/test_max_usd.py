"""--max-usd ends a run when its money is used, and --lf goes on without paying for anything twice."""

from __future__ import annotations

import pytest

from tests.bench.plugin.suite import Suite
from tests.subjects.paid import ANSWER_USD, VERDICT_USD

ASKED = ("bench", "-k", "synthetic", "--provider=none", "--synthetic-sessions=10", "--synthetic-questions=60")
DEAR = ("--answering-model=tests.subjects.paid:Dear", "--judge=tests.subjects.paid:DearJudge", "--in-flight=4")
EACH = ANSWER_USD + VERDICT_USD


def paid_in(suite: Suite) -> float:
    """What the calls so far cost, by the count of those who were called."""
    return suite.calls("answer").total() * ANSWER_USD + suite.calls("judge").total() * VERDICT_USD


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_run_ends_when_its_money_is_used_and_goes_on_with_more(suite: Suite, workers: tuple[str, ...]) -> None:
    limit = 10 * EACH
    stopped = suite.run(*ASKED, *DEAR, *workers, f"--max-usd={limit}")
    assert stopped.status == pytest.ExitCode.INTERRUPTED, stopped.output
    assert "the money is used (--max-usd)" in stopped.output
    assert f"go on with a larger limit: pytest --lf --max-usd {2 * limit:g}" in stopped.output.replace("\n", " ")
    spent = paid_in(suite)
    assert limit <= spent < 50 * EACH
    assert stopped.counted.keys() - {"deselected"} == {"wrong"}, "what was cancelled is not told of as an error"
    report = suite.report()
    (result,) = report["results"]
    assert report["run"]["finished"] is None
    assert result["cost"]["usd"] <= spent + 1e-9
    assert result["questions"]["errors"] == 0

    refused = suite.run("--lf", *workers)
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert "and --max-usd is 0.171 for all of it: go on with a larger one" in refused.output
    assert paid_in(suite) == spent

    done = suite.run("--lf", "--max-usd=100", *workers)
    assert done.status == pytest.ExitCode.TESTS_FAILED, done.output
    (result,) = suite.report()["results"]
    assert result["questions"]["judged"] == 60
    assert result["cost"]["usd"] == pytest.approx(60 * EACH)
    assert "cost: $1.03 (answer $0.94; judge $0.0900), prices of genai-prices" in done.output
    # what was cancelled while it was under way is asked again, and what was done is not
    assert suite.calls("answer").total() <= 60 + 4
    assert suite.calls("judge").total() <= 60 + 4


def test_no_more_than_flies_is_begun_ahead(suite: Suite) -> None:
    held = (
        "--answering-model=tests.subjects.paid:FirstWaits",
        "--judge=tests.subjects.paid:DearJudge",
        "--in-flight=4",
    )
    stopped = suite.run(*ASKED, *held, "--max-usd=0.001")
    assert stopped.status == pytest.ExitCode.INTERRUPTED
    assert stopped.counted["wrong"] == 1
    assert suite.calls("answer").total() == 4


def test_a_limit_on_unknown_money_is_refused(suite: Suite) -> None:
    refused = suite.run(*ASKED, "--answering-model=tests.subjects.paid:Unlisted", "--max-usd=1")
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    message = refused.about("--max-usd 1 cannot hold")
    assert "has no price for gpt-of-mine. Leave out --max-usd, or choose a model whose price is listed." in message
    assert suite.run_ids == []


def test_money_that_becomes_unknown_ends_the_run_and_no_limit_goes_on(suite: Suite) -> None:
    silent = ("--answering-model=tests.subjects.paid:Silent", "--judge=tests.subjects.paid:DearJudge", "--in-flight=4")
    stopped = suite.run(*ASKED, *silent, "--max-usd=5")
    assert stopped.status == pytest.ExitCode.INTERRUPTED
    assert "a server did not say what it used" in stopped.output
    refused = suite.run("--lf")
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert "go on without a limit: pytest --lf --max-usd inf" in refused.about("cannot hold for run")
    done = suite.run("--lf", "--max-usd=inf")
    assert done.status == pytest.ExitCode.TESTS_FAILED
    assert "cost: unknown price of gpt-4o-mini-2024-07-18 (judge $0.0900)" in done.output


@pytest.mark.parametrize("limit", ["0", "-1", "much"])
def test_a_limit_that_is_none_is_refused(suite: Suite, limit: str) -> None:
    refused = suite.run(*ASKED, f"--max-usd={limit}")
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert f"--max-usd '{limit}'" in refused.output


def test_a_limit_means_nothing_where_no_model_is_asked(suite: Suite) -> None:
    done = suite.run(*ASKED, "--synthetic-questions=10", "--max-usd=0.000001")
    assert done.status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert "cost" not in done.output
    (result,) = suite.report()["results"]
    assert result["cost"] is None
