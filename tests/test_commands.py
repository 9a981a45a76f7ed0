"""The commands in the README and in docs/ do what the pages say: all are parsed, and those that need nothing are run.

A command needs something if it names a memory system or a model that wants a key or a server, a benchmark whose
data must be downloaded, or the network; those are checked by their options, values and names, as are those that take
long and those that a test of their subject runs.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import bench.__main__
import judges.__main__
import reports.__main__
import tuner.__main__
from bench import Benchmark, BenchmarkConfig, build_benchmark_config
from bench.config import option_name
from registry import known_classes
from reports.report import parse_threshold
from tests.prepared_python import run_prepared
from tests.processes import Finished
from tests.repository import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PARSERS = {
    module.__name__.partition(".")[0]: module
    for module in (bench.__main__, judges.__main__, reports.__main__, tuner.__main__)
}
FIELDS = {option_name(name): name for name in BenchmarkConfig.model_fields if name != "data"}
FLAGS = {option for option, name in FIELDS.items() if BenchmarkConfig.model_fields[name].annotation is bool}

MAKE_BENCH = re.sub(
    r"\$\(if \$\(\w+\),[^)]*\)",
    "",
    re.findall(r"^ARGS \?= (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0],
)
"""What `make bench` runs where no extra is installed."""

ELSEWHERE = {
    "pytest bench": "here, as make bench",
    "pytest bench -k synthetic": "here, as make bench",
    "pytest bench -k conformance --provider bm25": "tests/bench/conformance/test_conformance.py",
    "pytest bench -k latency --provider bm25": "tests/bench/latency/test_latency_alone.py",
    "pytest bench -k latency --provider bm25 --provider none": "tests/bench/latency/test_latency_alone.py",
}
OFFLINE = {"bm25", "none", "oracle", "full-context", "my_memory:Newest"}
NEEDS: dict[str, Callable[[list[str]], object]] = {
    "a key, a server or an extra": lambda words: (
        set(values(words, "--provider")) - OFFLINE
        or {"--answering-model", "--provider-option", "--max-usd", "--checkpoint-url"} & set(words)
        or set(values(words, "--judge")) - {"lexical"}
        or "check-provider" in words
    ),
    "data": lambda words: re.search("locomo|longmemeval|convomem|factconsolidation|conv-", " ".join(words)) is not None,
    "a data set, as tests/bench/plugin/test_own_data.py makes one": lambda words: (
        "--dataset" in words or {"check", "convert", "draft-questions", "new-dataset"} & set(words)
    ),
    "the network": lambda words: {"download", "venv", "lock"} & set(words),
    "the extra docs": lambda words: "mkdocs" in words,
    "minutes": lambda words: (
        words[:2] in (["make", "test"], ["make", "quick"])
        or re.search(r"--synthetic-sessions (1000|10000|20000)\b", " ".join(words))
        or any(word.startswith(("tests/", "tests.")) for word in words)
    ),
    "a study, as tests/tuner/test_tutorial.py makes one": lambda words: (
        words[1:3] == ["-m", "tuner"] and words[3] != "space"
    ),
    "an earlier run of some kind": lambda words: (
        "--lf" in words
        or {"clear", "export", "compare", "baseline", "--baseline", "--answers", "--on", "RUN"} & set(words)
        or {"board", "bundle", "merge", "verify"} & set(words)
    ),
    "a signal to end": lambda words: words[3:4] == ["serve"],  # tests/tuner/service, tests/reports/serve
    "nothing, and a test of its subject runs it": lambda words: shlex.join(words) in ELSEWHERE,
    "a name in place of its capitals": lambda words: {"NAME", "DIR", "…", "list|describe|download"} & set(words),
}


def values(words: list[str], option: str) -> list[str]:
    """What follows `option`, each time that it is there."""
    return [after for word, after in pairwise(words) if word == option]


def blocks(page: Path) -> Iterator[list[str]]:
    """The commands of a page that stand alone: indented lines and fences of sh and yaml."""
    text = re.sub(r"\\\n\s+", "", page.read_text(encoding="utf-8"))
    fences = re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.DOTALL)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for line in [*re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE), *"\n".join(fences).splitlines()]:
        plain = re.sub(r"^(- run: |\w+=\S+ )+", "", line.strip())
        if re.match(r"(\.venv/bin/)?(pytest|python|make) ", plain):
            yield shlex.split(re.sub(r" > \S+$", "", plain), comments=True)


COMMANDS = {shlex.join(words): words for page in PAGES for words in blocks(page)}
OF_BENCH = {
    line: words for line, words in COMMANDS.items() if words[0] == "pytest" and words[1:2] in (["bench"], ["--lf"])
}
RUNNABLE = {line: words for line, words in COMMANDS.items() if not any(need(words) for need in NEEDS.values())}


@pytest.mark.parametrize("line", [line for line, words in COMMANDS.items() if words[1:2] == ["-m"]])
def test_a_module_takes_the_command(line: str) -> None:
    words = COMMANDS[line]
    if (module := PARSERS.get(words[2])) is None:
        assert words[2] in ("pytest", "mkdocs", "venv", "pip") or words[2].startswith("tests."), line
        return
    parser: argparse.ArgumentParser = module._argument_parser()
    arguments = [re.sub(r"^RUN$", "last", word) for word in words[3:]]
    assert parser.parse_args(arguments)


@pytest.mark.parametrize("line", OF_BENCH)
def test_options_have_values_that_they_take(line: str) -> None:
    given: dict[str, object] = {}
    words = iter(re.sub(r"(--[\w.-]+)=", r"\1\0", "\0".join(OF_BENCH[line])).split("\0"))
    for word in words:
        if (name := FIELDS.get(word)) is None:
            continue
        if word in FLAGS:
            given[name] = True
        elif isinstance(BenchmarkConfig.model_fields[name].get_default(), tuple):
            given[name] = (*given.get(name, ()), next(words))  # type: ignore[misc]  # a tuple, as its default is
        else:
            given[name] = next(words)
    config = build_benchmark_config(**given)
    for threshold in config.fail_under:
        assert parse_threshold(threshold)


def test_names_after_k_are_those_of_questions() -> None:
    benchmarks = known_classes(Benchmark, "bench.benchmarks")
    collected = run_prepared(
        "pytest", "bench", "-k", "conformance or latency", "--collect-only", "-q", "-p", "no:cacheprovider"
    ).stdout
    types = [kind for benchmark in benchmarks.values() for kind in benchmark.types]
    for line, words in OF_BENCH.items():
        for expression in values(words, "-k"):
            for name in set(re.findall(r"[\w.-]+", expression)) - {"and", "or", "not"}:
                of_case = re.fullmatch(r"conv-\d+(-q\d+)?|(context|evidence)-\d+|\d+k|abstention", name)
                known = any(name in one for one in (*benchmarks, *types))
                assert of_case or known or name in collected, line


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a new clone: no data, no earlier run; and the tutorial's memory system."""
    folder = tmp_path_factory.mktemp("alone")
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", tutorial, re.DOTALL)
    assert example
    (folder / "my_memory.py").write_text(example[1], encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    (folder / "data").mkdir()
    return environment | {
        "MEMORYBENCH_DATA": str(folder / "data"),
        "MEMORYBENCH_RUNS_DIR": str(folder / "runs"),
        "PYTEST_ADDOPTS": f"-o cache_dir={folder / 'cache'}",
        "PYTHONPATH": str(folder),
    }


def run(words: list[str], environment: dict[str, str]) -> Finished:
    """Run a command of a page with this Python; the conformance kit does not wait for facts that come late."""
    if words[0] == "make":
        arguments = next((word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")), MAKE_BENCH)
        words = ["pytest", "bench", *shlex.split(arguments)]
    if "conformance" in values(words, "-k"):
        words = [*words, "--conformance-grace", "0.1", "--conformance-sessions", "20"]
    words = words if words[0] == "pytest" else words[2:]  # python -m
    return run_prepared(*words, env=environment, seconds=300)


def figures(text: str) -> list[str]:
    """The rows of a table of results, without times."""
    rows = re.findall(r"^(?:(?:none|bm25|oracle) +synthetic|  (?:un)?answerable +n=\d+) .*$", text, re.MULTILINE)
    return [" ".join(row.split()[:6]) for row in rows]


@pytest.mark.long
def test_the_first_command_prints_what_the_pages_show(alone: dict[str, str]) -> None:
    result = run(["make", "bench"], alone)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "142 correct, 78 wrong, 80 abstained, 10 skipped" in result.stdout
    for page in ("README.md", "docs/tutorial.md"):
        shown = figures((ROOT / page).read_text(encoding="utf-8"))
        assert len(shown) == 9
        assert shown == figures(result.stdout), page


# A wrong answer is a failed test, and so is a check of the conformance kit that is not met.
@pytest.mark.long
@pytest.mark.parametrize("line", [line for line, words in RUNNABLE.items() if words[0] == "pytest"])
def test_commands_of_pytest_that_need_nothing_run(line: str, alone: dict[str, str]) -> None:
    result = run(RUNNABLE[line], alone)
    assert result.returncode in ((0,) if "--fail-under" in line else (0, 1)), result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("line", [line for line, words in RUNNABLE.items() if words[1] == "-m"])
def test_commands_of_modules_that_need_nothing_run(
    line: str, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path(alone["MEMORYBENCH_RUNS_DIR"]).exists():
        assert run(["make", "bench"], alone).returncode == 0
    for name in ("MEMORYBENCH_DATA", "MEMORYBENCH_RUNS_DIR"):
        monkeypatch.setenv(name, alone[name])
    words = RUNNABLE[line]
    assert PARSERS[words[2]].main(words[3:]) == 0
    assert capsys.readouterr().out


def test_much_of_what_is_shown_is_run() -> None:
    assert {words[0] for words in RUNNABLE.values()} == {"make", "pytest", "python"}
    assert len(RUNNABLE) > 10
    assert all((ROOT / where).exists() for where in ELSEWHERE.values() if where.startswith("tests/"))
