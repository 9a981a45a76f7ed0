"""``--max-usd``: a run ends when its money is used, and can be continued.

Only the process that counts looks: the only one, or the controller of workers. It reads what the checkpoint has at most
once a second, so a run overshoots by what was done since, and by the calls that were under way.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.config import BenchmarkConfig
from bench.pipeline.participants import Participants, judge_record
from bench.pipeline.run_part import calls_models
from bench.pipeline.session import RunSession
from reports.report import Meter, Prices, check_limit, dollars, is_reached
from reports.store import Checkpoint, read_run
from vocabulary import ConfigurationError

_UNKNOWN = "a server did not say what it used, and what this run has spent is not known"
_WITHOUT = "What was done is kept; go on without a limit: pytest --lf --max-usd inf"


class Budget:
    """Calls `stop` once when what `meter` shows has reached `limit`, in dollars."""

    def __init__(self, limit: float, meter: Meter, stop: Callable[[], None]) -> None:
        self.used_up = False
        self._limit = limit
        self._meter = meter
        self._stop = stop

    def look(self) -> bool:
        """Whether the money is used."""
        if not self.used_up and is_reached(self._meter.usd(), self._limit):
            self.used_up = True
            self._stop()
        return self.used_up

    def message(self) -> str:
        """What was spent and how to go on, once all calls have ended."""
        spent = self._meter.look()
        if spent is None:
            return f"stopped, because {_UNKNOWN}: --max-usd {self._limit:g} cannot hold. {_WITHOUT}"
        return (
            f"stopped by --max-usd {self._limit:g}: {dollars(spent)} is spent on this run. What was done is kept; "
            f"go on with a larger limit: pytest --lf --max-usd {2 * self._limit:g}"
        )


def meter_of(checkpoint: Checkpoint, config: BenchmarkConfig, participants: Participants) -> Meter | None:
    """What counts the money of a run that was begun; None where nothing is to be paid for."""
    return Meter(checkpoint, read_run(checkpoint)) if calls_models(participants, config.until) else None


def check_budget(session: RunSession) -> None:
    """Make sure that ``--max-usd`` can hold and is not used up by what the run has done before.

    Raises `ConfigurationError`.
    """
    config, participants = session.config, session.participants
    limit = config.max_usd
    if limit is None or not calls_models(participants, config.until):
        return
    judges = [judge_record(judge) for judge in participants.judges] if config.until == "judge" else []
    check_limit(limit, Prices(session.began), participants.answerer_record, judges)
    if not session.exists:
        return
    checkpoint = Checkpoint(session.url, session.run_id)
    try:
        spent = Meter(checkpoint, read_run(checkpoint)).look()
    finally:
        checkpoint.close()
    if spent is None:
        raise ConfigurationError(f"--max-usd {limit:g} cannot hold for run {session.run_id}: {_UNKNOWN}. {_WITHOUT}")
    if is_reached(spent, limit):
        raise ConfigurationError(
            f"run {session.run_id} has spent {dollars(spent)}, and --max-usd is {limit:g} for all of it: go on with a "
            f"larger one, as in --max-usd {2 * limit:g}."
        )
