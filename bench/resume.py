"""``pytest --lf`` for benchmarks: finish what is unfinished, look again at what was wrong.

The last run and how it was asked for are remembered in pytest's cache; what is left of it is read from its checkpoint,
so that nothing depends on how the last process ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.config import BenchmarkConfig
from bench.options import given_options
from reports import Checkpoint, QuestionKey, open_run, read_progress, read_run, wrong_questions
from schema import MemoryBenchError

_KEY = "memorybench/last"
_FORGOTTEN = {"retry_from", "run_id"}


@dataclass(frozen=True)
class Resumption:
    """What ``--lf`` came to.

    `options` are those of the remembered run. `run_id` continues that run without the questions in `skip`; without it
    the questions in `only` are asked again in a run of their own, as a second look at `second_look_at`.
    """

    options: dict[str, object]
    told: str
    run_id: str | None = None
    skip: frozenset[QuestionKey] = frozenset()
    only: frozenset[QuestionKey] | None = None
    second_look_at: str | None = None


def remember(config: pytest.Config, settings: BenchmarkConfig, run_id: str) -> None:
    """Keep how this run was asked for; nothing where pytest has no cache."""
    if config.pluginmanager.hasplugin("cacheprovider") and config.cache is not None:
        asked = settings.model_dump(mode="json", include=settings.model_fields_set - _FORGOTTEN)
        config.cache.set(
            _KEY,
            {
                "run_id": run_id,
                "runs_dir": str(settings.runs_dir.absolute()),
                "args": config.args,
                "keyword": config.option.keyword,
                "markexpr": config.option.markexpr,
                "options": asked,
            },
        )


def resume(config: pytest.Config, benchmarks: Path) -> Resumption | None:
    """What ``--lf`` means now; None if it is not about a benchmark's run, and pytest's own ``--lf`` is to do it.

    Puts the remembered selection back in place where the command line says nothing else.
    """
    if not config.getoption("lf", False) or config.cache is None:
        return None
    last: dict[str, Any] | None = config.cache.get(_KEY, None)
    if last is None or not about_benchmarks(config, benchmarks):
        return None
    try:
        checkpoint = _open(last)
    except MemoryBenchError as error:
        raise pytest.UsageError(f"--lf: {error}") from error
    _take_over(config, last)
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in last["options"].items()}
    options["runs_dir"] = last["runs_dir"]
    try:
        return _what_is_left(checkpoint, last["run_id"], {**options, **given_options(config)})
    finally:
        checkpoint.close()


def _open(last: dict[str, Any]) -> Checkpoint:
    if url := last["options"].get("checkpoint_url"):
        return Checkpoint(url, last["run_id"])
    return open_run(Path(last["runs_dir"]), last["run_id"])


def about_benchmarks(config: pytest.Config, benchmarks: Path) -> bool:
    """Whether the command line names nothing, or nothing but benchmarks."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return True
    paths = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    return all(path.is_relative_to(benchmarks) for path in paths)


def _take_over(config: pytest.Config, last: dict[str, Any]) -> None:
    """Make this a run like the last one, and keep pytest's own ``--lf`` out of it."""
    config.option.lf = False
    if config.pluginmanager.hasplugin("lfplugin"):
        config.pluginmanager.unregister(name="lfplugin")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = last["args"]
    config.option.keyword = config.option.keyword or last["keyword"]
    config.option.markexpr = config.option.markexpr or last["markexpr"]


def _what_is_left(checkpoint: Checkpoint, run_id: str, options: dict[str, object]) -> Resumption:
    run = read_run(checkpoint)
    progress = read_progress(checkpoint, run.until)
    left = progress.selected - progress.ended
    if left or not progress.selected:
        ended = frozenset(checkpoint.ended(run.until))
        errors = f", {progress.errors} of them after an error" if progress.errors else ""
        told = (
            f"resuming run {run_id}: {progress.ended} of {progress.selected} questions are done, {left} to do{errors}"
        )
        return Resumption(options, told, run_id=run_id, skip=ended)
    wrong = frozenset(wrong_questions(checkpoint))
    told = (
        f"second look at run {run_id}: {len(wrong)} of {progress.selected} questions were not answered right and are "
        "asked again, in a run of their own"
        if wrong
        else f"run {run_id} is finished, and there is nothing in it to look at again"
    )
    without_gate = {name: value for name, value in options.items() if name not in ("fail_under", "max_errors")}
    return Resumption(without_gate, told, only=wrong, second_look_at=run_id)
