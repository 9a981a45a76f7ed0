"""What can be asked of a run: one model for the command line, the environment, pyproject.toml and programs."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.base import BenchmarkOptions
from reports import Phase
from schema import ConfigurationError

ENVIRONMENT_PREFIX = "MEMORYBENCH_"
SELECTION_FIELDS = (
    *("limit", "sample", "sample_seed", "question_type", "as_of", "context_size"),
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
    answer_prompt: Literal["shared", "provider"] = Field(
        default="shared", description="one prompt for all providers, or that of each provider that brings its own"
    )
    context_tokens: int | None = Field(
        default=None, ge=1, description="how many tokens of search results a language model is given at most"
    )
    judge: tuple[str, ...] = Field(default=("lexical",), min_length=1, description="what grades the answers")
    judge_protocol: str | None = Field(
        default=None, description="the rules of a model that judges, in place of those of the benchmark"
    )
    judge_repeats: int = Field(default=1, ge=1, description="how many times each judge grades each answer")
    judge_batch: bool = Field(
        default=False, description="judge through batch endpoints: within a day, at half the price"
    )
    top_k: int = Field(default=50, ge=1, le=1000, description="how many search results are asked for and handed on")
    limit: int | None = Field(default=None, ge=1, description="only the first LIMIT questions of each benchmark")
    sample: int | None = Field(default=None, ge=1, description="SAMPLE questions of each type, chosen by --sample-seed")
    sample_seed: int = Field(default=0, description="chooses the sample; the same on every machine")
    question_type: tuple[str, ...] = Field(default=(), description="only questions of this type")
    run_id: str | None = Field(default=None, description="name of the run; one that exists is continued")
    checkpoint_url: str | None = Field(
        default=None, description="keep the checkpoint in a database, as in postgresql+psycopg://host/name"
    )
    runs_dir: Path = Field(default=Path("runs"), description="folder for checkpoints and reports")
    until: Phase = Field(default="judge", description="stop after this phase: ingest, search, answer or judge")
    isolation: Literal["haystack", "question"] = Field(
        default="haystack", description="one container for each haystack, or one for each question"
    )
    in_flight: int = Field(default=32, ge=1, description="calls under way at once, over all workers")
    retry_from: Phase | None = Field(
        default=None, description="ask every question of an existing run again, from this phase on"
    )
    fail_under: tuple[str, ...] = Field(
        default=(), description="a gate NAME=VALUE, such as accuracy=0.65, accuracy.low=0.6 or recall@10=0.6"
    )
    max_errors: int | None = Field(default=None, ge=0, description="how many questions may end in an error at a gate")
    max_usd: float | None = Field(
        default=None, gt=0, description="stop when the models have cost so many US dollars; inf is no limit"
    )
    as_of: bool = Field(default=False, description="drop sessions that are dated after the question")
    context_size: tuple[int, ...] = Field(
        default=(), description="only haystacks of so many conversations (ConvoMem), such as 30"
    )
    data: str | None = Field(default=None, description="folder that already holds the data files")
    synthetic_sessions: int = Field(default=100, ge=10, description="size of the synthetic haystack")
    synthetic_questions: int = Field(default=100, ge=5, description="questions over the synthetic haystack")
    synthetic_seed: int = Field(default=0, description="makes another synthetic haystack")

    @field_validator("max_usd")
    @classmethod
    def _without_end_is_no_limit(cls, value: float | None) -> float | None:
        return None if value is None or math.isinf(value) else value

    @field_validator("judge", mode="before")
    @classmethod
    def _one_judge_may_stand_alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def benchmark_options(self) -> BenchmarkOptions:
        """The part that loading a benchmark needs."""
        return BenchmarkOptions(**{name: getattr(self, name) for name in BenchmarkOptions.model_fields})


def build_benchmark_config(**options: object) -> BenchmarkConfig:
    """A configuration from `options`; what is not given (or None) comes from the environment, then from the defaults.

    Options that may be given several times take a sequence, or in the environment a comma-separated list. Raises
    `schema.ConfigurationError` for unknown options and for values that do not fit.
    """
    values: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    for name, field in BenchmarkConfig.model_fields.items():
        text = os.environ.get(ENVIRONMENT_PREFIX + name.upper())
        if name in values or not text:
            continue
        several = isinstance(field.get_default(), tuple)
        values[name] = tuple(part.strip() for part in text.split(",") if part.strip()) if several else text
    try:
        return BenchmarkConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_told(problem["loc"], problem) for problem in error.errors())) from error


def option_name(field: str) -> str:
    """The command-line option of a field: ``--top-k`` for ``top_k``."""
    return "--" + field.replace("_", "-")


def _told(location: tuple[int | str, ...], problem: object) -> str:
    assert isinstance(problem, dict)
    field = str(location[0]) if location else "options"
    if problem["type"] == "extra_forbidden":
        known = ", ".join(BenchmarkConfig.model_fields)
        return f"unknown option {field!r}. Known: {known}."
    return f"{option_name(field)} {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}."
