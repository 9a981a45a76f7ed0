"""Figures in README and docs are computed again from real data, so that none goes stale.

Each test computes lines as the pages must have them. `COMPUTED` names the rows of tables that a test computes,
`MEASURED` those whose figures depend on the machine, on an extra or on data that is not here, and why: a row with a
decimal figure that is in neither is a failure.
"""

from __future__ import annotations

import lzma
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench.benchmarks.locomo import LoCoMo
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.metrics import AnswerMean
from reports.report import Result
from tests.judges.published_runs import agreement, graded_answers
from tests.perf.coverage import ACCURACIES, PAIRS, Difficulty, Pairs, accuracy_cell, pairs_cell
from tests.perf.gates import EQUAL, ROWS
from tests.repository import DATA, ROOT

RUNS_A_CELL = 1000
TYPES = ("multi-hop", "temporal", "open-domain", "single-hop")
PUBLISHED = {
    "zep": "Zep, the 7 conversations in `judge/`",
    "mem0-locomo": "mem0 platform, LoCoMo",
    "full-context-4.1-cot": "**full context, gpt-4.1-mini, chain of thought**",
    "mem0-longmemeval": "**mem0 platform, LongMemEval**",
    "cognee": "**Cognee, LoCoMo's conv-26**",
    "audit-wrong": "specific wrong answers (locomo-audit v1)",
}

COMPUTED = {
    "docs/published-answers.md": ("mem0 platform", "full context", "Cognee", "Zep, 7", "wrong on purpose"),
    "README.md": ("`none`", "`bm25`", "`full-context`", "`oracle`"),
    "docs/longmemeval.md": ("`longmemeval_official`", "`longmemeval_session_corpus`"),
    "docs/metrics.md": (*(one.name for one in ACCURACIES), *(one.name for one in PAIRS)),
    "docs/offline.md": ("official F1", "correct by `lexical-v2`", *PUBLISHED.values()),
}
MEASURED = {
    "README.md": {
        "`hybrid`": "needs the extra [dense]",
        "`late-interaction`": "needs the extra [dense]",
        "[`locomo`": "the size of a file",
        "[`longmemeval_oracle`": "sizes of files",
        "[`factconsolidation`": "the size of a file",
        "[`beam_100k`": "sizes",
    },
    "docs/beam.md": {"": "sizes, rules, memory; tests/judges/test_nuggets.py sums the published grades up"},
    "docs/convomem.md": {"": "sizes of files"},
    "docs/data.md": {"": "sizes of files"},
    "docs/decisions/model-clients.md": {"": "measured for the decision"},
    "docs/github-action.md": {"": "examples of values and a version"},
    "docs/judging.md": {"": "names of models"},
    "docs/latency.md": {"": "times"},
    "docs/longmemeval.md": {"2.74 GB": "times", "until all": "times", "`longmemeval_m`": "the size of a file"},
    "docs/many-machines.md": {"": "times, and variables of schedulers"},
    "docs/metrics.md": {
        "`different`": "a rule",
        **{row.name: "minutes; tests/reports/report/gates holds its bars" for row in (*ROWS, *EQUAL)},
    },
    "docs/models.md": {"": "times and settings"},
    "docs/offline.md": {
        "anything else": "a rule",
        "Zep, LoCoMo": "needs a clone of zep-papers",
        "full context, gpt-4.1-mini, brief": "needs a clone of locomo-audit",
        "full context, gpt-4o-mini": "needs a clone of locomo-audit",
        "vague wrong answers": "needs a clone of locomo-audit",
    },
    "docs/providers.md": {"": "versions"},
    "docs/providers/embedded.md": {"": "times, and models of the extra [dense]"},
    "docs/providers/graphiti.md": {"": "calls of a model"},
    "docs/providers/mem0-local.md": {"": "settings"},
    "docs/providers/mem0.md": {"": "settings"},
    "docs/providers/supermemory.md": {"": "settings"},
    "docs/running.md": {"`--abstain-": "defaults of options"},
    "docs/tuner.md": {"": "a study of half an hour, with models of the extra [dense]"},
    "docs/scale.md": {"": "times, and haystacks that take an hour to make"},
}
"""By page, the beginnings of rows that no test computes ("" for any), and why."""

