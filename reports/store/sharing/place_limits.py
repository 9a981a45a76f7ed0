"""The limits of a run over its places: turns of a rate, and each place's part of what may be in flight.

A rate is a row with the time of the next turn (generic cell rate algorithm). Parts are rows too, and no locks of the
session, which would all be lost when the database is restarted while the calls go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any  # the columns of a row are known only when it is read

import sqlalchemy as sa

from net import Booked, Demand, Division
from reports.store import tables
from reports.store.leases import DEAD_AFTER_SECONDS
from reports.store.sharing.presence import Presence
from reports.store.sharing.shared_tables import lock_parts, parts

DIVIDE_SECONDS = 1.0
"""How often a place looks at its part; less often where many places do."""

_UNSETTLED_SECONDS = 0.2
_EACH_PLACE_SECONDS = 0.02
_LONGEST_SECONDS = 10.0
_TURN_SECONDS = 5

_NOW = "extract(epoch from clock_timestamp())::float8"
_BOOK = sa.text(
    f"update rates set next = greatest(next, {_NOW}) + :taken where run_id = :run and service = :service "
    f"returning next - :taken - {_NOW}, pause_end - {_NOW}"
)
_FIRST = sa.text(
    f"insert into rates (run_id, service, next, pause_end) values (:run, :service, {_NOW}, 0) on conflict do nothing"
)
_PAUSE = sa.text(
    f"update rates set next = greatest(next, {_NOW} + :seconds), pause_end = greatest(pause_end, {_NOW} + :seconds) "
    "where run_id = :run and service = :service returning 1"
)
_PAUSES = sa.text(f"select service, pause_end - {_NOW} from rates where run_id = :run and pause_end > {_NOW}")


class PlaceLimits:
    """`net.RunLimits` of the run that `presence` takes part in. Methods raise `CheckpointError`."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._run = {"run": presence.checkpoint.run_id}
        self._turns: sa.Connection | None = None
        columns = parts.c
        self._read = sa.select(columns.place, columns.service, columns.kept, columns.wanted).where(
            columns.run_id == presence.checkpoint.run_id
        )
        insert = tables.upsert(presence.checkpoint.engine, parts)
        self._write = insert.on_conflict_do_update(
            index_elements=[*parts.primary_key],
            set_={"kept": insert.excluded.kept, "wanted": insert.excluded.wanted},
        )

    def book(self, service: str, interval: float, turns: int) -> Booked:
        """Take the next turns of a service, so many seconds apart."""
        return Booked(*self._change(_BOOK, {**self._run, "service": service, "taken": interval * turns}))

    def pause(self, service: str, seconds: float) -> None:
        """Let no call to a service begin for so long, at any place."""
        self._change(_PAUSE, {**self._run, "service": service, "seconds": seconds})

    def divide(self, demands: Mapping[str, Demand]) -> Division:
        """What this place may have in flight from now on, by service.

        All places divide alike. One whose part became smaller keeps the rest until its calls have ended, and nobody
        takes what another keeps: so the total holds at any moment.
        """
        return self._presence.transact(lambda connection: self._divided(connection, demands))

    def close(self) -> None:
        """Close the connection for turns."""
        if self._turns is not None:
            self._turns.close()
            self._turns = None

    def _divided(self, connection: sa.Connection, demands: Mapping[str, Demand]) -> Division:
        me = self._presence.place
        lock_parts(connection, self._run["run"])
        living, leaving = self._presence.at_work(connection)
        now: float = connection.execute(sa.select(tables.now(connection.engine))).scalar_one()
        rows = [row for row in connection.execute(self._read) if row.place in living | leaving]
        found, written, settled = {}, [], True
        for service, demand in demands.items():
            here = {row.place: row for row in rows if row.service == service}
            wants = {place: row.wanted for place, row in here.items() if place in living} | {me: demand.wanted}
            fair = fair_parts(demand.total, wants, turn=int(now // _TURN_SECONDS))[me]
            part = max(0, min(fair, demand.total - sum(row.kept for place, row in here.items() if place != me)))
            kept = max(part, demand.kept)
            settled &= part == fair == kept
            found[service] = part
            if me not in here or (here[me].kept, here[me].wanted) != (kept, demand.wanted):
                written.append({"service": service, "kept": kept, "wanted": demand.wanted})
        if written:
            key = {"run_id": self._run["run"], "place": me}
            connection.execute(self._write, [{**key, **values} for values in written])
        pauses = {row[0]: row[1] for row in connection.execute(_PAUSES, self._run)}
        again = max(DIVIDE_SECONDS if settled else _UNSETTLED_SECONDS, _EACH_PLACE_SECONDS * len(living))
        again = min(again, _LONGEST_SECONDS)
        return Division(found, pauses, DEAD_AFTER_SECONDS / 2, again)

    def _change(self, statement: sa.TextClause, values: Mapping[str, object]) -> Sequence[Any]:
        """Change the row of a service, which is made if there is none."""

        def work() -> Sequence[Any]:
            try:
                if self._turns is None:
                    self._turns = self._connected()
                while (row := self._turns.execute(statement, values).one_or_none()) is None:
                    self._turns.execute(_FIRST, {name: values[name] for name in ("run", "service")})
            except sa.exc.SQLAlchemyError:
                self.close()
                raise
            return row

        return self._presence.checkpoint.attempt(work, "written")

    def _connected(self) -> sa.Connection:
        """A connection of its own, where a statement is a transaction and nobody waits for the server's disk.

        A server that crashes forgets the turns of its last moment.
        """
        connection = self._presence.checkpoint.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        connection.execute(sa.text("set synchronous_commit = off"))
        return connection


def fair_parts(total: int, wants: Mapping[str, int], *, turn: int) -> dict[str, int]:
    """What each place may have of `total`: what it wants, at least one, as far as no other has less for it.

    What nobody wants is divided alike. Where more places want some than there are, each has one at its turn.
    """
    places = sorted(wants)
    if len(places) > total:
        places = [place for place in places if wants[place]] or places
    if len(places) > total:
        first = turn * total % len(places)
        return dict.fromkeys(wants, 0) | {places[(first + number) % len(places)]: 1 for number in range(total)}
    found, left = dict.fromkeys(wants, 0), total
    for number, place in enumerate(sorted(places, key=lambda place: wants[place])):
        found[place] = min(max(1, wants[place]), left // (len(places) - number))
        left -= found[place]
    for number, place in enumerate(places):
        found[place] += left // len(places) + (number < left % len(places))
    return found
