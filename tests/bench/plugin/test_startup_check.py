"""A provider says whether it can be used before anything is ingested: asked once, by the process that controls."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from bench.benchmarks.synthetic import Synthetic
from bench.config import BenchmarkConfig
from bench.pipeline import OpenBenchmark
from bench.pipeline.participants import Participants
from bench.pipeline.preflight import check_services
from bench.run import run_benchmark
from tests.bench.plugin.suite import SMALL, WATCHED, Suite
from vocabulary import ConfigurationError

KEYED = "tests.subjects.checked_subject:Keyed"
RUN = (*SMALL, f"--provider={KEYED}", *WATCHED[1:])
ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
REFUSAL = f"provider {KEYED} cannot be used: 401: the key 'unknown' is not one of ours"


@ALONE_AND_DIVIDED
def test_an_unknown_key_is_a_refusal(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run("bench", *RUN, *workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
    assert ended.about(REFUSAL)
    assert "Traceback" not in ended.output
    assert suite.calls("check").total() == suite.calls("close").total() == 1
    assert not suite.calls("ingest")
    assert not suite.run_ids


@ALONE_AND_DIVIDED
def test_a_known_key_is_asked_about_once_in_all(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run("bench", *RUN, *workers, KEY="known")
    assert sum(ended.counted[word] for word in ("correct", "wrong", "abstained")) == 20
    (asked,) = suite.calls("check").elements()
    assert asked.endswith("controller")


def test_in_a_place_of_ones_own_it_is_asked_before_questions_are_dealt(suite: Suite) -> None:
    own = ("tests/subjects/grouped_benchmark.py", *RUN, "-n2")
    refused = suite.run(*own)
    assert refused.status == pytest.ExitCode.USAGE_ERROR, refused.output
    assert refused.about(REFUSAL)
    assert not suite.calls("ingest")
    ended = suite.run(*own, KEY="known")
    assert sum(ended.counted[word] for word in ("correct", "wrong", "abstained")) == 20
    assert suite.calls("check").total() == 2, "once by each of the two runs"


@pytest.mark.parametrize("look", ["--collect-only", "--plan"])
def test_who_only_looks_needs_no_key(suite: Suite, look: str) -> None:
    assert suite.run("bench", *RUN, look).status == 0
    assert not suite.calls("check")


@ALONE_AND_DIVIDED
def test_where_nothing_is_left_to_do_nobody_is_asked(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.run("bench", *RUN, "--until=search", KEY="known")
    ended = suite.run("--lf", *workers)
    assert "there is nothing in it to look at again" in ended.output
    assert ended.status == 0
    assert suite.calls("check").total() == 1


def test_a_refused_run_is_not_what_lf_goes_on_with(suite: Suite) -> None:
    suite.run("bench", *RUN, "--limit=3", KEY="known")
    suite.run("bench", *RUN)
    assert "second look at run" in suite.run("--lf", KEY="known").output


def test_a_fault_that_passes_is_no_refusal(suite: Suite) -> None:
    ended = suite.run(
        "bench", *SMALL, "--provider=tests.subjects.checked_subject:Overloaded", *WATCHED[1:], "--limit=2"
    )
    assert sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained")) == 2
    assert suite.calls("check").total() == 2


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BenchmarkConfig:
    """A run for programs."""
    monkeypatch.setenv("WATCHED", str(tmp_path))
    return BenchmarkConfig(
        provider=(KEYED,),
        synthetic_sessions=10,
        synthetic_questions=5,
        runs_dir=tmp_path / "runs",
    )


def test_a_program_is_told_too(config: BenchmarkConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="401: the key 'unknown'"):
        run_benchmark(config, "synthetic")
    assert not config.runs_dir.exists()
    monkeypatch.setenv("KEY", "known")
    assert run_benchmark(config, "synthetic").report.run.finished


class Graded(Synthetic):
    """Brings its own judge."""

    name: ClassVar[str] = "graded"
    own_judge: ClassVar[str | None] = "substring_exact_match"


GRADED = f"{Graded.__module__}:Graded"
NOBODY = "openai/nobody@http://127.0.0.1:9/v1"


def test_a_judge_that_no_benchmark_of_the_run_has_need_of_is_not_asked(
    config: BenchmarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "known")
    model = config.model_copy(update={"judge": (NOBODY,)})
    assert run_benchmark(model, GRADED).report.results[0].judge.name == "substring_exact_match"
    graded, other = OpenBenchmark.of(Graded, model), OpenBenchmark.of(Synthetic, model)
    by_protocol = model.model_copy(update={"judge_protocol": "longmemeval"})
    for settings, opened in ((model, [graded, other]), (by_protocol, [graded])):
        with pytest.raises(ConfigurationError, match=f"judge {NOBODY} cannot be used"):
            check_services(Participants.of(settings), "judge", opened, models_within=0.5)


def test_all_that_cannot_be_used_are_named_and_a_wait_has_an_end(config: BenchmarkConfig) -> None:
    both = config.model_copy(update={"provider": ("tests.subjects.checked_subject:Silent", KEYED)})
    with pytest.raises(ConfigurationError) as refused:
        check_services(Participants.of(both), "search", within=0.5)
    silent, keyed = str(refused.value).split("; provider ")
    assert silent.startswith("provider tests.subjects.checked_subject:Silent cannot be used: ")
    assert silent.endswith("timed out after 0.5 s; the last thing it said: 502: nobody there")
    assert keyed.startswith("tests.subjects.checked_subject:Keyed cannot be used: 401")