Results = dict[str, Result]
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def locomo(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The command of README, by provider."""
    folder, providers = tmp_path_factory.mktemp("locomo"), ("none", "bm25", "full-context", "oracle")
    config = build_benchmark_config(runs_dir=folder, data=str(data_folder), provider=providers)
    return {result.provider.name: result for result in run_benchmark(config, "locomo").report.results}


@pytest.fixture(scope="module")
def longmemeval(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """bm25 over the oracle and over 60 instances of S, by benchmark."""
    source, data = data_folder / "longmemeval", tmp_path_factory.mktemp("longmemeval")
    shutil.copy(source / "longmemeval_oracle.json", data)
    packed = (source / "longmemeval_s_cleaned_60.json.xz").read_bytes()
    (data / "longmemeval_s_cleaned.json").write_bytes(lzma.decompress(packed))
    config = build_benchmark_config(runs_dir=data / "runs", data=str(data), provider=("bm25",), until="search")
    report = run_benchmark(config, "longmemeval_oracle", "longmemeval_s").report
    return {result.benchmark.name: result for result in report.results}


def decimals(value: float | None) -> str:
    return f"{value:.3f}".removeprefix("0")


def pages() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def missing(page: str, *wanted: str) -> list[str]:
    """Which of `wanted` the page does not have; empty where all is well."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [line for line in wanted if line not in text]


def test_every_figure_in_a_table_is_computed_or_said_to_be_measured() -> None:
    stray = [
        f"{page}: {row}"
        for page, text in pages()
        for row in re.findall(r"^\| ?(.*\d?\.\d.*)$", text, flags=re.MULTILINE)
        if not row.startswith((*COMPUTED.get(page, ()), *MEASURED.get(page, {})))
    ]
    assert stray == []


@pytest.mark.long
def test_readme_and_tutorial_have_what_make_bench_shows(tmp_path: Path) -> None:
    config = build_benchmark_config(runs_dir=tmp_path, provider=("none", "bm25", "oracle"))
    report = run_benchmark(config, "synthetic").report
    rows = [row for result in report.results for row in shown_rows(result)]
    assert [*missing("README.md", *rows), *missing("docs/tutorial.md", *rows)] == []


def shown_rows(result: Result) -> Iterator[str]:
    """As in the table on the terminal, up to the times."""
    parts = {f"{result.provider.name:16}{'synthetic':11}": (result.accuracy, result.by_group["answerable"].retrieval)}
    for name, part in result.by_group.items():
        parts[f"{f'  {name}':18}{f'n={part.questions.selected}':9}"] = (part.accuracy, part.retrieval)
    for head, (accuracy, retrieval) in parts.items():
        assert accuracy is not None
        recall = retrieval.message.recall["10"] if retrieval.message else 0.0
        shown = "    -" if recall is None else f"{recall:.3f}"
        yield f"{head}{accuracy.value:.3f} [{accuracy.ci95[0]:.3f}, {accuracy.ci95[1]:.3f}]      {shown}"


@pytest.mark.long
def test_pages_have_the_figures_of_locomo(locomo: Results) -> None:
    """One test for three pages: each worker that got one of three would make the run of a minute."""
    assert [
        *missing("README.md", *baselines(locomo)),
        *missing("docs/offline.md", *extractive_model_by_type(locomo)),
        *missing("docs/providers/embedded.md", bm25_by_type(locomo["bm25"])),
    ] == []


def baselines(locomo: Results) -> Iterator[str]:
    names = {
        "none": "`none`, the floor", "bm25": "`bm25`, the default", "full-context": "`full-context`",
        "oracle": "`oracle`, the ceiling",
    }  # fmt: skip
    for key, name in names.items():
        yield f"| {name} | {baseline(locomo[key])} |"


def baseline(result: Result) -> str:
    answerable = result.by_group["answerable"]
    accuracy, retrieval = answerable.accuracy, answerable.retrieval.message
    assert accuracy is not None
    found = 0.0 if retrieval is None else retrieval.recall["10"] or 0.0
    shown = [
        f"{accuracy.value:.3f} [{accuracy.ci95[0]:.3f}, {accuracy.ci95[1]:.3f}]",
        f"{result.f1['locomo_official'].answerable.value:.3f}",
        f"{found:.3f}",
        f"{result.context.tokens_mean:,.0f}",
    ]
    return " | ".join(shown)


def extractive_model_by_type(locomo: Results) -> tuple[str, ...]:
    found, gold = locomo["bm25"], locomo["oracle"]
    return (
        f"| questions | {cells(found, 'selected')} |",
        f"| official F1 | {f1(found, bold=True)} (official phrase test) |",
        f"| correct by `lexical-v2` | {correct(found, bold=True)} |",
        f"| refused | {cells(found, 'abstained')} |",
        f"| official F1 with the gold evidence as results | {f1(gold)} |",
        f"| correct by `lexical-v2` with the gold evidence | {correct(gold)} |",
        f"refuses {gold.by_group['answerable'].questions.outcomes.abstained} of 1,540 questions",
    )


def f1(result: Result, *, bold: bool = False) -> str:
    metric = result.f1["locomo_official"]
    parts = [decimals(metric.by_type[name].value) for name in (*TYPES, "adversarial")]
    return row_of(parts, decimals(metric.answerable.value), bold=bold)


def correct(result: Result, *, bold: bool = False) -> str:
    shares = {**result.by_type, "all": result.by_group["answerable"]}
    values = {name: decimals(part.accuracy.value) for name, part in shares.items() if part.accuracy}
    return row_of([values[name] for name in (*TYPES, "adversarial")], values["all"], bold=bold)


def cells(result: Result, what: str) -> str:
    parts = [*(result.by_type[name] for name in TYPES), result.by_group["answerable"], result.by_type["adversarial"]]
    if what == "selected":
        return " | ".join(f"{part.questions.selected:,}" for part in parts)
    refused = [part.questions.outcomes.abstained for part in parts[:-1]]
    return " | ".join(map(str, [*refused, parts[-1].questions.correct]))  # refusing is right there


def row_of(by_type: Sequence[str], over_all: str, *, bold: bool) -> str:
    return " | ".join([*by_type[:-1], f"**{over_all}**" if bold else over_all, by_type[-1]])


def bm25_by_type(result: Result) -> str:
    parts = [result.by_group["answerable"], *(result.by_type[name] for name in (*TYPES, "adversarial"))]
    recall = [f"{part.retrieval.message.recall['10']:.3f}" for part in parts if part.retrieval.message]
    return f"| {' | '.join(recall[:-1])} | ({recall[-1]}) |"


@pytest.mark.long
def test_longmemeval_has_its_official_figures(longmemeval: Results) -> None:
    for name in ("longmemeval_official", "longmemeval_session_corpus"):
        levels = [result.official_retrieval[name].session for result in longmemeval.values()]
        first = [decimals(level.recall_any["1"]) for level in levels if level]
        page = (ROOT / "docs" / "longmemeval.md").read_text(encoding="utf-8")
        assert re.findall(rf"^\| `{name}` \| .* \| (\S+) \| (\S+) \|$", page, flags=re.MULTILINE) == [tuple(first)]
    oracle = longmemeval["longmemeval_oracle"]
    averaged = oracle.official_retrieval["longmemeval_official"].session
    assert averaged is not None
    assert missing("docs/longmemeval.md", f"({averaged.n} of {oracle.questions.selected} remain)") == []


def test_metrics_has_what_a_constant_answer_gets(data_folder: Path) -> None:
    config = build_benchmark_config(data=str(data_folder))
    golds = [case.gold for case in LoCoMo(config.benchmark_options).cases()]
    mean = AnswerMean("locomo_official")
    for gold in golds:
        mean.add("not mentioned", gold)
    official, refused = mean.summary(), sum(not gold.answerable for gold in golds)
    bare = sum(not gold.evidence_messages for gold in golds)
    assert missing(
        "docs/metrics.md",
        f"which is {refused} / {len(golds)} = {refused / len(golds):.4f}, and exactly\n{official.overall.value:.4f} "
        f"`overall` and {official.answerable.value:.4f} on `answerable`",
        f"({bare} of LoCoMo's {len(golds):,})",
    ) == []  # fmt: skip


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "published").exists(), reason=f"no published runs in {DATA}: set MEMORYBENCH_DATA")
def test_offline_has_the_judges_agreement_with_published_grades() -> None:
    measured = agreement(graded_answers())
    assert set(measured) == set(PUBLISHED)
    assert missing("docs/offline.md", *(agreed(PUBLISHED[run], figures) for run, figures in measured.items())) == []


