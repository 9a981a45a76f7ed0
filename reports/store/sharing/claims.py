"""Which place does which question: taken in blocks, by one statement, and free again when the place is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from reports.store.selected import QuestionKey
from reports.store.sharing.presence import Presence
from reports.store.sharing.shared_tables import claims, lock_claims
from reports.store.writer import Put

_LISTED = (
    "unnest(cast(:providers as text[]), cast(:benchmarks as text[]), cast(:questions as text[]), "
    "cast(:haystacks as text[]), cast(:alone as boolean[])) "
    "with ordinality as listed(provider, benchmark, question, haystack, alone, number)"
)
_SAME = (
    "{0}.run_id = :run and {0}.provider = listed.provider and {0}.benchmark = listed.benchmark "
    "and {0}.question = listed.question"
)


def _any(table: str, where: str) -> str:
    """Whether there is such a row, looked up for each question: of `exists` PostgreSQL makes scans of whole tables."""
    return f"(select true from {table} where {where} limit 1) is not null"


_HELD = _any("claims held", f"{_SAME.format('held')} and (held.failed or not held.place = any(:gone))")
_BEGUN = _any(
    "claims held",
    "held.run_id = :run and held.provider = listed.provider and held.haystack = listed.haystack "
    "and not held.place = any(:reachable)",
)
_FAILED = _any("claims", f"{_SAME.format('claims')} and claims.failed")
_ENDED = _any("steps", f"{_SAME.format('steps')} and steps.phase = :until and steps.state = 'done'")
_DAMAGED = _any("steps", f"{_SAME.format('steps')} and steps.state = 'error'")
_DONE = f"({_ENDED} and not {_DAMAGED})"

_TAKE = sa.text(
    "insert into claims (run_id, provider, benchmark, question, haystack, place, failed) "
    f"select :run, provider, benchmark, question, haystack, :place, false from {_LISTED} "
    f"where not {_HELD} and not (alone and {_BEGUN}) order by number limit :most "
    "on conflict (run_id, provider, benchmark, question) do update set place = excluded.place "
    "returning provider, benchmark, question"
)
_OVER = sa.text(f"select provider, benchmark, question from {_LISTED} where {_DONE} or {_FAILED}")
_LEFT = sa.text(
    "select provider, benchmark, question from claims listed where run_id = :run and place = any(:places) "
    f"and not failed and not {_DONE}"
)
_BY_INDEX = sa.text("set local enable_seqscan = off")
"""For statements that are prepared while a table is small, and kept; `lock_claims` says the same."""


class Wanted(NamedTuple):
    """A question that a place would do; if `alone`, only while no place out of reach has begun its haystack."""

    key: QuestionKey
    haystack: str
    alone: bool = False


class Claims:
    """The claims of one place, whose `presence` says which others count. Methods raise `CheckpointError`."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        columns = claims.c
        mine = [columns[name] == sa.bindparam(f"its_{name}") for name in QuestionKey._fields]
        run = columns.run_id == presence.checkpoint.run_id
        self._fail = sa.update(claims).where(run, *mine).values(failed=True)
        self._held = sa.select(columns.provider, columns.benchmark, columns.question).where(
            run, columns.place == presence.place
        )

    def take(self, wanted: Sequence[Wanted], most: int) -> set[QuestionKey]:
        """Claim at most `most` of these that nobody has, the first ones first; those that are now this place's."""
        presence = self._presence
        values = {"gone": list(presence.gone), "reachable": list(presence.reachable), "most": most}

        def work(connection: sa.Connection) -> set[QuestionKey]:
            lock_claims(connection, presence.checkpoint.run_id)
            granted = connection.execute(_TAKE, {**self._listed(wanted), **values, "place": presence.place})
            return {QuestionKey._make(row) for row in granted}

        return presence.transact(work)

    def over(self, keys: Collection[QuestionKey]) -> set[QuestionKey]:
        """Those of `keys` that are done, or that have failed while any place was at work."""
        listed = {**self._listed([Wanted(key, "") for key in keys]), "until": self._presence.until}
        return self._keys(_OVER, listed)

    def left_by(self, places: Collection[str]) -> set[QuestionKey]:
        """What those `places` have claimed and not done."""
        run = self._presence.checkpoint.run_id
        values = {"run": run, "places": list(places), "until": self._presence.until}
        return self._keys(_LEFT, values)

    def held(self) -> set[QuestionKey]:
        """What this place has claimed, and nobody has taken over."""
        return self._keys(self._held, {})

    def failed(self, key: QuestionKey) -> None:
        """Note that a question of this place ended in an error, which is recorded; all places show it as it is."""
        values = {f"its_{name}": value for name, value in key._asdict().items()}
        self._presence.checkpoint.writer.submit(Put(self._fail, values))

    def _keys(self, query: sa.Executable, values: Mapping[str, object]) -> set[QuestionKey]:
        def work(connection: sa.Connection) -> set[QuestionKey]:
            connection.execute(_BY_INDEX)
            return {QuestionKey._make(row) for row in connection.execute(query, values)}

        return self._presence.transact(work)

    def _listed(self, wanted: Sequence[Wanted]) -> dict[str, object]:
        return {
            "run": self._presence.checkpoint.run_id,
            "providers": [one.key.provider for one in wanted],
            "benchmarks": [one.key.benchmark for one in wanted],
            "questions": [one.key.question for one in wanted],
            "haystacks": [one.haystack for one in wanted],
            "alone": [one.alone for one in wanted],
        }
