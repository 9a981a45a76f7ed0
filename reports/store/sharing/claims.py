"""Which place does which question: taken in blocks, by one statement, and free again when the place is gone."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from reports.store.selected import QuestionKey
from reports.store.sharing.presence import Presence
from reports.store.sharing.shared_tables import claims, claims_key
from reports.store.writer import Put

_LISTED = (
    "unnest(:providers, :benchmarks, :questions, :haystacks, :alone) "
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

_TEXTS = dict.fromkeys(("providers", "benchmarks", "questions", "haystacks", "gone", "reachable", "places"), "text[]")
_TYPES = {"key": "bigint", "most": "integer", "alone": "boolean[]", **_TEXTS}


class _Function:
    """Statements as a function of the connection's own: one round trip, and each sees what was committed before it.

    They look rows up by an index, also where they were prepared while a table was small. `last` gives the keys of
    questions; ``:name`` is an argument.
    """

    def __init__(self, name: str, last: str, before: str = "") -> None:
        self.name = f"pg_temp.{name}"
        body = f"{before} return query {last};"
        names = dict.fromkeys(re.findall(r":(\w+)", body))
        types = {name: _TYPES.get(name, "text") for name in names}
        listed = ", ".join(f"its_{name} {kind}" for name, kind in types.items())
        self.definition = (
            f"create or replace function {self.name}({listed}) returns table (its_1 text, its_2 text, its_3 text) "
            f"language plpgsql set enable_seqscan = off as $$ begin {re.sub(':', 'its_', body)} end $$"
        )
        given = ", ".join(f"cast(:{name} as {kind})" for name, kind in types.items())
        self.call = sa.text(f"select * from {self.name}({given})")


_TAKE = _Function(
    "take_claims",
    "insert into claims (run_id, provider, benchmark, question, haystack, place, failed) "
    f"select :run, provider, benchmark, question, haystack, :place, false from {_LISTED} "
    f"where not {_HELD} and not (alone and {_BEGUN}) order by number limit :most "
    "on conflict (run_id, provider, benchmark, question) do update set place = excluded.place "
    "returning provider, benchmark, question",
    before="perform pg_advisory_xact_lock(:key);",
)
_OVER = _Function(
    "questions_over",
    f"select provider, benchmark, question from {_LISTED} where {_DONE} or {_FAILED}",
)
_LEFT = _Function(
    "claims_left",
    "select provider, benchmark, question from claims listed where run_id = :run and place = any(:places) "
    f"and not failed and not {_DONE}",
)


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
        places = {"gone": list(presence.gone), "reachable": list(presence.reachable), "place": presence.place}
        key = claims_key(presence.checkpoint.run_id)
        return self._keys(_TAKE, {**self._listed(wanted), **places, "most": most, "key": key})

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
        found = self._presence.attempt(lambda connection: connection.execute(self._held).all())
        return set(map(QuestionKey._make, found))

    def failed(self, key: QuestionKey) -> None:
        """Note that a question of this place ended in an error, which is recorded; all places show it as it is."""
        values = {f"its_{name}": value for name, value in key._asdict().items()}
        self._presence.checkpoint.writer.submit(Put(self._fail, values))

    def _keys(self, function: _Function, values: Mapping[str, object]) -> set[QuestionKey]:
        def call(connection: sa.Connection) -> set[QuestionKey]:
            if function.name not in connection.info:
                connection.exec_driver_sql(function.definition)
                connection.info[function.name] = True
            return set(map(QuestionKey._make, connection.execute(function.call, values)))

        return self._presence.attempt(call)

    def _listed(self, wanted: Sequence[Wanted]) -> dict[str, object]:
        return {
            "run": self._presence.checkpoint.run_id,
            "providers": [one.key.provider for one in wanted],
            "benchmarks": [one.key.benchmark for one in wanted],
            "questions": [one.key.question for one in wanted],
            "haystacks": [one.haystack for one in wanted],
            "alone": [one.alone for one in wanted],
        }
