"""What one pytest process knows of its run: made once, shared by the parts of the plugin."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import pytest

from bench.pipeline import OpenBenchmark, Runner, RunSession, check_budget, check_engine
from bench.plugin.opt_in import about_benchmarks
from bench.plugin.options import read_config
from bench.plugin.outcomes import TestOutcome
from bench.plugin.resume import LastRun, Resumption, resume, take_over
from bench.plugin.scheduler import Handed, handed_to, report_refusal
from providers import Provider
from reports.store import Checkpoint, QuestionRecord, SelectedQuestion, shown
from vocabulary import CheckpointError, ConfigurationError, MemoryBenchError


@dataclass(eq=False)  # pytest keeps plugins in sets
class PluginState:
    """One pytest process: the only one, a worker of xdist's, or the controller of workers.

    `selection_source` says what a worker or ``--lf`` selects by, None where the command line alone does.
    `nothing_to_resume` says that ``--lf`` was given and no run is remembered. `missing` gives the selected benchmarks
    without data, with the reason, in the process that collects. `refused` is why nothing could be run or recorded. It
    is registered as the plugin ``memorybench``.
    """

    config: pytest.Config
    session: RunSession
    handed: Handed | None = None
    resumption: Resumption | None = None
    last_run: LastRun = field(init=False)
    benchmarks: dict[str, OpenBenchmark] = field(default_factory=dict)
    selected: list[SelectedQuestion] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    runner: Runner | None = None
    nothing_to_resume: bool = False
    missing: dict[str, str] = field(default_factory=dict)
    refused: str | None = None

    def __post_init__(self) -> None:
        self.last_run = LastRun(self.config)

    @classmethod
    def of(cls, config: pytest.Config) -> PluginState:
        """Checks all that can be checked before anything is collected; raises `pytest.UsageError`."""
        handed = handed_to(config)
        if handed:
            if handed.selection:
                take_over(config, handed.selection)
            worker: dict[str, str | int] = config.workerinput  # type: ignore[attr-defined]  # xdist's, on workers only
            workers = int(worker["workercount"])
            return cls(config, handed.session(str(worker["workerid"]), workers), handed)
        resumption = None
        try:
            resumption = resume(config)
            nothing_to_resume = resumption is None and bool(config.getoption("lf", False)) and about_benchmarks(config)
            if resumption:
                take_over(config, resumption.selection)
            settings = read_config(config, resumption.options if resumption else None)
            session = RunSession(
                settings,
                _command(config, settings.checkpoint_url),
                run_id=(resumption.run_id if resumption else None) or "",
                second_look_at=resumption.second_look_at if resumption else None,
            )
            check_engine(session, _workers(config))
            check_budget(session)
            if config.getoption("memorybench_github_summary"):
                from reports.share import summary_file

                summary_file()
            if nothing_to_resume:
                _check_costs(session)
        except (MemoryBenchError, pytest.UsageError) as error:
            named = f"--lf, {resumption.message}: " if resumption else ""
            raise pytest.UsageError(f"{named}{error}") from error
        return cls(config, session, resumption=resumption, nothing_to_resume=nothing_to_resume)

    @property
    def is_worker(self) -> bool:
        """Whether this process was started by xdist."""
        return self.handed is not None

    @property
    def continues(self) -> bool:
        """Whether ``--lf`` goes on with an unfinished run."""
        return self.resumption is not None and self.resumption.continues

    @property
    def collects_only(self) -> bool:
        """Whether nothing will be run: ``--collect-only``, ``--plan`` or ``--setup-plan``."""
        return bool(self.config.option.collectonly or self.config.getoption("setupplan", False))

    def account(self, outcome: TestOutcome, tell: Callable[[QuestionRecord], str], *, results: bool = True) -> str:
        """What `tell` makes of the record of a question; why it cannot be read, if so."""
        assert self.checkpoint is not None
        try:
            return tell(self.checkpoint.question_record(outcome.key, results=results))
        except CheckpointError as error:
            return f"{outcome.question}  {outcome.word}  {error}"

    def flush(self) -> None:
        """Write down what is done, and nothing more: begin no further call."""
        if self.runner is not None:
            self.runner.hold()
        if self.checkpoint is not None:
            self.checkpoint.writer.close()

    def refuse(self, items: list[pytest.Item], reason: str) -> None:
        """Run nothing, and show `reason`: here, or in the controller. Raises `pytest.UsageError` in the former case."""
        if not self.is_worker:
            _usage_error(reason)
        items.clear()
        report_refusal(self.config, reason)


def _command(config: pytest.Config, url: str | None) -> str:
    """How pytest was called, without the password of the checkpoint's database."""
    arguments = map(str, config.invocation_params.args)
    return shlex.join(["pytest", *(text.replace(url, shown(url)) if url else text for text in arguments)])


def _workers(config: pytest.Config) -> str | None:
    """The option that asks for workers of xdist's, if any."""
    if config.getoption("dist", "no") == "no":
        return None
    return "-n" if config.getoption("numprocesses", None) is not None else "--tx"


def _check_costs(session: RunSession) -> None:
    """Begin no run that may cost money where another one was to be continued; raises `ConfigurationError`."""
    participants = session.participants
    paid = [
        *(f"provider {name}" for name, provider in participants.providers.items() if _may_cost(provider)),
        *([] if participants.answerer.offline else [f"answering model {participants.answerer.name}"]),
        *(f"judge {judge.name}" for judge in participants.judges if judge.model is not None),
    ]
    if paid and not session.config.run_id:
        raise ConfigurationError(
            f"--lf: no earlier run is remembered here, and a new one may cost money ({', '.join(paid)}). Leave out "
            "--lf to begin a new run, or name the run to continue with --run-id."
        )


def _may_cost(provider: type[Provider]) -> bool:
    return provider.limits.scope != "process" or "language model" in provider.capabilities.needs


def _usage_error(reason: str) -> NoReturn:
    raise pytest.UsageError(reason)
