"""What model calls cost: the tokens that servers counted, at the prices that genai-prices lists. No network.

A price that nobody knows is unknown, and so is every sum that it belongs to; it is never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from reports.metrics import Cost, PhaseCost, Tokens
from reports.store import AnswererRecord, JudgeRecord, QuestionRecord
from vocabulary import PHASES, Answer, Phase, Usage, Verdict, Vote

_NO_TOKENS = Usage(calls=0)
_SMALL = 100_000
"""Calls that read no more tokens than these cost so much a token; beyond (from 128,000 on) some models cost more."""


_LEAST_SHOWN = Decimal("0.0001")


class Paid(NamedTuple):
    """Calls that somebody has to be paid for: `asked` is the model by the name in the configuration, `said` by its own.

    `usage` is None where the server did not say what was used.
    """

    phase: Phase
    asked: str
    said: str | None
    priced_by: str | None
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class _Rates:
    """Dollars a token, by kind."""

    read: Decimal
    cached: Decimal
    cache_write: Decimal
    written: Decimal


class Prices:
    """The prices at one time. The list is loaded by the first question about it (a quarter of a second, 65 MiB)."""

    def __init__(self, when: datetime) -> None:
        self._when = when
        self._rates: dict[tuple[str, str, bool], _Rates | None] = {}

    @property
    def source(self) -> str:
        """Whose list it is: ``genai-prices VERSION``."""
        from genai_prices import __version__

        return f"genai-prices {__version__}"

    def of(self, model: str, priced_by: str | None, usage: Usage) -> Decimal | None:
        """What `usage` of `model` costs in dollars at the seller `priced_by`; None if that is not known.

        A step that took several calls is priced as one of their size.
        """
        if priced_by is None:
            return None
        rates = self._rates_of(model, priced_by, batched=_batched(usage))
        if rates is None or usage.input_tokens > _SMALL:
            return self._listed(model, priced_by, usage)
        cached = min(usage.cached_tokens, usage.input_tokens)  # a server may miscount
        cache_write = min(usage.cache_write_tokens, usage.input_tokens - cached)
        plain = usage.input_tokens - cached - cache_write
        kinds = (rates.read, plain), (rates.cached, cached), (rates.cache_write, cache_write)
        return sum((rate * count for rate, count in kinds), rates.written * usage.output_tokens)

    def paid(self, paid: Paid) -> Decimal | None:
        """What these calls cost, by the server's name for its model or else by the name that it was asked for by."""
        if paid.usage is None:
            return None
        for name in _names(paid):
            cost = self.of(name, paid.priced_by, paid.usage)
            if cost is not None:
                return cost
        return None

    def asked(self, name: str, priced_by: str | None, usage: Usage) -> Decimal | None:
        """What `usage` of the model that is asked for as `name` would cost in dollars; None if that is not known."""
        return self.paid(Paid("answer", name, None, priced_by, usage))

    def knows(self, name: str, priced_by: str | None) -> bool:
        """Whether the model that is asked for as `name` has a price."""
        return self.asked(name, priced_by, _NO_TOKENS) is not None

    def _rates_of(self, model: str, priced_by: str, *, batched: bool) -> _Rates | None:
        """Dollars a token for calls up to `_SMALL`; None where there is no price, or one that is not by the token."""
        key = model, priced_by, batched
        if key not in self._rates:
            self._rates[key] = self._measured(model, priced_by, batched=batched)
        return self._rates[key]

    def _measured(self, model: str, priced_by: str, *, batched: bool) -> _Rates | None:
        # asking the list takes a tenth of a millisecond, which a hundred thousand steps would make ten seconds
        def price(read: int, cached: int = 0, cache_write: int = 0, written: int = 0) -> Decimal:
            counts = {"cached_tokens": cached, "cache_write_tokens": cache_write, "output_tokens": written}
            used = Usage(input_tokens=read, batched=int(batched), **counts)
            return self._listed(model, priced_by, used) or Decimal(0)

        if self._listed(model, priced_by, _NO_TOKENS) is None:
            return None
        whole = price(_SMALL)
        found = _Rates(
            read=whole / _SMALL,
            cached=price(_SMALL, cached=_SMALL) / _SMALL,
            cache_write=price(_SMALL, cache_write=_SMALL) / _SMALL,
            written=(price(_SMALL, written=_SMALL) - whole) / _SMALL,
        )
        by_the_token = price(1_000, written=1_000) == (found.read + found.written) * 1_000
        return found if by_the_token else None

    def _listed(self, model: str, priced_by: str, usage: Usage) -> Decimal | None:
        from genai_prices import Usage as Counted
        from genai_prices import calc_price

        cached = min(usage.cached_tokens, usage.input_tokens)
        counted = Counted(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=cached,
            cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        )
        try:
            return calc_price(
                counted,
                model_ref=model,
                provider_id=priced_by,
                genai_request_timestamp=self._when,
                price_context={"processing": "batch"} if _batched(usage) else None,
            ).total_price
        except LookupError:
            return None


