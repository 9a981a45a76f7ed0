"""What somebody sees who runs the suite for the first time, or mistypes something."""

from __future__ import annotations

import re

import pytest

from tests.bench.plugin.suite import SMALL, Suite
from tests.bench.plugin.terminal.test_terminal import on_terminal
from tests.repository import ROOT

FRAMED = ("bench", *SMALL, "--provider=none", "--provider=bm25", "--provider=oracle", "--max-errors=0")


def plain(written: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)


@pytest.mark.parametrize("columns", [80, 140])
def test_the_first_run_fits_the_terminal_and_ends_in_order(suite: Suite, columns: int) -> None:
    written = plain(on_terminal(suite, *FRAMED, columns=columns))
    lines = [part.rstrip() for part in re.split(r"[\r\n]", written)]
    assert [line for line in lines if len(line) > columns and str(suite.folder) not in line] == []
    assert lines[0] == "memorybench: starting …"
    assert "writing the report …" in lines
    order = [
        "measured: how much of the evidence",
        "not measured, no data: ",
        "memory benchmark ",
        "none            synthetic",
        "oracle          synthetic",
        "none and bm25",
        "warning: the answers are those of extractive",
        " not answered right ",
        "gate met: no errors",
        "/report.html and report.json",
    ]
    places = [written.index(text) for text in order]
    assert places == sorted(places)
    assert "SKIPPED" not in written
    assert ("p95 ms" in written) == (columns == 140)


@pytest.mark.parametrize("columns", [80, 140])
def test_there_are_at_most_five_aligned_examples(suite: Suite, columns: int) -> None:
    ended = suite.run(*FRAMED, COLUMNS=str(columns))
    listed = ended.output.split(" not answered right ")[1].splitlines()[1:]
    heading, *examples = listed[: next(place for place, line in enumerate(listed) if " more: -v" in line)]
    assert len(examples) == 5
    for name in ("outcome", "text", "expected", "answer"):
        column = heading.index(name)
        assert all(line[column - 1] == " " and line[column] != " " for line in examples), name
    assert ("type" in heading) == (columns == 140)
    every = suite.run(*FRAMED, "-v")
    assert every.output.count("\nbm25      syn-q") + every.output.count("\nnone      syn-q") > 5


def test_colours_follow_the_verdict_and_no_color(suite: Suite) -> None:
    coloured = suite.run(*FRAMED, "--color=yes")
    assert re.search(r"\x1b\[33msyn-q\d+", coloured.output), "a wrong answer is yellow"
    assert "\x1b[1mprovider" in coloured.output
    assert "\x1b" not in suite.run(*FRAMED, NO_COLOR="1").output


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_mistyped_word_after_k_is_noticed(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run("bench", "-k", "locmo and not tempral", *workers)
    assert ended.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "-k locmo matches no test. Did you mean 'locomo'?" in ended.output
    assert "-k tempral matches no test. Did you mean 'temporal'?" in ended.output


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--provider=BM25",), {}, "Did you mean 'bm25'?"),
        ((), {"MEMORYBENCH_PROVIDR": "none"}, "unknown variable MEMORYBENCH_PROVIDR in the environment. Did you mean "
                                              "MEMORYBENCH_PROVIDER?"),
        (("-o", "memorybench_top_k=abc"), {}, "memorybench_top_k, in a file or after -o: "),
    ],
    ids=["provider", "variable", "ini"],
)  # fmt: skip
def test_a_mistyped_setting_is_named(
    suite: Suite, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    ended = suite.run(*FRAMED, *arguments, **environment)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert message in ended.about("ERROR")


def test_a_variable_that_is_like_no_setting_is_left_alone(suite: Suite) -> None:
    ended = suite.run(*FRAMED, "-k", "synthetic", MEMORYBENCH_HOME="/somewhere")
    assert ended.status == pytest.ExitCode.OK


def comparable(text: str) -> list[str]:
    """Lines without what differs from run to run: ids, rules of pytest's width, times and what was left out."""
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"(?m) \d+\.\d( +0)$", r" TIME\1", text)
    text = re.sub(r"(, \d+ (skipped|deselected))+ in .*", "", text)
    return [" ".join(line.strip("=- ").split()) for line in text.splitlines()]


def test_the_sample_in_the_readme_is_what_is_printed(suite: Suite) -> None:
    sample = re.search(r"```text\n(=+ memory benchmark .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert sample
    framed = [part for part in FRAMED if part not in SMALL]
    runs = {"MEMORYBENCH_RUNS_DIR": "", "COLUMNS": "80"}
    printed = comparable(suite.run(*framed, f"--runs-dir={suite.folder}/runs", **runs).output)
    for line in comparable(sample[1].replace("show-failures RUN", "")):
        if line.startswith(("report:", "python -m reports", "…")):
            continue
        assert line in printed
