"""A baseline: what later runs are compared with. Verdicts and numbers for each question, no text; small, one file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple  # Any: JSON

from pydantic import Field, JsonValue, ValidationError

from reports.differences.marks import Found, Marks
from reports.metrics import Block, Level
from reports.store import Git, JudgeRecord, ProviderRecord, RequestsRecord, Versions
from vocabulary import ConfigurationError, Phase

BASELINE_VERSION: Final = 1
"""Raised when a key goes away or changes its meaning."""


class BaselineRun(Block):
    """The run, and what its numbers depend on."""

    id: str
    finished: bool
    second_look_at: str | None
    until: Phase
    top_k: int
    isolation: Literal["haystack", "question"]
    selection: dict[str, JsonValue]
    sampled: str | None
    """The selection in plain words; null for whole benchmarks."""
    versions: Versions
    git: Git | None
    code: dict[str, str] = Field(default_factory=dict)
    """Commits of the suite, and of providers from elsewhere."""
    requests: tuple[RequestsRecord, ...]


class Row(NamedTuple):
    """A question. `kind` and `cluster` count from 0 in the lists above.

    `message` and `session` hold how many pieces of evidence the question names, then the places (from 1) of the ranking
    at which they were found; null without evidence. Times are service times in milliseconds, null where the run has
    none; `usd` is the question's share of what the models cost.
    """

    question: str
    kind: int
    cluster: int
    outcome: str
    message: tuple[int, ...] | None
    session: tuple[int, ...] | None
    search_ms: float | None
    answer_ms: float | None
    judge_ms: float | None
    context_tokens: int | None
    usd: float | None


class BaselineResult(Block):
    """One provider on one benchmark."""

    provider: ProviderRecord
    conformance: str | None
    """How the provider did in the conformance kit, in words; null if nothing is to be said."""
    benchmark: str
    variant: str
    sha256: str
    """Hash of the data."""
    answering_model: str
    answering_model_version: str
    answer_prompt: str
    judge: JudgeRecord
    """Whose verdicts count: the judge, or the majority of several."""
    judges: tuple[JudgeRecord, ...]
    judge_repeats: int
    """How many times each judge graded an answer."""
    judged: bool
    """Whether verdicts were asked for."""
    levels: tuple[Level, ...]
    """At which levels retrieval could be measured."""
    types: tuple[str, ...]
    """The question types in the benchmark's order."""
    kinds: tuple[tuple[str, tuple[str, ...]], ...]
    """Question types, each with the groups of its questions."""
    clusters: tuple[str, ...]
    questions: tuple[Row, ...]


class Baseline(Block):
    """The whole of a baseline file."""

    schema_version: Literal[1] = BASELINE_VERSION
    run: BaselineRun
    results: tuple[BaselineResult, ...]

    @property
    def providers(self) -> list[str]:
        """The names of its providers."""
        return list(dict.fromkeys(result.provider.name for result in self.results))

    @property
    def benchmarks(self) -> list[str]:
        """The names of its benchmarks."""
        return list(dict.fromkeys(result.benchmark for result in self.results))

    def only(self, provider: str) -> Baseline:
        """The part of one provider; raises `ConfigurationError` if there is no such."""
        kept = tuple(result for result in self.results if result.provider.name == provider)
        if not kept:
            raise ConfigurationError(
                f"run {self.run.id} has no provider {provider!r}. It has: {', '.join(self.providers) or 'none'}."
            )
        return self.model_copy(update={"results": kept})

    def result(self, provider: str, benchmark: str) -> BaselineResult | None:
        """The result of a provider on a benchmark."""
        pairs = ((one.provider.name, one.benchmark, one) for one in self.results)
        return next((one for name, on, one in pairs if (name, on) == (provider, benchmark)), None)


def pack_result(marks: Iterable[Marks], **about: object) -> BaselineResult:
    """A result with rows for these `marks`; `about` has its other fields."""
    kinds: dict[tuple[str, tuple[str, ...]], int] = {}
    clusters: dict[str, int] = {}
    rows = [
        Row(
            one.question,
            kinds.setdefault((one.question_type, one.groups), len(kinds)),
            clusters.setdefault(one.cluster, len(clusters)),
            one.outcome,
            _packed(one, "message"),
            _packed(one, "session"),
            _rounded(one.ms.get("search"), 3),
            _rounded(one.ms.get("answer"), 3),
            _rounded(one.ms.get("judge"), 3),
            one.context_tokens,
            _rounded(one.usd, 9),
        )
        for one in marks
    ]
    lists = {"kinds": tuple(kinds), "clusters": tuple(clusters), "questions": tuple(rows)}
    return BaselineResult.model_validate({**about, **lists})


def marks_by_question(result: BaselineResult) -> dict[str, Marks]:
    """What a baseline's rows say, by question id."""
    return {row.question: _unpacked(row, result) for row in result.questions}


def baseline_text(baseline: Baseline) -> str:
    """The file's text: a line for each question, so that a change of it is read in a diff; always the same bytes."""
    written = baseline.model_dump(mode="json")
    results = ",\n".join(_result_text(result) for result in written.pop("results"))
    head = json.dumps(written, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n "results": [\n{results}\n ]\n}}\n'


def _result_text(result: dict[str, Any]) -> str:
    rows = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in result.pop("questions")]
    head = json.dumps(result, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n "questions": [\n' + ",\n".join(rows) + "\n ]\n}"


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file; raises `ConfigurationError` if it cannot be read."""
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"][:4]))
        raise ConfigurationError(
            f"{path} is no baseline that this version reads ({where}: {problem['msg']}). Make it again with: "
            "python -m reports baseline RUN."
        ) from error


def baseline_schema() -> str:
    """The JSON Schema of a baseline file as text, ending in a newline: ``docs/baseline.schema.json``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Baseline.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _packed(one: Marks, level: Level) -> tuple[int, ...] | None:
    found = one.found.get(level)
    return None if found is None else (found.evidence, *found.places)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _unpacked(row: Row, result: BaselineResult) -> Marks:
    question_type, groups = result.kinds[row.kind]
    levels: Mapping[Level, tuple[int, ...] | None] = {"message": row.message, "session": row.session}
    times = {"search": row.search_ms, "answer": row.answer_ms, "judge": row.judge_ms}
    return Marks(
        row.question, question_type, groups, result.clusters[row.cluster], row.outcome,
        {level: Found(packed[0], packed[1:]) for level, packed in levels.items() if packed},
        {phase: ms for phase, ms in times.items() if ms is not None}, row.context_tokens, row.usd,
    )  # fmt: skip