class Spending:
    """Adds up what calls cost, phase by phase."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._usd: dict[Phase, Decimal | None] = {}
        self._used: dict[Phase, Usage] = {}
        self._models: dict[Phase, set[str]] = {}
        self._unpriced: set[str] = set()

    def add(self, calls: Iterable[Paid]) -> None:
        """Count these calls."""
        for paid in calls:
            cost, phase = self._prices.paid(paid), paid.phase
            before = self._usd.get(phase, Decimal(0))
            self._usd[phase] = None if cost is None or before is None else before + cost
            self._used[phase] = self._used.get(phase, _NO_TOKENS) + (paid.usage or _NO_TOKENS)
            self._models.setdefault(phase, set()).add(paid.said or paid.asked)
            if cost is None:
                self._unpriced.add(paid.said or paid.asked)

    @property
    def usd(self) -> Decimal | None:
        """The dollars so far; None if the price of any of it is unknown."""
        known = [cost for cost in self._usd.values() if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(self._usd) else None

    @property
    def unpriced(self) -> list[str]:
        """The models whose price is not known."""
        return sorted(self._unpriced)

    def cost(self) -> Cost | None:
        """What a report says of it; None if no model was used."""
        if not self._usd:
            return None
        return Cost(
            usd=_plain(self.usd),
            by_phase={phase: self._phase(phase) for phase in PHASES if phase in self._usd},
            unpriced=tuple(self.unpriced),
            prices=self._prices.source,
        )

    def _phase(self, phase: Phase) -> PhaseCost:
        return PhaseCost(
            usd=_plain(self._usd[phase]),
            models=tuple(sorted(self._models[phase])),
            **dict(tokens(self._used[phase])),
        )


def answer_paid(answerer: AnswererRecord, answer: Answer) -> Iterator[Paid]:
    """The calls behind an answer: none where no language model gave it."""
    if not answerer.offline:
        yield Paid("answer", answerer.name, answer.model, answerer.priced_by, answer.usage)


def votes_paid(judges: Iterable[JudgeRecord], votes: Iterable[Vote]) -> Iterator[Paid]:
    """The calls behind the votes of judges that have a language model."""
    models = _with_models(judges)
    for vote in votes:
        if judge := models.get(vote.judge):
            yield Paid("judge", judge.model or judge.name, vote.model, judge.priced_by, vote.usage)


def verdict_paid(judges: Iterable[JudgeRecord], verdict: Verdict) -> Iterator[Paid]:
    """The calls behind a verdict: those of its votes, or that of the only judge if it has a language model."""
    judges = list(judges)
    if verdict.votes:
        yield from votes_paid(judges, verdict.votes)
        return
    for judge in _with_models(judges).values():
        yield Paid("judge", judge.model or judge.name, verdict.model, judge.priced_by, verdict.usage)


def question_paid(
    answerer: AnswererRecord | None, judges: Sequence[JudgeRecord], record: QuestionRecord
) -> Iterator[Paid]:
    """The calls behind a question's answer and verdict, without those that another run has paid for.

    `answerer` is None where answers were made elsewhere.
    """
    cached = record.cached
    if answerer is not None and record.answer is not None and "answer" not in cached:
        yield from answer_paid(answerer, record.answer)
    if record.votes:
        yield from votes_paid(judges, (recorded.vote for recorded in record.votes if recorded.attempts))
    elif record.verdict is not None and "judge" not in cached:
        yield from verdict_paid(judges, record.verdict)


def tokens(usage: Usage) -> Tokens:
    """`usage` as reports show it."""
    return Tokens.model_validate(usage, from_attributes=True)


def dollars(usd: float | Decimal | None) -> str:
    """An amount as people read it: ``$1.23``, less than ten cents with four decimals, or ``unknown price``."""
    if usd is None:
        return "unknown price"
    if 0 < usd < _LEAST_SHOWN:
        return f"<${_LEAST_SHOWN}"
    return f"${usd:,.2f}" if usd >= Decimal("0.1") or usd == 0 else f"${usd:.4f}"


def _batched(usage: Usage) -> bool:
    """Whether all of it was asked for in batches."""
    return 0 < usage.calls == usage.batched


def _with_models(judges: Iterable[JudgeRecord]) -> dict[str, JudgeRecord]:
    return {judge.name: judge for judge in judges if judge.model is not None}


def _names(paid: Paid) -> Iterator[str]:
    """The names that a price may be listed under, best first."""
    if paid.said:
        yield paid.said.removeprefix("models/")
    bare = paid.asked.partition("@")[0]
    yield bare
    if "/" in bare:
        yield bare.rpartition("/")[2]


def _plain(usd: Decimal | None) -> float | None:
    return None if usd is None else float(usd)
