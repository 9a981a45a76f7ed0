"""--plan says what the models may cost, and what it takes for that."""

from __future__ import annotations

import re

from tests.bench.plugin.suite import Suite
from tests.subjects.paid import ANSWER_USD

PLAN = ("bench", "-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=100", "--plan")
DEAR = ("--answering-model=tests.subjects.paid:Dear", "--judge=tests.subjects.paid:DearJudge")


def detail(suite: Suite, *arguments: str) -> tuple[float, float]:
    """The low and the high end of the estimate."""
    line = suite.run(*PLAN, *arguments).about("estimated price:")
    low, high = re.findall(r"\$([\d.]+)", line.split("(")[0])
    return float(low), float(high)


def test_a_range_with_what_is_taken_for_it(suite: Suite) -> None:
    planned = suite.run(*PLAN, *DEAR)
    assert planned.status == 0
    assert "model calls: 200" in planned.output
    assert "estimated price: $" in planned.output
    assert re.search(r"answers by gpt-4o-mini \$[\d.]+ to \$[\d.]+; verdicts by gpt-4o-mini", planned.output)
    read = planned.about("taken for an answer")
    low, high, message = map(
        int, re.findall(r"(\d+) to (\d+) tokens of results .* a message has (\d+)", _plain(read))[0]
    )
    assert low <= 50 * (message + 0.5)
    assert low < high <= 3 * low + 3
    assert suite.calls("answer").total() == 0
    assert suite.run_ids == []


def _plain(line: str) -> str:
    return line.replace("(", "")


def test_it_grows_with_what_is_asked_for(suite: Suite) -> None:
    one = detail(suite, *DEAR)
    assert detail(suite, *DEAR, "--top-k=10")[1] < one[1]
    assert detail(suite, *DEAR, "--judge-repeats=5")[1] > one[1]
    twice = detail(suite, *DEAR, "--provider=bm25", "--provider=none")
    assert twice[0] == 2 * one[0] or abs(twice[0] - 2 * one[0]) < 0.02
    assert detail(suite, *DEAR, "--until=answer")[0] < one[0]
    assert one[1] < 100 * ANSWER_USD, "these haystacks are far smaller than a hundred thousand tokens"


def test_an_unknown_price_is_said_to_be_unknown(suite: Suite) -> None:
    line = suite.run(*PLAN, "--answering-model=tests.subjects.paid:Unlisted").about("estimated price")
    assert line.startswith("estimated price: unknown, genai-prices ")
    assert line.endswith("has no price for gpt-of-mine")


def test_without_a_model_there_is_nothing_to_pay(suite: Suite) -> None:
    assert "price" not in suite.run(*PLAN).output
    assert "price" not in suite.run(*PLAN, *DEAR, "--until=search").output
