"""Where several judges or repeats vote on an answer: how a vote is called, and what the votes come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vocabulary import VerdictLabel


def vote_name(judge: str, repeat: int) -> str:
    """What a vote is called among the steps of its question: no phase has such a name."""
    return f"judge/{repeat}/{judge}"


def majority(labels: Iterable[VerdictLabel]) -> VerdictLabel:
    """What these labels come to, of which there must be one.

    "correct" only if more than half of them say so: a tie is not correct. Otherwise "abstained" if more say that than
    say "wrong", and else "wrong".
    """
    counts = Counter(labels)
    if not counts:
        raise ValueError("there is no majority of no votes")
    if 2 * counts["correct"] > counts.total():
        return "correct"
    return "abstained" if counts["abstained"] > counts["wrong"] else "wrong"
