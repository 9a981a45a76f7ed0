"""From what is named on a command line to the sides of comparisons: a provider each, of one run or of repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reports.differences import Baseline
from vocabulary import ConfigurationError

VERSUS = "vs"
"""Between groups of runs: those of a group are repeats of each other."""


@dataclass(frozen=True)
class Side:
    """A provider in one run, or in several that repeat each other."""

    runs: tuple[Baseline, ...]
    provider: str

    @property
    def label(self) -> str:
        """The runs by their ids."""
        return " ".join(run.run.id for run in self.runs)


def sides_of(
    words: Sequence[str], providers: Sequence[str], find: Callable[[str], Baseline]
) -> list[tuple[Side, list[Side]]]:
    """What is to be compared: a baseline and the sides that are compared with it, for each provider.

    `words` name runs that `find` finds, the first being the baseline, or groups of repeats with ``vs`` between them.
    `providers` chooses among those of the runs; without it, all that every run has. Where the runs have none in common,
    each must have just one. Raises `ConfigurationError` where it is not clear what is meant.
    """
    groups = [[find(word) for word in group] for group in _groups(words)]
    names = [_common(group) for group in groups]
    if len(groups) == 1:
        return [_within(groups[0], providers or names[0])]
    if providers:
        for group, known in zip(groups, names, strict=True):
            if not set(providers) & set(known):
                raise _unclear(group, known, f"none of them is {' or '.join(providers)}")
        names = [[name for name in known if name in providers] for known in names]
    common = [name for name in names[0] if all(name in known for known in names)]
    if common:
        return [_sides([(group, name) for group in groups]) for name in common]
    for group, known in zip(groups, names, strict=True):
        if len(known) != 1:
            raise _unclear(group, known, "the runs have no provider in common")
    return [_sides([(group, known[0]) for group, known in zip(groups, names, strict=True)])]


def _groups(words: Sequence[str]) -> Iterator[Sequence[str]]:
    if VERSUS not in words:
        yield from ([word] for word in words)
        return
    group: list[str] = []
    for word in [*words, VERSUS]:
        if word != VERSUS:
            group.append(word)
        elif group:
            yield group
            group = []
        else:
            raise ConfigurationError(f"{VERSUS} stands between runs, as in: compare A1 A2 {VERSUS} B1 B2.")


def _common(group: Sequence[Baseline]) -> list[str]:
    """The providers that all runs of a group have."""
    known = [name for name in group[0].providers if all(name in run.providers for run in group)]
    if not known:
        runs = " and ".join(run.run.id for run in group)
        raise ConfigurationError(f"{runs} have no provider in common: they are no repeats of each other.")
    return known


def _within(group: Sequence[Baseline], providers: Sequence[str]) -> tuple[Side, list[Side]]:
    """The providers of one run against each other."""
    chosen = list(dict.fromkeys(providers))
    if len(chosen) < 2:
        run = group[0].run.id
        raise ConfigurationError(
            f"one run with one provider is nothing to compare: name another run beside {run}, or, of a run with "
            f"several providers, two of them as {run}/NAME."
        )
    for name in chosen:
        group[0].only(name)
    return _sides([(group, name) for name in chosen])


def _sides(chosen: Sequence[tuple[Sequence[Baseline], str]]) -> tuple[Side, list[Side]]:
    first, *others = (Side(tuple(run.only(name) for run in group), name) for group, name in chosen)
    return first, others


def _unclear(group: Sequence[Baseline], known: Sequence[str], why: str) -> ConfigurationError:
    run = group[0].run.id
    return ConfigurationError(
        f"run {run} has the providers {', '.join(known)}, and {why}: name one, as in {run}/{known[0]}, or choose with "
        "--provider."
    )
