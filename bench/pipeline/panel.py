"""Several judges, or one several times: each vote is a call of its own, written down when it is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from bench.cache import StepCache, digest_of
from judges import Judge
from net import Border, Caller, CallRecord
from reports.store import Checkpoint, QuestionKey, Step, StepError, StoredStep, majority, readable, recorded, vote_name
from vocabulary import Answer, Case, ConfigurationError, InfrastructureError, Usage, Verdict, Vote


@dataclass(frozen=True, slots=True)
class Voter:
    """A judge, and which of its repeats: `name` is what it was asked for by, `inputs` a hash of what it judges by.

    Its calls are held to `border`. `identity` is a hash of what it judges by beside `inputs`, for other runs to know.
    """

    judge: Judge
    name: str
    repeat: int
    caller: Caller
    inputs: str
    border: Border
    identity: Callable[[], str] = str

    def cache_key(self, inputs: str) -> str:
        """What a verdict that depends on `inputs` has in the step cache."""
        return digest_of("judge", self.identity(), inputs)

    def border_for(self, key: QuestionKey) -> Border:
        """What its call for a question is held to."""
        return replace(self.border, mark=("judge", *key, self.name, str(self.repeat)))


@dataclass(frozen=True, slots=True)
class VoteCall:
    """What came of one vote: now, or when it was recorded."""

    voter: Voter
    done: CallRecord[Vote]


class Panel:
    """Voters over the questions of one run; votes are put into `cache`, and taken from it if it is `taking`.

    Raises `ConfigurationError` if two judges have the same name: nobody could tell their votes apart.
    """

    def __init__(
        self, voters: Sequence[Voter], checkpoint: Checkpoint, cache: StepCache | None = None, *, taking: bool = True
    ) -> None:
        self._voters = voters
        self._cache, self._taking = cache, taking
        self._checkpoint = checkpoint
        for (name, repeat), times in Counter((voter.name, voter.repeat) for voter in voters).items():
            if times > 1 and repeat == 0:
                raise ConfigurationError(
                    f"--judge: {times} judges have the name {name!r}; give each a name of its own."
                )

    async def vote(
        self, key: QuestionKey, case: Case, answer: Answer, inputs: Sequence[str], stored: Mapping[str, StoredStep],
        place: int,
    ) -> list[VoteCall]:  # fmt: skip
        """All votes on `answer`, at the same time; `inputs` has a hash for each voter of what its vote depends on.

        Votes that are `stored` with the same inputs are not asked again. A vote that fails stops no other.
        """
        calls = [
            self._one(voter, key, case, answer, hashed, stored.get(vote_name(voter.name, voter.repeat)), place)
            for voter, hashed in zip(self._voters, inputs, strict=True)
        ]
        ended = await asyncio.gather(*calls, return_exceptions=True)  # else the others would go on, unwatched
        vote_calls: list[VoteCall] = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            vote_calls.append(one)
        return vote_calls

    async def _one(
        self, voter: Voter, key: QuestionKey, case: Case, answer: Answer, inputs: str, stored: StoredStep | None,
        place: int,
    ) -> VoteCall:  # fmt: skip
        if stored is not None and stored.state == "done" and stored.inputs == inputs and stored.result is not None:
            vote: Vote = recorded("vote", stored.result)
            return VoteCall(voter, CallRecord(vote, None, stored.service_ms, stored.waited_ms, stored.attempts))
        cache_key = voter.cache_key(inputs) if self._cache else ""
        judged = self._taken(cache_key) if self._taking and not (stored and stored.state == "again") else None
        if judged is None:
            judged = await verdict_of(voter, key, case, answer, place)
        vote_cast = None if judged.error else _vote_of(voter, judged.value)
        done = CallRecord(vote_cast, judged.error, judged.service_ms, judged.waited_ms, judged.attempts)
        step = Step(
            phase="judge",
            service_ms=done.service_ms,
            waited_ms=done.waited_ms,
            attempts=done.attempts,
            error=StepError(type=type(done.error).__name__, message=str(done.error)) if done.error else None,
            usage=done.value.usage if done.value and done.attempts else None,
        )
        result = done.value.model_dump_json() if done.value else None
        written = self._checkpoint.save_vote(key, voter.name, voter.repeat, step, inputs=inputs, result=result)
        await asyncio.wrap_future(written)
        if self._cache and judged.value is not None and done.value is not None and judged.attempts:
            await asyncio.wrap_future(self._cache.put(cache_key, "judge", judged.value.model_dump_json()))
        return VoteCall(voter, done)

    def _taken(self, key: str) -> CallRecord[Verdict] | None:
        """The verdict of the cache with that key."""
        found = self._cache.get(key) if self._cache else None
        if found is None or not readable({"judge": StoredStep("done", "", found.result)}):
            return None
        return CallRecord(recorded("judge", found.result), None, 0.0, 0.0, 0)


async def verdict_of(voter: Voter, key: QuestionKey, case: Case, answer: Answer, place: int) -> CallRecord[Verdict]:
    """The verdict of a voter, with that by the corrected key where it expects another answer.

    The times are those of the first call.
    """
    border, question = voter.border_for(key), case.question
    done: CallRecord[Verdict] = await voter.caller.call(
        voter.judge.evaluate, question, case.gold, answer, place=place, border=border
    )
    if done.value is None or case.gold.regraded is None:
        return done
    other: CallRecord[Verdict] = await voter.caller.call(
        voter.judge.evaluate, question, case.gold.regraded, answer, place=place, border=border
    )
    used = [one.value.usage for one in (done, other) if one.value is not None and one.value.usage is not None]
    changes = {"corrected": other.value, "usage": reduce(add, used) if used else None}
    verdict, attempts = done.value.model_copy(update=changes), done.attempts + other.attempts - 1
    return CallRecord(verdict, other.error, done.service_ms, done.waited_ms, attempts)


def judges_line(requested: Sequence[str], judges: Sequence[Judge], repeats: int) -> str:
    """Who judges and by which rules, in a few words, before it is known what is judged."""
    parts = [
        f"{name} ({judge.protocol or 'rules by benchmark'})"
        for name, judge in zip(dict.fromkeys(requested), judges, strict=True)
    ]
    times = f", {repeats} times each" if repeats > 1 else ""
    return f"{'judge' if len(parts) == 1 else 'judges'} {', '.join(parts)}{times}"


def outcome_of(vote_calls: Sequence[VoteCall]) -> tuple[CallRecord[Verdict], Usage | None, str]:
    """What the votes come to, what they used in all, and who is to blame for the error, if there is one.

    All voters were asked at the same time, so the service took as long as the slowest of them; a question waits for
    the last. Each attempt beyond a vote's first is one of the step's, and there is none if all votes come from the
    cache: those have used nothing. The error is that of the first vote that failed.
    """
    service_ms = max(vote_call.done.service_ms for vote_call in vote_calls)
    whole_ms = max(vote_call.done.service_ms + vote_call.done.waited_ms for vote_call in vote_calls)
    asked = [vote_call.done for vote_call in vote_calls if vote_call.done.attempts or vote_call.done.error]
    attempts = bool(asked) + sum(max(done.attempts - 1, 0) for done in asked)
    votes = tuple(vote_call.done.value for vote_call in vote_calls if vote_call.done.value is not None)
    used = [done.value.usage for done in asked if done.value is not None and done.value.usage is not None]
    failed = next((vote_call for vote_call in vote_calls if vote_call.done.error is not None), None)
    error: InfrastructureError | None = failed.done.error if failed else None
    verdict = None if failed else _verdict_of(votes)
    done = CallRecord(verdict, error, service_ms, whole_ms - service_ms, attempts)
    return done, reduce(add, used) if used else None, failed.voter.name if failed else ""


def _verdict_of(votes: Sequence[Vote]) -> Verdict:
    label = majority(vote.label for vote in votes)
    counts = Counter(vote.label for vote in votes)
    detail = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    spoken = next(vote for vote in votes if vote.label == label)
    used = [vote.usage for vote in votes if vote.usage is not None]
    corrected = [vote.corrected for vote in votes if vote.corrected is not None]
    return Verdict(
        label=label,
        explanation=f"{detail} of {len(votes)} votes; {spoken.judge}: {spoken.explanation}",
        usage=reduce(add, used) if used else None,
        votes=tuple(votes),
        corrected=Verdict(label=majority(corrected), explanation=f"of {len(votes)} votes") if corrected else None,
    )


def _vote_of(voter: Voter, verdict: Verdict | None) -> Vote | None:
    if verdict is None:
        return None
    return Vote(
        judge=voter.name,
        repeat=voter.repeat,
        label=verdict.label,
        explanation=verdict.explanation,
        usage=verdict.usage,
        model=verdict.model,
        nuggets=verdict.nuggets,
        order=verdict.order,
        corrected=verdict.corrected.label if verdict.corrected else None,
    )
