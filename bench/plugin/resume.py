"""``pytest --lf`` for benchmarks: finish what is unfinished, look again at what was wrong.

The last run and how it was asked for are remembered in pytest's cache; what is left of it is read from its checkpoint,
so that nothing depends on how the last process ended.
"""

from __future__ import annotations

import json
import os
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.config import ENVIRONMENT_PREFIX, BenchmarkConfig
from bench.plugin.opt_in import about_benchmarks, absolute_argument
from bench.plugin.options import given_options
from reports.store import (
    Checkpoint,
    QuestionKey,
    RunRecord,
    open_run,
    read_progress,
    read_run,
    replace_file,
    same_database,
    without_password,
    wrong_questions,
)
from vocabulary import ConfigurationError, MemoryBenchError

_FOLDER, _FILE = "memorybench", "run.json"
"""In pytest's cache. Not one of its values: pytest truncates these before it writes them."""
_FORGOTTEN = {"retry_from", "run_id"}
_STOCK = ("lfplugin", "lfplugin-collwrapper")
"""What pytest's own ``--lf`` consists of."""
_GATE = {"fail_under", "max_errors", "baseline", "no_worse", "max_drop", "max_rise"}


@dataclass(frozen=True)
class Resumption:
    """What ``--lf`` came to.

    `options` are those of the remembered run and `selection` is how pytest was asked to choose from it. `run_id`
    continues that run; without it a run of its own is begun. The questions in `skip` are not asked, and none but those
    in `only`. `second_look_at` is the finished run whose wrong questions these are. `left` is how many questions are to
    be asked, None if that is not known.
    """

    options: dict[str, object]
    selection: dict[str, Any]
    message: str
    run_id: str | None = None
    skip: frozenset[QuestionKey] = frozenset()
    only: frozenset[QuestionKey] | None = None
    second_look_at: str | None = None
    left: int | None = None

    @property
    def continues(self) -> bool:
        """Whether it goes on with a run; then there is a report to write even if no question is left."""
        return self.run_id is not None


class LastRun:
    """What is remembered of the last run, in pytest's cache; nothing where pytest has none."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._former: dict[str, Any] | None = None
        self._changed = False

    def keep(self, settings: BenchmarkConfig, run_id: str, *, begun: bool) -> None:
        """Keep how this run was asked for; `begun` says that there is a record of it."""
        config = self._config
        if not config.pluginmanager.hasplugin("cacheprovider") or config.cache is None:
            return
        if not self._changed:
            self._former = _remembered(config.cache)
            self._changed = True
        options = settings.model_dump(mode="json", include=settings.model_fields_set - _FORGOTTEN)
        if settings.checkpoint_url:
            options["checkpoint_url"] = without_password(settings.checkpoint_url)
        last = {
            "run_id": run_id,
            "begun": begun,
            "runs_dir": str(settings.runs_dir.absolute()),
            "options": options,
            "selection": {
                "args": [absolute_argument(config, argument) for argument in config.args],
                "keyword": config.option.keyword,
                "markexpr": config.option.markexpr,
                "deselect": config.option.deselect,
            },
        }
        _remember(config.cache, last)

    def restore(self) -> None:
        """Remember the run before, because this one was refused before it began."""
        if self._changed and self._config.cache is not None:
            _remember(self._config.cache, self._former)


def resume(config: pytest.Config) -> Resumption | None:
    """What ``--lf`` means now; None if it is not about a benchmark's run, and pytest's own ``--lf`` is to do it.

    Raises `MemoryBenchError` if the run is gone or was not of these settings.
    """
    if not config.getoption("lf", False) or config.cache is None or not about_benchmarks(config):
        return None
    last = _remembered(config.cache)
    if last is None:
        return None
    given = given_options(config)
    if url := last["options"].get("checkpoint_url"):
        in_environment = os.environ.get(f"{ENVIRONMENT_PREFIX}CHECKPOINT_URL")
        whole = given.get("checkpoint_url"), in_environment, config.getini("memorybench_checkpoint_url")
        last["options"]["checkpoint_url"] = same_database(url, [str(one) for one in whole if one])
    checkpoint = _open(last)
    if checkpoint is None:
        message = f"run {last['run_id']} was stopped before it began, and begins now"
        return Resumption(_options(last), last["selection"], message, run_id=last["run_id"])
    try:
        run = _Last.read(checkpoint, last)
        if run.is_over and "retry_from" not in given:
            return _look_again(run)
        _check_place(run, given)
        return _continue(run, all_again="retry_from" in given)
    finally:
        checkpoint.close()


def take_over(config: pytest.Config, selection: Mapping[str, Any]) -> None:
    """Choose like the last run where the command line says nothing else, and keep pytest's own ``--lf`` out of it."""
    config.option.lf = False
    for plugin in _STOCK:
        if config.pluginmanager.hasplugin(plugin):
            config.pluginmanager.unregister(name=plugin)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = list(selection["args"])
    for name in ("keyword", "markexpr", "deselect"):
        setattr(config.option, name, getattr(config.option, name) or selection[name])


