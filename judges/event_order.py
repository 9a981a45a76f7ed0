"""BEAM's score of how well an answer keeps the order of events: Kendall's tau-b, as the paper's code has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations


def event_order(lines: Sequence[tuple[str, int | None]], events: int) -> float:
    """(tau-b + 1) / 2 between the order of `events` events and that of an answer's lines, from 0 to 1.

    Each line is a text and the number of the event that it tells, counted from 0; None, or an event that an earlier
    line told, stands for something else. As ``event_ordering_score`` of the paper's code (Tavakoli et al. 2025, arXiv
    2510.27246): both orders are over all events and all other lines, equal lines being one with the last one's place,
    and what an order lacks has the rank after all others. So an answer that tells
    all in order loses by a line before them, and by a second line after them. Where all ranks of an order are equal,
    tau-b is undefined, and the score 0.
    """
    order: list[str | int] = []
    for text, event in lines:
        order.append(text if event is None or event in order else event)
    every: list[str | int] = list(dict.fromkeys([*range(events), *order]))
    last = len(every) + 1
    given = {one: place for place, one in enumerate(order, start=1)}
    wanted = [one + 1 if isinstance(one, int) else last for one in every]
    tau = _tau_b(wanted, [given.get(one, last) for one in every])
    return 0.0 if tau is None else (tau + 1) / 2


def _tau_b(one: Sequence[int], other: Sequence[int]) -> float | None:
    """Kendall's tau-b of two rankings with ties (Kendall 1945, Biometrika 33); None where one has but one rank."""
    surplus = untied_one = untied_other = 0
    for first, second in combinations(range(len(one)), 2):
        mine, theirs = one[first] - one[second], other[first] - other[second]
        untied_one += mine != 0
        untied_other += theirs != 0
        surplus += (mine * theirs > 0) - (mine * theirs < 0)
    return surplus / math.sqrt(untied_one * untied_other) if untied_one and untied_other else None
