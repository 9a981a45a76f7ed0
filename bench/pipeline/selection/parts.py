"""The two parts of a benchmark: settings are searched for on one, and measured on the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from vocabulary import Case

TUNE_SHARE = 0.6
"""Which share of the haystacks the search may see."""

_DRAWS = 64
"""So many splits are drawn, and the one whose parts are most alike in their types of questions is taken."""


def part_of(cases: Sequence[Case], name: str, seed: int) -> tuple[list[Case], str]:
    """The cases of the part "tune" or "holdout", and what is to be said of it.

    All questions of a cluster (those about one haystack or, in ConvoMem, one person) are in the same part, and the same
    ones on every machine. A benchmark with one haystack is split by its questions, within each type.
    """
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        sizes[case.cluster][case.gold.question_type] += 1
    if len({case.haystack for case in cases}) > 1:
        chosen = _draw(sizes, seed)
        kept = [case for case in cases if (case.cluster in chosen) == (name == "tune")]
        clusters = len({case.cluster for case in kept})
        return kept, f"the {name} part ({clusters} of {len(sizes)} clusters, seed {seed})"
    tuned = _draw_questions(cases, seed)
    kept = [case for case in cases if (case.id in tuned) == (name == "tune")]
    return kept, f"the {name} part ({len(kept)} of {len(cases)} questions about one haystack, seed {seed})"


def _draw(sizes: Mapping[str, Counter[str]], seed: int) -> frozenset[str]:
    """The clusters to tune on."""
    everything = sum(sizes.values(), Counter[str]())
    many = min(len(sizes) - 1, max(1, round(TUNE_SHARE * len(sizes))))

    def unlike(chosen: Iterable[str]) -> float:
        inside = sum((sizes[cluster] for cluster in chosen), Counter[str]())
        return sum(abs(inside[name] / everything[name] - TUNE_SHARE) for name in everything)

    drawn = (sorted(sizes, key=lambda cluster: _hash(seed, draw, cluster))[:many] for draw in range(_DRAWS))
    return frozenset(min(drawn, key=unlike))


def _draw_questions(cases: Sequence[Case], seed: int) -> frozenset[str]:
    by_type: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        by_type[case.gold.question_type].append(case.id)
    drawn = [sorted(ids, key=lambda id_: _hash(seed, 0, id_)) for ids in by_type.values()]
    return frozenset(id_ for ids in drawn for id_ in ids[: round(TUNE_SHARE * len(ids))])


def _hash(seed: int, draw: int, name: str) -> str:
    return sha256(f"{seed}:{draw}:{name}".encode()).hexdigest()
