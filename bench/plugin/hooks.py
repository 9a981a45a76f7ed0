"""The suite as a pytest plugin: options, fixtures, and the parts that take over once a session is configured.

A session that collects no benchmark's questions is left as it is.
"""

from __future__ import annotations

import sys
import warnings

import pytest

from bench.plugin.fixtures import MARK, answerer, asked_question, judge, memory, question
from bench.plugin.opt_in import MARK as ONLY_BY_NAME
from bench.plugin.opt_in import about_benchmarks
from bench.plugin.options import add_options, check_providers, read_config

__all__ = ["answerer", "asked_question", "judge", "memory", "question"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``--plan`` collects and runs nothing."""
    if config.getoption("memorybench_plan"):
        config.option.collectonly = True
        config.option.verbose = min(config.option.verbose, 0) - 2


def pytest_configure(config: pytest.Config) -> None:
    """Check all that can be checked before anything is collected, and register the parts of the plugin."""
    _show_start(config)
    config.addinivalue_line("markers", f"{MARK}(benchmark): make a test of each question of this benchmark")
    config.addinivalue_line("markers", f"{ONLY_BY_NAME}(word): collect this test only if -k or a path names it")
    if config.pluginmanager.hasplugin("benchmark"):  # where warnings are errors, its remarks at the end are tracebacks
        from pytest_benchmark.logger import PytestBenchmarkWarning

        warnings.filterwarnings("default", category=PytestBenchmarkWarning)
    if not (hasattr(config, "workerinput") or config.getoption("lf", False)):
        check_providers(read_config(config))  # what is mistyped is reported before half a second of imports
    _register_parts(config)


def _show_start(config: pytest.Config) -> None:
    """Show at once on a terminal that something happens; the title of the session takes the place of it."""
    quiet = hasattr(config, "workerinput") or config.get_verbosity() < 0 or not about_benchmarks(config)
    if not quiet and sys.stdout.isatty():  # pytest's own reporter does not exist yet
        sys.stdout.write("memorybench: starting …\r")
        sys.stdout.flush()


def _register_parts(config: pytest.Config) -> None:
    from bench.conformance import Verdicts
    from bench.plugin.collection import Collecting
    from bench.plugin.endings import end_with_controller, interrupt_by_signals
    from bench.plugin.garbage import keep_collections
    from bench.plugin.reporting import Reporting
    from bench.plugin.running import Running
    from bench.plugin.scheduler import Controller
    from bench.plugin.state import PluginState

    config.add_cleanup(interrupt_by_signals())
    config.add_cleanup(keep_collections())
    state = PluginState.of(config)
    if state.handed:
        end_with_controller(state.handed.controller, state.flush)
    running, reporting = Running(state), Reporting(state)
    register = config.pluginmanager.register
    register(state, "memorybench")
    register(Collecting(state, running.begin, reporting.begin), "memorybench-collecting")
    register(running, "memorybench-running")
    register(reporting, "memorybench-reporting")
    if not state.is_worker:
        controller = Controller(config, state.session, state.resumption, reporting.begin)
        reporting.controller = controller
        register(controller, "memorybench-controller")
        register(Verdicts(state.session), "memorybench-conformance")
