"""What can be asked of a run: one model for the command line, the environment, pyproject.toml and programs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from bench.base import BenchmarkOptions, LoCoMoKey
from bench.shard import parse_shard
from vocabulary import ConfigurationError, Phase, Tunable, default_runs_dir, nearest

ENVIRONMENT_PREFIX = "MEMORYBENCH_"
_ENGINES = "MEMORYBENCH_ENGINES"
"""No setting: where memory engines are that have an environment of their own."""

SELECTION_FIELDS = (
    *("part", "part_seed", "limit", "sample", "sample_seed", "question_type", "as_of", "context_size"),
    *("synthetic_sessions", "synthetic_questions", "synthetic_seed"),
)
"""What decides which questions are asked over which haystacks."""


class BenchmarkConfig(BaseModel):
    """All settings of a run. Each field is the option ``--field-name`` and the variable ``MEMORYBENCH_FIELD_NAME``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: tuple[str, ...] = Field(
        default=("bm25",), min_length=1, description="memory system under test, by name or as package.module:Class"
    )
    provider_option: tuple[str, ...] = Field(
        default=(), description="a provider's setting, as NAME=VALUE or PROVIDER.NAME=VALUE"
    )
    answering_model: str = Field(default="extractive", description="what answers from the search results")
    answer_prompt: Annotated[Literal["shared", "provider"], Tunable(changes="answer")] = Field(
        default="shared", description="one prompt for all providers, or that of each provider that brings its own"
    )
    context_tokens: Annotated[int | None, Tunable(choices=(None, 1000, 2000, 4000, 8000), changes="answer")] = Field(
        default=None, ge=1, description="how many tokens of search results a language model is given at most"
    )
    abstain_below: Annotated[float, Tunable(low=0.0, high=0.6, changes="answer")] = Field(
        default=0.0, ge=0, le=1, description="extractive: refuse where no message holds this share of the question"
    )
    abstain_gap: Annotated[float, Tunable(low=0.0, high=0.6, changes="answer")] = Field(
        default=0.15, ge=0, le=1,
        description="extractive: refuse where somebody else's message holds so much more of it than the named person's",
    )  # fmt: skip
    model_option: tuple[str, ...] = Field(
        default=(), description="a setting of requests to models, as NAME=VALUE, answer.NAME=VALUE or judge.NAME=VALUE"
    )
    strict: bool = Field(
        default=False, description="a prompt of which a model's server reads only a part is an error, no warning"
    )
    answers: str | None = Field(
        default=None, description="judge the recorded answers of this run, such as an import: nothing else is called"
    )
    judge: tuple[str, ...] = Field(default=("lexical",), min_length=1, description="what grades the answers")
    judge_protocol: str | None = Field(
        default=None, description="the rules of a model that judges, in place of those of the benchmark"
    )
    judge_repeats: int = Field(default=1, ge=1, description="how many times each judge grades each answer")
    judge_batch: bool = Field(
        default=False, description="judge through batch endpoints: within a day, at half the price"
    )
    top_k: Annotated[int, Tunable(low=5, high=100, step=5, changes="search")] = Field(
        default=50, ge=1, le=1000, description="how many search results are asked for and handed on"
    )
    part: Literal["tune", "holdout"] | None = Field(
        default=None, description="only the haystacks that settings are tuned on, or only the others"
    )
    part_seed: int = Field(default=0, description="divides the haystacks; the same on every machine")
    limit: int | None = Field(default=None, ge=1, description="only the first LIMIT questions of each benchmark")
    sample: int | None = Field(default=None, ge=1, description="SAMPLE questions of each type, chosen by --sample-seed")
    sample_seed: int = Field(default=0, description="chooses the sample; the same on every machine")
    question_type: tuple[str, ...] = Field(default=(), description="only questions of this type")
    shard: str | None = Field(
        default=None,
        description="only part I of N, as in 2/8, or in PostgreSQL first; auto or auto/N for what the scheduler says",
    )
    engine: Literal["local", "ray"] = Field(
        default="local", description="what asks the questions: this invocation, or the processes of a Ray cluster"
    )
    ray_address: str | None = Field(
        default=None, description="the cluster, as HOST:PORT; by default RAY_ADDRESS, or the one on this machine"
    )
    run_id: str | None = Field(default=None, description="name of the run; one that exists is continued")
    checkpoint_url: str | None = Field(
        default=None, description="keep the checkpoint in a database, as in postgresql+psycopg://host/name"
    )
    runs_dir: Path = Field(default_factory=default_runs_dir, description="folder for checkpoints and reports")
    cache: Path | None = Field(
        default=None, description="folder of steps and containers that runs share: what is in it is not done again"
    )
    cache_mb: int = Field(default=2048, ge=1, description="how large the cache is at most after a run")
    until: Phase = Field(default="judge", description="stop after this phase: ingest, search, answer or judge")
    isolation: Literal["haystack", "question"] = Field(
        default="haystack", description="one container for each haystack, or one for each question"
    )
    in_flight: int = Field(default=32, ge=1, description="calls under way at once, over all workers and places")
    call_timeout: float | None = Field(
        default=None, gt=0, description="seconds that a search, an answer or a verdict may take (a search: 180)"
    )
    patience: float = Field(
        default=600,
        ge=0,
        allow_inf_nan=False,
        description="seconds that calls wait for a service or database that fails; 0 for none",
    )
    retry_from: Phase | None = Field(
        default=None, description="ask every question of an existing run again, from this phase on"
    )
    fail_under: tuple[str, ...] = Field(
        default=(), description="a gate NAME=VALUE, such as accuracy=0.65, accuracy.low=0.6 or recall@10=0.6"
    )
    max_errors: int | None = Field(default=None, ge=0, description="how many questions may end in an error at a gate")
    baseline: str | None = Field(
        default=None, description="hold the run against this one: a run, its folder or report.json, a baseline file"
    )
    no_worse: tuple[str, ...] = Field(
        default=(), description="a gate METRIC: not shown to be worse than in the --baseline, such as accuracy"
    )
    max_drop: tuple[str, ...] = Field(
        default=(), description="a gate METRIC=VALUE: how much less than in the --baseline, such as accuracy=0.02"
    )
    max_rise: tuple[str, ...] = Field(
        default=(), description="a gate METRIC=VALUE or VALUE%: how much more, such as p95.search_ms=20%"
    )
    max_usd: float | None = Field(
        default=None, gt=0, description="stop when the models have cost so many US dollars; inf is no limit"
    )
    as_of: bool = Field(default=False, description="drop sessions that are dated after the question")
    context_size: tuple[int, ...] = Field(
        default=(), description="only haystacks of so many conversations (ConvoMem), such as 30"
    )
    locomo_key: LoCoMoKey = Field(
        default="original", description="grade LoCoMo by the published key, one that an audit corrects, or both"
    )
    data: str | None = Field(default=None, description="folder that already holds the data files")
    dataset: tuple[str, ...] = Field(
        default=(), description="your own conversations and questions: a file or a folder, asked about with -k mine"
    )
    synthetic_sessions: int = Field(default=100, ge=10, description="size of the synthetic haystack")
    synthetic_questions: int = Field(default=100, ge=5, description="questions over the synthetic haystack")
    synthetic_seed: int = Field(default=0, description="makes another synthetic haystack")

    @field_validator("cache")
    @classmethod
    def _from_anywhere(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("dataset")
    @classmethod
    def _all_from_anywhere(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Path(path).expanduser().absolute()) for path in value)

    @field_validator("max_usd")
    @classmethod
    def _infinity_to_none(cls, value: float | None) -> float | None:
        return None if value is None or math.isinf(value) else value

    @field_validator("judge", mode="before")
    @classmethod
    def _wrap_single_judge(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("shard")
    @classmethod
    def _numbered(cls, value: str | None) -> str | None:
        try:
            return value and parse_shard(value, os.environ)
        except ValueError as error:
            raise PydanticCustomError("shard", "{reason}", {"reason": str(error)}) from error

    @property
    def shares_run(self) -> bool:
        """Whether all places with the same run id work on one run."""
        return (self.checkpoint_url or "").startswith("postgresql")

    @property
    def abstention(self) -> dict[str, float]:
        """When the extractive answering model refuses, as far as it is not the default."""
        return self.model_dump(include={"abstain_below", "abstain_gap"}, exclude_defaults=True)

    @property
    def selection(self) -> dict[str, JsonValue]:
        """What decides which questions are asked over which haystacks, and by which key they are graded."""
        chosen = self.model_dump(mode="json", include={*SELECTION_FIELDS})
        return chosen if self.locomo_key == "original" else {**chosen, "locomo_key": self.locomo_key}

    @property
    def benchmark_options(self) -> BenchmarkOptions:
        """The part that loading a benchmark needs."""
        return BenchmarkOptions(**{name: getattr(self, name) for name in BenchmarkOptions.model_fields})


def build_benchmark_config(**options: object) -> BenchmarkConfig:
    """A configuration from `options`; what is not given (or None) comes from the environment, then from the defaults.

    Options that may be given several times take a sequence, or in the environment a comma-separated list. Raises
    `ConfigurationError` for unknown options and for values that do not fit.
    """
    return read_settings(options, {})


def read_settings(options: Mapping[str, object], file: Mapping[str, object]) -> BenchmarkConfig:
    """`options` over the environment over `file` (pyproject.toml) over the defaults; errors as above."""
    _check_environment()
    values: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    for name, field in BenchmarkConfig.model_fields.items():
        if name in values:
            continue
        if text := os.environ.get(ENVIRONMENT_PREFIX + name.upper()):
            values[name] = _several(name, text) if isinstance(field.get_default(), tuple) else text
        elif name in file:
            values[name] = file[name]
    try:
        return BenchmarkConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_message(problem["loc"], problem) for problem in error.errors())) from error


