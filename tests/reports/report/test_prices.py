"""What model calls cost: by the tokens that servers counted, at listed prices; what is not known is not 0."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price

from reports.report.build import build_report
from reports.report.meter import Meter, check_limit, uses_models
from reports.report.prices import Paid, Prices, dollars
from reports.show.summary import closing_table
from reports.store.checkpoint import Checkpoint
from reports.store.records import AnswererRecord, JudgeRecord, QuestionRecord, RecordedVote, RunRecord, Step
from reports.store.runs import begin, read_run
from reports.store.selected import QuestionKey
from reports.store.tables import sqlite_url
from tests.processes import run as run_process
from tests.reports.made_records import asked, benchmark, case, provider, run
from vocabulary import Answer, ConfigurationError, Usage, Verdict, Vote

WHEN = datetime(2026, 11, 21, tzinfo=UTC)
MODELS = [
    ("gpt-4o-mini", "openai"),
    ("gpt-5.4", "openai"),
    ("gpt-6-luna", "openai"),
    ("claude-sonnet-4-5", "anthropic"),
    ("claude-haiku-5-5", "anthropic"),
    ("gemini-2.5-pro", "google"),
]
MINI = 0.15e-6, 0.60e-6
"""gpt-4o-mini, dollars a token: read, written."""


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices(WHEN)


class TestPrices:
    @pytest.mark.parametrize(("model", "seller"), MODELS)
    def test_equal_the_list_at_any_size(self, prices: Prices, model: str, seller: str) -> None:
        """Beyond 200,000 tokens or so some models cost more a token: a shortcut for small calls must not hide it."""
        chance = random.Random(model)
        sizes = [0, 1, 999, 100_000, 100_001, 200_001, *(chance.randrange(400_000) for _ in range(60))]
        for size in sizes:
            cached = chance.randint(0, size)
            written = chance.randint(0, size - cached)
            usage = Usage(
                input_tokens=size,
                cached_tokens=cached,
                cache_write_tokens=written,
                output_tokens=chance.randrange(9000),
            )
            counted = Counted(
                input_tokens=size,
                cache_read_tokens=cached,
                cache_write_tokens=written,
                output_tokens=usage.output_tokens,
            )
            listed = calc_price(counted, model_ref=model, provider_id=seller, genai_request_timestamp=WHEN)
            assert prices.of(model, seller, usage) == listed.total_price, usage

    def test_some_model_here_costs_more_a_token_for_long_calls(self, prices: Prices) -> None:
        short = prices.of("gpt-5.4", "openai", Usage(input_tokens=100_000)) or Decimal(0)
        long = prices.of("gpt-5.4", "openai", Usage(input_tokens=400_000)) or Decimal(0)
        assert long > 4 * short > 0

    def test_of_the_published_kind(self, prices: Prices) -> None:
        cost = prices.of("gpt-4o-mini", "openai", Usage(input_tokens=1_000_000, output_tokens=1_000_000))
        assert cost == Decimal("0.75")

    @pytest.mark.parametrize(("model", "seller"), [("gpt-5.4-mini", "openai"), ("claude-haiku-5-5", "anthropic")])
    def test_in_batches_half_of_it(self, prices: Prices, model: str, seller: str) -> None:
        for size in (1_000, 150_000):  # by the shortcut, and by the list
            alone = Usage(input_tokens=size, output_tokens=size, calls=2)
            whole = prices.of(model, seller, alone)
            assert whole
            assert prices.of(model, seller, alone.model_copy(update={"batched": 2})) == whole / 2
            assert prices.of(model, seller, alone.model_copy(update={"batched": 1})) == whole  # not all of it was

    def test_in_batches_the_full_price_where_no_other_is_listed(self, prices: Prices) -> None:
        used = Usage(input_tokens=1_000, batched=1)
        assert prices.of("gemini-3.5-flash", "google", used) == prices.of(
            "gemini-3.5-flash", "google", Usage(input_tokens=1_000)
        )

    @pytest.mark.parametrize(
        ("model", "seller"), [("gpt-of-mine", "openai"), ("gpt-4o-mini", None), ("gpt-4o-mini", "nobody")]
    )
    def test_an_unlisted_model_has_none(self, prices: Prices, model: str, seller: str | None) -> None:
        for size in (0, 100, 500_000):
            assert prices.of(model, seller, Usage(input_tokens=size)) is None
        assert not prices.knows(model, seller)

    def test_a_server_that_miscounts_its_cache_is_believed_as_far_as_can_be(self, prices: Prices) -> None:
        for size in (100, 150_000):
            odd = Usage(input_tokens=size, cached_tokens=size + 1, cache_write_tokens=5)
            assert prices.of("gpt-4o-mini", "openai", odd) == prices.of(
                "gpt-4o-mini", "openai", Usage(input_tokens=size, cached_tokens=size)
            )

    @pytest.mark.parametrize(
        ("asked_for", "said"),
        [
            ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
            ("openai/gpt-4o-mini", None),
            ("openai/gpt-4o-mini@http://localhost:1/v1", "something else"),
            ("whatever", "gpt-4o-mini"),
        ],
    )
    def test_by_the_servers_name_or_else_by_the_one_that_was_asked_for(
        self, prices: Prices, asked_for: str, said: str | None
    ) -> None:
        paid = Paid("answer", asked_for, said, "openai", Usage(input_tokens=1_000_000))
        assert prices.paid(paid) == Decimal("0.15")

    def test_tokens_that_nobody_counted_cost_nobody_knows_what(self, prices: Prices) -> None:
        assert prices.paid(Paid("answer", "gpt-4o-mini", None, "openai", None)) is None


def paid_run(**changes: Any) -> RunRecord:  # Any: fields of the record, which checks them
    values = {
        "answerer": AnswererRecord(name="gpt-4o-mini", version="1", offline=False, priced_by="openai"),
        "judge": JudgeRecord(name="openai", protocol="strict-1", model="gpt-4o-mini", priced_by="openai"),
    }
    return run(**{**values, **changes})


def paid(number: int, *, read: int = 1_000_000, said: str | None = "gpt-4o-mini-2024-07-18", **more: Any) -> Any:
    """A question whose answer read so many tokens and whose verdict half of that (Any: fields of a record)."""
    answer, verdict = Usage(input_tokens=read, output_tokens=10, cached_tokens=4), Usage(input_tokens=read // 2)
    steps = Step(phase="answer", usage=answer), Step(phase="judge", usage=verdict)
    return asked(
        case(number),
        steps=steps,
        answer=Answer(hypothesis="7 May 2023", usage=answer, model=said),
        verdict=Verdict(label="correct", explanation="right", usage=verdict, model=said),
        **more,
    )


def cost_of(records: list[QuestionRecord], **changes: Any) -> Any:  # Any: parsed JSON
    (result,) = build_report(paid_run(**changes), records, []).model_dump(mode="json")["results"]
    return result["cost"]


class TestReport:
    def test_each_phase_by_its_own_usage(self) -> None:
        cost = cost_of([paid(1, read=20_000), paid(2, read=20_000)])
        answers = 2 * ((20_000 - 4) * MINI[0] + 4 * MINI[0] / 2 + 10 * MINI[1])
        assert cost["by_phase"]["answer"] == {
            "input_tokens": 40_000,
            "output_tokens": 20,
            "cached_tokens": 8,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
            "calls": 2,
            "usd": pytest.approx(answers, abs=1e-6),
            "models": ["gpt-4o-mini-2024-07-18"],
        }
        assert cost["by_phase"]["judge"]["usd"] == pytest.approx(20_000 * MINI[0])
        assert cost["usd"] == pytest.approx(answers + 20_000 * MINI[0], abs=1e-6)
        assert cost["unpriced"] == []
        assert cost["prices"].startswith("genai-prices 0.")

    def test_usage_has_all_that_servers_count(self) -> None:
        (result,) = build_report(paid_run(), [paid(1), paid(2)], []).model_dump(mode="json")["results"]
        assert result["usage"]["answer"] == {
            "input_tokens": 2_000_000,
            "output_tokens": 20,
            "cached_tokens": 8,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
            "calls": 2,
        }

    def test_without_a_model_there_is_no_cost(self) -> None:
        offline = AnswererRecord(name="extractive", version="1", offline=True)
        lexical = JudgeRecord(name="lexical", protocol="lexical-1", model=None)
        assert cost_of([asked(case(1))], answerer=offline, judge=lexical) is None

    def test_an_unknown_price_makes_the_sum_unknown_and_no_other_phase(self) -> None:
        local = AnswererRecord(name="ollama/llama3@http://localhost:11434/v1", version="1", offline=False)
        cost = cost_of([paid(1, said="gpt-4o-mini")], answerer=local)
        assert cost["usd"] is None
        assert cost["by_phase"]["answer"]["usd"] is None
        assert cost["by_phase"]["answer"]["input_tokens"] == 1_000_000
        assert cost["by_phase"]["judge"]["usd"] == pytest.approx(0.075)
        assert cost["unpriced"] == ["gpt-4o-mini"]

    def test_one_call_of_many_that_is_unknown_is_enough(self) -> None:
        silent = paid(2).model_copy(update={"answer": Answer(hypothesis="", model="gpt-4o-mini")})
        assert cost_of([paid(1), silent, paid(3)])["usd"] is None

    def test_each_vote_is_paid_for_with_its_judges_own_model(self) -> None:
        judges = (
            JudgeRecord(name="one", protocol="p", model="gpt-4o-mini", priced_by="openai"),
            JudgeRecord(name="other", protocol="p", model="claude-sonnet-4-5", priced_by="anthropic"),
            JudgeRecord(name="lexical", protocol="p", model=None),
        )
        usage = Usage(input_tokens=100_000)
        votes = tuple(
            Vote(judge=name, repeat=0, label="correct", explanation="", usage=usage if name != "lexical" else None)
            for name in ("one", "other", "lexical")
        )
        expected = pytest.approx(100_000 * 0.15e-6 + 100_000 * 3e-6)
        about = paid(1)
        with_votes = about.model_copy(update={"verdict": Verdict(label="correct", explanation="", votes=votes)})
        recorded = about.model_copy(update={"votes": tuple(RecordedVote(vote=vote) for vote in votes)})
        # votes are paid for although one of them failed, and there is no verdict
        failed = recorded.model_copy(update={"verdict": None})
        for record in (with_votes, recorded, failed):
            cost = cost_of([record], benchmarks=(benchmark(judges=judges),))
            assert cost["by_phase"]["judge"]["usd"] == expected

    def test_six_decimals_in_the_file_and_all_of_them_in_the_sum(self) -> None:
        many = [paid(number, read=3) for number in range(1_000)]
        assert cost_of(many)["by_phase"]["judge"]["usd"] == pytest.approx(1_000 * MINI[0], abs=1e-6)


class TestClosingTable:
    def test_says_what_it_cost(self) -> None:
        message = closing_table(build_report(paid_run(), [paid(1), paid(2)], []))
        assert "cost: $0.45 (answer $0.30; judge $0.15), prices of genai-prices" in message

    def test_says_whose_price_is_unknown(self) -> None:
        local = AnswererRecord(name="llama3", version="1", offline=False)
        message = closing_table(build_report(paid_run(answerer=local), [paid(1, said=None)], []))
        assert "cost: unknown price of llama3 (judge $0.0750)" in message

    def test_says_what_each_provider_cost(self) -> None:
        two = paid_run(providers=(provider("bm25"), provider("none")))
        records = [paid(1), paid(1, provider="none", read=100, said="gpt-4o-mini")]
        message = " ".join(closing_table(build_report(two, records, [])).split())
        assert "bm25 on locomo $0.23; none on locomo <$0.0001" in message

    @pytest.mark.parametrize(
        ("usd", "message"),
        [
            (None, "unknown price"),
            (0, "$0.00"),
            (0.00123, "$0.0012"),
            (1e-6, "<$0.0001"),
            (0.5, "$0.50"),
            (1234.5, "$1,234.50"),
        ],
    )
    def test_amounts(self, usd: float | None, message: str) -> None:
        assert dollars(usd) == message


@pytest.fixture
def checkpoint(tmp_path: Path) -> Any:  # Any: a generator fixture
    opened = Checkpoint(sqlite_url(tmp_path / "checkpoint.sqlite"), "run-1")
    begin(opened, paid_run(id="run-1"), {}, None)
    yield opened
    opened.close()


class TestMeter:
    def save(self, to: Checkpoint, record: QuestionRecord) -> None:
        key = QuestionKey("bm25", "locomo", record.case.id)
        assert record.answer is not None
        assert record.verdict is not None
        for phase, said in (("answer", record.answer), ("judge", record.verdict)):
            step = next(step for step in record.steps if step.phase == phase)
            to.save(key, step, inputs="", result=said.model_dump_json()).result()

    def test_counts_what_is_recorded_as_the_report_does(self, checkpoint: Checkpoint) -> None:
        meter = Meter(checkpoint, read_run(checkpoint))
        assert meter.look() == 0
        for number in (1, 2, 3):
            self.save(checkpoint, paid(number, read=20_000))
        cost = cost_of([paid(number, read=20_000) for number in (1, 2, 3)])
        assert float(meter.look() or 0) == pytest.approx(cost["usd"], abs=1e-6)

    def test_does_not_look_twice_in_a_second(self, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr("reports.report.meter.time.monotonic", lambda: now[0])
        meter = Meter(checkpoint, read_run(checkpoint))
        assert meter.shown() == "$0.00"
        self.save(checkpoint, paid(1))
        now[0] += 0.9
        assert meter.shown() == "$0.00"
        now[0] += 0.2
        assert meter.shown() == "$0.23"

    def test_votes_are_counted_and_what_they_come_to_is_not(self, checkpoint: Checkpoint) -> None:
        self.save(checkpoint, paid(1))
        key = QuestionKey("bm25", "locomo", case(1).id)
        usage = Usage(input_tokens=1_000_000)
        for repeat in range(3):
            vote = Vote(judge="openai", repeat=repeat, label="wrong", explanation="", usage=usage)
            step = Step(phase="judge", usage=usage)
            checkpoint.save_vote(key, "openai", repeat, step, inputs="", result=vote.model_dump_json()).result()
        spent = Meter(checkpoint, read_run(checkpoint)).look()
        assert float(spent or 0) == pytest.approx(0.15 + 3 * 0.15, abs=1e-5)

    def test_what_is_to_be_asked_again_was_paid_for(self, checkpoint: Checkpoint) -> None:
        self.save(checkpoint, paid(1))
        before = Meter(checkpoint, read_run(checkpoint)).look()
        checkpoint.ask_again(["judge"])
        assert Meter(checkpoint, read_run(checkpoint)).look() == before


def test_a_limit_needs_a_price_for_every_model(prices: Prices) -> None:
    known, judge = paid_run().answerer, paid_run().judge
    check_limit(1, prices, known, [judge])
    with pytest.raises(ConfigurationError, match=r"--max-usd 1 cannot hold: genai-prices .* no price for gpt-of-mine"):
        check_limit(1, prices, known, [judge.model_copy(update={"model": "gpt-of-mine"})])
    assert uses_models(known, [])
    assert not uses_models(known.model_copy(update={"offline": True}), [judge.model_copy(update={"model": None})])


def test_prices_need_no_network_and_are_loaded_only_where_something_is_to_be_priced() -> None:
    code = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        raise SystemExit(f"network: {event} {arguments}")
sys.addaudithook(refuse)
from datetime import UTC, datetime
from reports.report import Prices
from vocabulary import Usage
prices = Prices(datetime(2026, 11, 21, tzinfo=UTC))
assert prices.of("gpt-4o-mini", None, Usage(input_tokens=5)) is None
assert "genai_prices" not in sys.modules
assert prices.of("gpt-4o-mini", "openai", Usage(input_tokens=5)) > 0
"""
    done = run_process([sys.executable, "-W", "error", "-c", code])
    assert done.returncode == 0, done.stderr