def agreed(name: str, figures: dict[str, float]) -> str:
    wrong, held_out = (f"{figures[key] * 100:.1f} %" for key in ("wrong accepted", "wrong accepted held out"))
    if "kappa" not in figures:
        return f"| {name} | {figures['n']:,} | - | - | **{wrong}** | {held_out} | - |"
    kappa = decimals(figures["kappa"])
    shown = f"**{kappa}**" if name.startswith("**") else kappa
    out = decimals(figures["kappa held out"])
    return f"| {name} | {figures['n']:,} | {shown} | {out} | {wrong} | {held_out} | {figures['right rejected']} |"


@pytest.mark.long
@pytest.mark.parametrize("difficulty", ACCURACIES, ids=lambda one: one.name)
def test_metrics_has_the_coverage_of_an_accuracys_interval(difficulty: Difficulty) -> None:
    cell = accuracy_cell(difficulty, 10, RUNS_A_CELL)
    (row,) = re.findall(rf"^\| {re.escape(difficulty.name)} \| (.*) \|$", METRICS, flags=re.MULTILINE)
    columns = row.split(" | ")
    assert [columns[3], *columns[6:]] == [decimals(value) for value in (cell.covered, cell.width, cell.beside)]


@pytest.mark.long
@pytest.mark.parametrize("pairs", PAIRS, ids=lambda one: one.name)
def test_metrics_has_the_coverage_of_a_differences_interval(pairs: Pairs) -> None:
    cell = pairs_cell(pairs, 10, RUNS_A_CELL)
    (row,) = re.findall(rf"^\| {re.escape(pairs.name)} \| (.*) \|$", METRICS, flags=re.MULTILINE)
    columns = row.split(" | ")
    assert columns[5:] == [decimals(value) for value in (cell.covered, cell.width, cell.beside)]
