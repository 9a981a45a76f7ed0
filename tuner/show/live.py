"""A search while it goes on: a table that is drawn anew on a terminal, a line for each trial anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

from tuner.search import Search
from tuner.show.tables import progress_line, stopped_line, written
from tuner.trials import SAME_AS, Trial, finished, spent, stopped
from tuner.watching import Stop

if TYPE_CHECKING:
    from rich.console import Console, Group

_SHOWN = 10


@contextmanager
def shown_live(search: Search, console: Console | None = None) -> Iterator[Callable[[], None]]:
    """Show what comes of `search` while the block runs, which calls the function that this gives after each trial.

    `console` is the terminal; by default the standard output, if that is one.
    """
    if console is None and not sys.stdout.isatty():
        lines = _Lines(search)
        try:
            yield lines.look
        finally:
            lines.look()
        return
    from rich.live import Live

    with Live(_Table(search), console=console, refresh_per_second=1) as live:  # Ctrl-C gives the cursor back
        yield live.refresh


class _Lines:
    def __init__(self, search: Search) -> None:
        self._search = search
        self._seen = set(self._ended())

    def look(self) -> None:
        """Print what has ended since the last time."""
        ended = self._ended()
        for number in sorted(ended.keys() - self._seen):
            self._seen.add(number)
            print(ended[number], flush=True)

    def _ended(self) -> dict[int, str]:
        study = self._search.study
        lines = {trial.number: progress_line(self._search, trial) for trial in finished(study)}
        return lines | {number: stopped_line(number, stop) for number, stop in stopped(study).items()}


class _Table:
    """Drawn by rich's own thread, so that time goes on while a trial is measured."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._begun = time.monotonic()

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.table import Table

        study, goals = self._search.study, self._search.settings.goals
        known, early = {trial.number: trial for trial in finished(study)}, stopped(study)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("TRIAL", "STATE", *(goal.metric.upper() for goal in goals), "SETTINGS"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for one in study.get_trials(deepcopy=False)[-_SHOWN:]:
            trial = known.get(one.number)
            values = [f"{trial.metrics[goal.metric]:.4g}" if trial else "" for goal in goals]
            params = one.user_attrs.get("params", one.params)
            shown = " ".join(f"{name}={written(value)}" for name, value in params.items())
            table.add_row(str(one.number), _state(one, trial, early), *values, shown)
        return Group(table, self._summary(known), "")

    def _summary(self, known: Mapping[int, Trial]) -> str:
        search, goal = self._search, self._search.settings.goals[0]
        sign = 1 if goal.direction == "maximize" else -1
        kept = [trial for trial in known.values() if trial.feasible]
        best = max(kept, key=lambda trial: sign * trial.metrics[goal.metric], default=None)
        parts = [f"{len(known)} of {search.limits.trials} trials measured"]
        if best:
            parts.append(f"best so far: trial {best.number}, {goal.metric} {best.metrics[goal.metric]:.4g}")
        if len(search.settings.goals) > 1:
            parts.append(f"{len(search.study.best_trials)} on the front")
        limit = "" if search.limits.max_usd is None else f" of ${search.limits.max_usd:g}"
        parts.append(f"${spent(search.study):.2f}{limit} spent")
        seconds = time.monotonic() - self._begun
        left = None if search.limits.seconds is None else max(0.0, search.limits.seconds - seconds)
        parts.append(f"{seconds:.0f} s" if left is None else f"{left:.0f} s left")
        return "; ".join(parts)


def _state(one: FrozenTrial, trial: Trial | None, early: Mapping[int, Stop]) -> str:
    if stop := early.get(one.number):
        return f"stopped at {stop.asked} of {stop.total}"
    if SAME_AS in one.user_attrs:
        return f"as trial {one.user_attrs[SAME_AS]}"
    if trial and not trial.feasible:
        return "breaks a constraint"
    return "measured" if one.state is TrialState.COMPLETE else one.state.name.lower()