def _several(field: str, text: str) -> tuple[str, ...]:
    """The parts of a variable; a comma that no NAME= follows belongs to the value of an option."""
    parts = re.split(r",(?=\s*[\w.:-]+=)" if field.endswith("_option") else ",", text)
    return tuple(part.strip() for part in parts if part.strip())


def _check_environment() -> None:
    """Refuse a variable that is almost the name of a setting: it was meant to be one, and would change nothing."""
    settings = {name.upper() for name in BenchmarkConfig.model_fields}
    for variable in sorted(os.environ):
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name == variable or name in settings or variable == _ENGINES:
            continue
        if meant := nearest(name, settings, likeness=0.7):
            raise ConfigurationError(
                f"unknown variable {variable} in the environment. Did you mean {ENVIRONMENT_PREFIX}{meant}?"
            )


def option_name(field: str) -> str:
    """The command-line option of a field: ``--top-k`` for ``top_k``."""
    return "--" + field.replace("_", "-")


def _message(location: tuple[int | str, ...], problem: object) -> str:
    assert isinstance(problem, dict)
    field = str(location[0]) if location else "options"
    if problem["type"] == "extra_forbidden":
        known = ", ".join(BenchmarkConfig.model_fields)
        return f"unknown option {field!r}. Known: {known}."
    return f"{option_name(field)} {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}."