def _remembered(cache: pytest.Cache) -> dict[str, Any] | None:
    try:
        last: dict[str, Any] = json.loads((cache.mkdir(_FOLDER) / _FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return last


def _remember(cache: pytest.Cache, last: dict[str, Any] | None) -> None:
    try:
        path = cache.mkdir(_FOLDER) / _FILE
        if last is None:
            path.unlink(missing_ok=True)
        else:
            replace_file(path, json.dumps(last, indent=2) + "\n")
    except OSError as error:
        warnings.warn(pytest.PytestCacheWarning(f"--lf will not find this run: {error}"), stacklevel=2)


def _open(last: Mapping[str, Any]) -> Checkpoint | None:
    """The record of the last run; None if it was stopped before it had one."""
    try:
        if url := last["options"].get("checkpoint_url"):
            checkpoint = Checkpoint(url, last["run_id"])
        else:
            checkpoint = open_run(Path(last["runs_dir"]), last["run_id"])
        if not last["begun"]:
            read_run(checkpoint)
    except MemoryBenchError as error:
        if not last["begun"]:
            return None
        raise ConfigurationError(f"--lf: {error} Without --lf a new run is begun.") from error
    return checkpoint


def _options(last: Mapping[str, Any]) -> dict[str, object]:
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in last["options"].items()}
    return {**options, "runs_dir": last["runs_dir"]}


@dataclass(frozen=True)
class _Last:
    """The remembered run, and how far it is."""

    record: RunRecord
    runs_dir: Path
    options: dict[str, object]
    selection: dict[str, Any]
    selected: frozenset[QuestionKey]
    ended: frozenset[QuestionKey]
    wrong: frozenset[QuestionKey]
    errors: int

    @classmethod
    def read(cls, checkpoint: Checkpoint, last: Mapping[str, Any]) -> _Last:
        record = read_run(checkpoint)
        deque(checkpoint.settled_records(), maxlen=0)  # what is damaged is not done
        return cls(
            record=record,
            runs_dir=Path(last["runs_dir"]),
            options=_options(last),
            selection=last["selection"],
            selected=frozenset(checkpoint.selected()),
            ended=frozenset(checkpoint.ended(record.until)),
            wrong=frozenset(wrong_questions(checkpoint)),
            errors=read_progress(checkpoint, record.until).errors,
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, down to the report: a run may be killed between its last answer and that."""
        if not self.selected or not self.selected <= self.ended or self.record.finished is None:
            return False
        try:
            report = json.loads((self.runs_dir / self.record.id / "report.json").read_text())
        except (OSError, ValueError):
            return False
        return bool(report["run"]["finished"])


def _check_place(run: _Last, given: Mapping[str, object]) -> None:
    """A run is continued where it is and as what it is."""
    run_id, runs_dir = given.get("run_id", run.record.id), Path(str(given.get("runs_dir", run.runs_dir)))
    if run_id != run.record.id or runs_dir.absolute() != run.runs_dir:
        raise ConfigurationError(
            f"--lf continues the last run, {run.record.id} in {run.runs_dir}, and not {run_id} in {runs_dir}: leave "
            "out --lf to continue or begin another one."
        )


def _continue(run: _Last, *, all_again: bool) -> Resumption:
    left = len(run.selected - run.ended)
    done = f"{len(run.ended)} of {len(run.selected)} questions are done"
    if all_again:
        message = f"asking run {run.record.id} again"
    elif run.selected and not left:
        message = f"resuming run {run.record.id}: {done}, and its report is to be written"
    else:
        errors = f", {run.errors} of them after an error" if run.errors else ""
        message = f"resuming run {run.record.id}: {done}, {left} to do{errors}"
    second_look_at = run.record.second_look_at
    return Resumption(
        run.options,
        run.selection,
        message,
        run_id=run.record.id,
        skip=frozenset() if all_again else run.ended,
        only=run.selected if second_look_at and run.selected else None,
        second_look_at=second_look_at,
        left=None if all_again or not run.selected else left,
    )


def _look_again(run: _Last) -> Resumption:
    message = (
        f"second look at run {run.record.id}: {len(run.wrong)} of {len(run.selected)} questions were not answered "
        "right and are asked again, in a run of their own"
        if run.wrong
        else f"run {run.record.id} is finished, and there is nothing in it to look at again"
    )
    without_gate = {name: value for name, value in run.options.items() if name not in _GATE}
    return Resumption(
        without_gate, run.selection, message, only=run.wrong, second_look_at=run.record.id, left=len(run.wrong)
    )
