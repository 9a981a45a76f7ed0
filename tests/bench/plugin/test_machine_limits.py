"""A run for which the machine's limits leave too little is refused in a line, before anything is asked."""

from __future__ import annotations

import resource

import pytest

from bench.pipeline.preflight import FILES, check_machine
from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite
from tests.processes import PIPE, STDOUT, Process
from vocabulary import ConfigurationError

ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def run(suite: Suite, limit: str, *workers: str) -> Ended:
    command = suite.command("bench", "-k", "synthetic", *SMALL, *WATCHED, *workers)
    shell = ["/bin/sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *command]
    seconds, place, environment = suite.seconds, suite.place, suite.environment
    return suite.end(Process(shell, seconds=seconds, cwd=place, env=environment, stdout=PIPE, stderr=STDOUT))


@ALONE_AND_DIVIDED
@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("-n 24", "a process may have 24 files open, and this run needs"),
        ("-n 64", "a process may have 64 files open, and this run needs"),
        ("-v 250000", "a process may use 250000 kB of memory, and this run needs 1048576"),
    ],
)
def test_too_little_is_a_refusal(suite: Suite, limit: str, says: str, workers: tuple[str, ...]) -> None:
    ended = run(suite, limit, *workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
    assert ended.about(says).startswith("ERROR: ")
    assert "Traceback" not in ended.output
    assert "INTERNALERROR" not in ended.output
    assert not suite.calls("ingest")
    assert not suite.run_ids


@ALONE_AND_DIVIDED
def test_a_limit_of_ones_own_on_open_files_is_raised(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = run(suite, "-S -n 40", *workers)
    assert sum(ended.counted[word] for word in ("correct", "wrong", "abstained")) == 20


def test_what_is_needed_grows_with_calls_in_flight_and_with_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (FILES, FILES))
    for in_flight, workers, needed in ((64, 1, FILES + 64), (64, 4, FILES + 16), (64, 20, FILES + 80)):
        with pytest.raises(ConfigurationError, match=f"needs {needed}: "):
            check_machine(in_flight, workers)
