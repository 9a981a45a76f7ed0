"""Choosing questions, with pytest's own means and with the suite's: the same ones, alone or divided over workers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite, comparable

CASES = Synthetic(BenchmarkOptions(synthetic_sessions=20, synthetic_questions=20)).cases()
TEMPORAL = {case.id for case in CASES if case.gold.question_type == "temporal"}
EVERY = {case.id for case in CASES}


def collect(suite: Suite, *arguments: str, **environment: str) -> set[str]:
    """The questions that would be asked."""
    return ids(suite.run("bench", *SMALL, "--collect-only", "-q", *arguments, **environment))


def ids(ended: Ended) -> set[str]:
    return set(re.findall(r"^\S+\[\S+?-(syn-q\d+)\]$", ended.output, re.MULTILINE))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "synthetic"], EVERY),
        (["-k", "locomo"], set()),
        (["-k", "temporal"], TEMPORAL),
        (["-k", "synthetic and not temporal"], EVERY - TEMPORAL),
        (["-k", CASES[0].cluster], {case.id for case in CASES if case.cluster == CASES[0].cluster}),
        (["-k", "abstention"], {case.id for case in CASES if not case.gold.answerable}),
        (["-k", "syn-q0007 or syn-q0012"], {"syn-q0007", "syn-q0012"}),
        (["-k", "bm25", "-m", "benchmark_questions"], EVERY),
        (["-m", "not benchmark_questions"], set()),
        (["--question-type=temporal"], TEMPORAL),
        (["--question-type=temporal", "--limit=1"], {min(TEMPORAL)}),
        (["--deselect", "bench/benchmarks/test_synthetic.py::test_synthetic[bm25-syn-q0003]"], EVERY - {"syn-q0003"}),
    ],
    ids=lambda value: "" if isinstance(value, set) else "_".join(value),
)
def test_questions_are_chosen_in_pytests_own_way(suite: Suite, arguments: list[str], expected: set[str]) -> None:
    assert collect(suite, *arguments) == expected
    assert not suite.runs.exists(), "looking writes nothing"


def test_a_question_is_named_by_its_node_id(suite: Suite) -> None:
    node = "bench/benchmarks/test_synthetic.py::test_synthetic[tests.subjects.watched:Watched-syn-q0007]"
    ended = suite.run(node, *SMALL, *WATCHED, "--durations=1", "-v")
    assert sum(ended.counted.values()) == 1
    assert f"{node} " in ended.output
    assert suite.calls("judge").total() == 1
    assert "slowest" in ended.output


def test_a_sample_is_the_same_each_time_and_divided(suite: Suite) -> None:
    sample = collect(suite, "--sample=2")
    assert len(sample) == 2 * len(Synthetic.types)
    assert collect(suite, "--sample=2", "-n2") == sample
    assert collect(suite, MEMORYBENCH_SAMPLE="2") == sample
    assert collect(suite, "--sample=2", "--sample-seed=1") != sample


GROUPED = "tests/subjects/grouped_benchmark.py"


def test_the_first_questions_are_in_proportion_where_they_would_be_of_one_type(suite: Suite) -> None:
    """Of 40 questions, 8 of each of five types."""
    sizes = BenchmarkOptions(synthetic_sessions=20, synthetic_questions=40)
    limited = (GROUPED, "--synthetic-sessions=20", "--synthetic-questions=40", "--limit=7", *WATCHED)
    types = {case.id: case.gold.question_type for case in Synthetic(sizes).cases()}
    (alone, divided) = (ids(suite.run(*limited, "--collect-only", "-q", *more)) for more in ((), ("-n2",)))
    assert alone == divided
    counted = [sum(types[one] == name for one in alone) for name in Synthetic.types]
    assert counted == [2, 2, 1, 1, 1]
    first_of = {min(one for one, of_type in types.items() if of_type == name) for name in Synthetic.types}
    assert first_of < alone
    message = f"the first 7 questions would all be {Synthetic.types[0]}, so 7 in proportion"
    plan = suite.run(*limited[:4], "--plan").about("grouped: 7 of 40 questions")
    assert plan.startswith(f"grouped: 7 of 40 questions: {message}")
    for more in ((), ("-n2",)):
        suite.run(*limited, *more)
    reports = [suite.report(run_id) for run_id in suite.run_ids]
    assert len(reports) == 2
    assert comparable(reports[0]) == comparable(reports[1])
    (result,) = reports[0]["results"]
    sample = result["benchmark"]["sample"]
    assert sample["description"].startswith(message)
    assert (sample["selected"], sample["questions"]) == (7, 40)
    assert sample["population"] == dict.fromkeys(Synthetic.types, 8)
    assert sample["estimate"]["ci95"][0] < sample["estimate"]["value"] < sample["estimate"]["ci95"][1]
    assert list(result["by_group"]) == ["answerable", "unanswerable", "context-2", "context-30"]


def test_the_report_tells_a_sample_and_a_choice_of_pytests_from_the_whole(suite: Suite) -> None:
    def block(*arguments: str) -> dict[str, object] | None:
        before = set(suite.run_ids)
        suite.run("bench", *SMALL, *WATCHED, *arguments)
        (run_id,) = set(suite.run_ids) - before
        (result,) = suite.report(run_id)["results"]
        sample: dict[str, object] | None = result["benchmark"]["sample"]
        return sample

    assert block() is None
    assert block("--limit=20") is None
    picked = block("-k", "temporal")
    assert picked is not None
    assert (picked["selected"], picked["questions"], picked["estimate"]) == (len(TEMPORAL), len(EVERY), None)
    assert picked["description"] == "chosen by pytest's own options, such as -k"
    drawn = block("--sample=2", "--sample-seed=3")
    assert drawn is not None
    assert drawn["description"] == "a sample of 2 questions of each type (seed 3)"
    assert isinstance(drawn["estimate"], dict)
    second_look = block("--lf")
    assert second_look is not None
    assert second_look["estimate"] is None
    assert "what was wrong in run" in str(second_look["description"])


def test_what_a_run_chose_is_part_of_its_fingerprint(suite: Suite) -> None:
    """Also what only changes the haystacks."""
    begun = suite.run("bench", *SMALL, *WATCHED, "--run-id=one", "--limit=2", "-k", "synthetic")
    assert begun.status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    for option in ("--as-of", "--context-size=30", "--sample=1", "--question-type=temporal"):
        ended = suite.run("bench", *SMALL, *WATCHED, "--run-id=one", "--limit=2", "-k", "synthetic", option)
        assert ended.status == pytest.ExitCode.USAGE_ERROR
        named = option.removeprefix("--").partition("=")[0].replace("-", "_")
        assert f"selection.{named}" in ended.output


def test_the_first_wrong_answer_can_be_the_last_question(suite: Suite) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED, "-x")
    assert ended.counted.get("wrong", 0) + ended.counted.get("abstained", 0) == 1
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    ended = suite.run("bench", *SMALL, *WATCHED, "--maxfail=3")
    assert ended.counted.get("wrong", 0) + ended.counted.get("abstained", 0) == 3


def message(ended: Ended) -> list[str]:
    """The plan, without the line that says how long it took."""
    return ended.output.split("plan")[-1].splitlines()[:-1]


def test_the_plan_is_right_and_changes_nothing(suite: Suite) -> None:
    plan = ("bench", *SMALL, "--plan", "--provider=bm25", "--provider=none", "-k", "synthetic")
    ended = suite.run(*plan)
    assert ended.status == pytest.ExitCode.OK
    work = "20 questions over 1 haystack, 1 container, 20 sessions to ingest, 20 searches"
    for provider in ("bm25", "none"):
        assert ended.about(f"{provider} on synthetic").endswith(work)
    assert "model calls: 0" in ended.output
    assert message(suite.run(*plan, "-n2")) == message(ended)
    assert not suite.runs.exists()


def test_the_plan_knows_isolation_and_phases(suite: Suite) -> None:
    ended = suite.run("bench", *SMALL, "--plan", "--isolation=question", "--limit=5", "--until=ingest")
    assert ended.about("bm25 on synthetic").endswith(
        "5 questions over 1 haystack, 5 containers, 100 sessions to ingest, 0 searches"
    )


def test_several_providers_are_asked_side_by_side(suite: Suite) -> None:
    two = ("--provider=none", "--provider=tests.subjects.watched:Watched", "--provider=none")
    ended = suite.run("bench", *SMALL, *two, *WATCHED[1:], "-n2", "-k", "synthetic", "-v")
    results = suite.report()["results"]
    assert [result["provider"]["name"] for result in results] == ["none", "tests.subjects.watched:Watched"]
    assert sum(ended.counted.values()) == 40
    assert re.search("^none +syn-q0000 ", ended.output, re.MULTILINE), "its examples name the provider"


@pytest.mark.parametrize("dist", ["worksteal", "loadscope", "loadfile"])
def test_any_distribution_gives_the_same(suite: Suite, dist: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    divided = suite.run("bench", *SMALL, *WATCHED, "-n2", f"--dist={dist}")
    assert suite.calls("judge").total() == 20
    other = Suite(tmp_path_factory.mktemp("alone"))
    alone = other.run("bench", *SMALL, *WATCHED)
    assert divided.counted == alone.counted
    assert comparable(suite.report()) == comparable(other.report())


def test_settings_come_from_the_environment_and_from_a_file(suite: Suite) -> None:
    def top_k(*arguments: str, **environment: str) -> str:
        ended = suite.run("bench", "--plan", *SMALL, *arguments, **environment)
        assert ended.status == pytest.ExitCode.OK, ended.output
        return str(re.findall(r"top-k (\d+)", ended.output)[0])

    in_file = ("-o", "memorybench_top_k=7")
    assert top_k() == "50"
    assert top_k(*in_file) == "7"
    assert top_k(*in_file, MEMORYBENCH_TOP_K="8") == "8"
    assert top_k(*in_file, "--top-k=9", MEMORYBENCH_TOP_K="8") == "9"
    providers = suite.run("bench", "--plan", *SMALL, "-o", "memorybench_provider=none oracle").output
    assert "none on synthetic" in providers
    assert "oracle on synthetic" in providers


def test_help_has_one_group_with_every_option(suite: Suite) -> None:
    helped = suite.run("--help").output
    (group,) = re.findall(r"^memory benchmarks.*?:\n(.*?)\n\n", helped, re.MULTILINE | re.DOTALL)
    for option in (
        "provider", "answering-model", "judge", "top-k", "limit", "sample", "sample-seed", "question-type", "run-id",
        "runs-dir", "until", "isolation", "in-flight", "retry-from", "fail-under", "max-errors", "plan", "show-wrong",
        "max-p95.search_ms", "synthetic-sessions",
    ):  # fmt: skip
        assert f"--{option}" in group


def test_quiet_and_verbose_say_less_and_more(suite: Suite) -> None:
    quiet = suite.run("bench", *SMALL, *WATCHED, "-q")
    assert "platform" not in quiet.output
    assert "report: " in quiet.output
    verbose = suite.run("bench", *SMALL, *WATCHED, "-v", "-n2")
    assert re.search(
        r"\[gw[01]\].* CORRECT bench/benchmarks/test_synthetic.py::test_synthetic\[.*:Watched-syn-q0000\]",
        verbose.output,
    )


def test_published_data_are_chosen_from_by_conversation(suite: Suite, data_folder: Path) -> None:
    plan = ("bench", "--plan", "--provider=bm25")
    chosen = suite.run(*plan, "-k", "locomo and conv-30 and temporal", MEMORYBENCH_DATA=str(data_folder))
    assert "bm25 on locomo: 26 questions over 1 haystack, 1 container, 19 sessions" in chosen.output
    whole = suite.run(*plan, "-k", "locomo", MEMORYBENCH_DATA=str(data_folder))
    assert "1986 questions over 10 haystacks, 10 containers, 272 sessions to ingest, 1986 searches" in whole.output
