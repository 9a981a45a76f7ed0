"""Several judges, or one several times: each vote is a call of its own, written down when it is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from bench.attempts import Caller, Done
from judges import Judge
from reports import Checkpoint, QuestionKey, Step, StepError, StoredStep, majority, vote_name
from schema import Answer, Case, ConfigurationError, InfrastructureError, Usage, Verdict, Vote


@dataclass(frozen=True, slots=True)
class Voter:
    """A judge, and which of its repeats: `name` is what it was asked for by, `inputs` a hash of what it judges by."""

    judge: Judge
    name: str
    repeat: int
    caller: Caller
    inputs: str


@dataclass(frozen=True, slots=True)
class Ballot:
    """What came of one vote: now, or when it was recorded."""

    voter: Voter
    done: Done[Vote]


class Panel:
    """Voters over the questions of one run.

    Raises `schema.ConfigurationError` if two judges have the same name: nobody could tell their votes apart.
    """

    def __init__(self, voters: Sequence[Voter], checkpoint: Checkpoint) -> None:
        self._voters = voters
        self._checkpoint = checkpoint
        for (name, repeat), times in Counter((voter.name, voter.repeat) for voter in voters).items():
            if times > 1 and repeat == 0:
                raise ConfigurationError(
                    f"--judge: {times} judges have the name {name!r}; give each a name of its own."
                )

    async def vote(
        self, key: QuestionKey, case: Case, answer: Answer, inputs: Sequence[str], stored: Mapping[str, StoredStep],
        place: int,
    ) -> list[Ballot]:  # fmt: skip
        """All votes on `answer`, at the same time; `inputs` has a hash for each voter of what its vote depends on.

        Votes that are `stored` with the same inputs are not asked again. A vote that fails stops no other.
        """
        calls = [
            self._one(voter, key, case, answer, hashed, stored.get(vote_name(voter.name, voter.repeat)), place)
            for voter, hashed in zip(self._voters, inputs, strict=True)
        ]
        ended = await asyncio.gather(*calls, return_exceptions=True)  # else the others would go on, unwatched
        ballots: list[Ballot] = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            ballots.append(one)
        return ballots

    async def _one(
        self, voter: Voter, key: QuestionKey, case: Case, answer: Answer, inputs: str, stored: StoredStep | None,
        place: int,
    ) -> Ballot:  # fmt: skip
        if stored is not None and stored.state == "done" and stored.inputs == inputs and stored.result is not None:
            vote = Vote.model_validate_json(stored.result)
            return Ballot(voter, Done(vote, None, stored.service_ms, stored.waited_ms, stored.attempts))
        judged: Done[Verdict] = await voter.caller.call(
            voter.judge.evaluate, case.question, case.gold, answer, place=place
        )
        done = Done(_vote_of(voter, judged.value), judged.error, judged.service_ms, judged.waited_ms, judged.attempts)
        step = Step(
            phase="judge",
            service_ms=done.service_ms,
            waited_ms=done.waited_ms,
            attempts=done.attempts,
            error=StepError(type=type(done.error).__name__, message=str(done.error)) if done.error else None,
            usage=done.value.usage if done.value else None,
        )
        result = done.value.model_dump_json() if done.value else None
        written = self._checkpoint.save_vote(key, voter.name, voter.repeat, step, inputs=inputs, result=result)
        await asyncio.wrap_future(written)
        return Ballot(voter, done)


def judges_told(asked_for: Sequence[str], judges: Sequence[Judge], repeats: int) -> str:
    """Who judges and by which rules, in a few words, before it is known what is judged."""
    parts = [
        f"{name} ({judge.protocol or 'rules by benchmark'})"
        for name, judge in zip(dict.fromkeys(asked_for), judges, strict=True)
    ]
    times = f", {repeats} times each" if repeats > 1 else ""
    return f"{'judge' if len(parts) == 1 else 'judges'} {', '.join(parts)}{times}"


def outcome_of(ballots: Sequence[Ballot]) -> tuple[Done[Verdict], Usage | None, str]:
    """What the votes come to, what they used in all, and who is to blame for the error, if there is one.

    All voters were asked at the same time, so the service took as long as the slowest of them; a question waits for
    the last. Each attempt beyond a vote's first is one of the step's. The error is that of the first vote that failed.
    """
    service_ms = max(ballot.done.service_ms for ballot in ballots)
    whole_ms = max(ballot.done.service_ms + ballot.done.waited_ms for ballot in ballots)
    attempts = 1 + sum(max(ballot.done.attempts - 1, 0) for ballot in ballots)
    votes = tuple(ballot.done.value for ballot in ballots if ballot.done.value is not None)
    used = [vote.usage for vote in votes if vote.usage is not None]
    failed = next((ballot for ballot in ballots if ballot.done.error is not None), None)
    error: InfrastructureError | None = failed.done.error if failed else None
    verdict = None if failed else _verdict_of(votes)
    done = Done(verdict, error, service_ms, whole_ms - service_ms, attempts)
    return done, reduce(add, used) if used else None, failed.voter.name if failed else ""


def _verdict_of(votes: Sequence[Vote]) -> Verdict:
    label = majority(vote.label for vote in votes)
    counts = Counter(vote.label for vote in votes)
    told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    spoken = next(vote for vote in votes if vote.label == label)
    used = [vote.usage for vote in votes if vote.usage is not None]
    return Verdict(
        label=label,
        explanation=f"{told} of {len(votes)} votes; {spoken.judge}: {spoken.explanation}",
        usage=reduce(add, used) if used else None,
        votes=tuple(votes),
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
    )
