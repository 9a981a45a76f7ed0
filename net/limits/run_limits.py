"""What the places of a run have in common: an interface, which a database is behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

ALL = ""
"""The name of what may be in flight of all services."""


class Booked(NamedTuple):
    """Turns of a rate: in how many seconds the first may be used, and how long the last pause still lasts."""

    wait: float
    pause: float


class Demand(NamedTuple):
    """What a process has of the `total` of all places: `kept` may be in flight here, `wanted` were needed of late."""

    total: int
    kept: int
    wanted: int


class Division(NamedTuple):
    """The parts of a process by name, which hold for so many `seconds`, and the rest of pauses by service.

    `again` is in how many seconds to divide again.
    """

    parts: Mapping[str, int]
    pauses: Mapping[str, float]
    seconds: float
    again: float


class RunLimits(Protocol):
    """What the places of a run have in common. The methods block; threads call them."""

    def book(self, service: str, interval: float, turns: int) -> Booked:
        """Take the next turns of a service, so many seconds apart."""

    def pause(self, service: str, seconds: float) -> None:
        """Let no call to a service begin for so long."""

    def divide(self, demands: Mapping[str, Demand]) -> Division:
        """What this process may have in flight from now on, by name, given what it has and needs."""

    def close(self) -> None:
        """Close what is open."""
