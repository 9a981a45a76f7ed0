"""The questions of one process while pytest runs them: begun ahead, tried again, and dropped once they are reported."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from bench.plugin.fixtures import RUNNER, question_of, questions_of
from bench.plugin.garbage import spare_collections
from bench.plugin.outcomes import STORY, TestOutcome
from bench.plugin.scheduler import groups_file, share_of, upcoming_items, write_groups
from bench.plugin.state import PluginState
from reports.show import full_story
from reports.store import SelectedQuestion, each_once
from vocabulary import CheckpointError, MemoryBenchError, StalledError


class Running:
    """Hooks around each test; `begin` opens the run when the selection is known."""

    def __init__(self, state: PluginState) -> None:
        self._state = state
        self._positions: dict[pytest.Item, int] = {}
        self._tried: set[pytest.Item] = set()

    def begin(self, items: list[pytest.Item], run: list[SelectedQuestion]) -> None:
        """Open the run, which is or will be about the questions `run`, and begin those of `items`."""
        state, session = self._state, self._state.session
        state.checkpoint = session.open()
        state.runner = runner = session.work(state.checkpoint, state.benchmarks)
        state.config.stash[RUNNER] = runner
        if state.config.getoption("xmlpath", None):
            state.config.stash[STORY] = self._story
        runner.seal(each_once(run), session.shard)
        first = share_of(session.worker, session.workers, len(state.selected)).start
        runner.expect([*state.selected[first:], *state.selected[:first]])
        self._positions = {item: position for position, item in enumerate(items)}
        if state.is_worker:
            self._keep_containers_together(items)
        spare_collections()
        _do_without_reruns(state.config, items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """End 0.3 s earlier after 2,000 questions."""
        if self._state.runner is not None:
            spare_collections()

    def _keep_containers_together(self, items: list[pytest.Item]) -> None:
        """Write for the controller which containers have to stay with one worker."""
        lone = self._state.config.stash[RUNNER].lone_container
        groups = [lone(question) if (question := question_of(item)) else None for item in items]
        if any(groups):
            write_groups(groups_file(self._state.session.folder, self._state.session.invocation), groups)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Begin this question and those that follow it."""
        if self._state.runner is not None and question_of(item) is not None:
            try:
                self._state.runner.look_ahead(self._upcoming(item, nextitem))
            except (CheckpointError, StalledError) as error:  # the test will meet it too
                self._give_up(item.session, error)

    def _upcoming(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[SelectedQuestion]:
        if handed := self._state.handed:
            return questions_of(upcoming_items(item.session, item, nextitem, queue=handed.queue))
        return questions_of(islice(item.session.items, self._positions[item], None))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Try again what ended in an error, if pytest runs its test again; a job may have failed before its first."""
        question = question_of(item)
        if question is None or self._state.runner is None:
            return
        if item in self._tried:
            self._state.runner.retry(question)
        self._tried.add(item)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Free the memory of the question."""
        question = question_of(item)
        if question is not None and self._state.runner is not None:
            self._state.runner.forget(question)

    def _story(self, outcome: TestOutcome) -> str:
        return self._state.account(outcome, full_story)

    @pytest.hookimpl
    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
        """Without a checkpoint nothing can be kept, and without a loop nothing be done: stop here."""
        fault = call.excinfo.value if call.excinfo else None
        if isinstance(fault, CheckpointError | StalledError):
            self._give_up(node.session, fault)

    def _give_up(self, session: pytest.Session, fault: CheckpointError | StalledError) -> None:
        if not self._state.refused:
            self._state.refused = str(fault)
            session.shouldstop = "the checkpoint failed" if isinstance(fault, CheckpointError) else "it stalled"

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """What cannot go on for a reason that can be named ends with that reason, and without a traceback."""
        fault = excinfo.value
        if isinstance(fault, MemoryError):
            self._state.refused = self._state.refused or "there is no memory left: try fewer --in-flight or -n"
        elif isinstance(fault, MemoryBenchError):
            self._state.refused = self._state.refused or str(fault)
        else:
            return
        raise pytest.exit.Exception("no question can be run any more", returncode=pytest.ExitCode.USAGE_ERROR)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Leave out frames without a line: an interrupt may come where Python has none, and pytest cannot show that."""
        excinfo.traceback = excinfo.traceback.filter(_has_a_line)


def _do_without_reruns(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out rerunfailures where it has nothing to do: it keeps five records and a traceback of each question."""
    plugins = config.pluginmanager
    if not plugins.hasplugin("rerunfailures"):
        return
    requested = config.getoption("reruns") or config.getini("reruns")
    if not requested and not any(item.get_closest_marker("flaky") for item in items):
        plugins.unregister(name="rerunfailures")


def _has_a_line(entry: Any) -> bool:  # pytest has no public name for an entry of a traceback
    try:
        return isinstance(entry.lineno, int)
    except TypeError:
        return False
