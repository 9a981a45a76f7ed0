"""What a benchmark is: cases that are cheap to list, haystacks that are read when they are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from vocabulary import Case, Haystack, Word, is_none

LoCoMoKey = Literal["original", "corrected", "both"]


class BenchmarkOptions(BaseModel):
    """What can be set about how a benchmark is loaded.

    `data` is a folder that already holds data files: what ``MEMORYBENCH_DATA`` names, None for the repository's
    ``datasets/``. `as_of` drops sessions that are dated after the question. `context_size` keeps haystacks of so many
    conversations, all if it is empty. `locomo_key` says which key of LoCoMo grades: the published one, that which an
    audit corrects, or each. `dataset` are files and folders of the user's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str | None = None
    as_of: bool = False
    context_size: tuple[int, ...] = ()
    locomo_key: LoCoMoKey = "original"
    dataset: tuple[str, ...] = ()
    synthetic_sessions: int = Field(default=100, ge=10)
    synthetic_questions: int = Field(default=100, ge=5)
    synthetic_seed: int = 0


class BenchmarkInfo(Word):
    """What a report says of a benchmark.

    `sha256` is of the data (of the generator's settings where there is no file); `verified` says that it is the
    published file. `notes` are remarks about the data that a reader of the numbers should see. `corrected_key` is the
    hash of a second key that a run grades by beside the published one, None without one.
    """

    name: str
    variant: str
    sha256: str
    verified: bool
    licence: str
    citation: str
    notes: tuple[str, ...] = ()
    corrected_key: str | None = Field(default=None, exclude_if=is_none)


AnswerMetric = Literal["locomo_official", "substring_exact_match"]
"""An answer metric that a data set's own script has (`reports.metrics.answers`)."""


def opaque_id(benchmark: str, case_id: str) -> str:
    """What a provider knows a question by: it tells neither the type nor where the evidence is."""
    return "q" + sha256(f"{benchmark}/{case_id}".encode()).hexdigest()[:16]


class Benchmark(ABC):
    """A set of questions over haystacks.

    Subclass it in a file of its own in ``bench/benchmarks/``, beside its test. `types` lists the question types in the
    order in which reports show them. `official_answer` names the data set's own answer metric
    (`reports.metrics.answers`), `official_retrieval` its own retrieval metrics (`reports.metrics.official_retrieval`)
    and `official_accuracy` how its own script sums verdicts up (`reports.metrics.official_accuracy`), if any;
    `paper_metrics` are answer metrics that papers print beside them. `dataset` names the manifest in ``datasets/`` and
    `file` the path in it that this benchmark reads, None for all of them. `family` says with which prompt a language
    model answers (`llms.answering.prompts`) and `protocol` by which rules one judges (`judges.protocols`). `own_judge`
    names the judge that applies the data set's own rule, where that needs no model: it grades in place of ``--judge``,
    unless ``--judge-protocol`` is given.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    official_answer: ClassVar[AnswerMetric | None] = None
    official_retrieval: ClassVar[Literal["longmemeval_official"] | None] = None
    official_accuracy: ClassVar[Literal["longmemeval"] | None] = None
    paper_metrics: ClassVar[tuple[str, ...]] = ()
    dataset: ClassVar[str | None] = None
    file: ClassVar[str | None] = None
    family: ClassVar[str] = "general"
    protocol: ClassVar[str] = "locomo-strict"
    own_judge: ClassVar[str | None] = None

    def __init__(self, options: BenchmarkOptions) -> None:
        """Find the data and make it ready.

        Raises `DataMissingError` if it is not there, `DataError` if it is not what it should be.
        """
        self.options = options

    @classmethod
    def each(cls, options: BenchmarkOptions) -> Sequence[type[Benchmark]]:  # noqa: ARG003  # own data needs them
        """The benchmarks that this one stands for: itself, or with the user's own data one for each data set."""
        return (cls,)

    @property
    @abstractmethod
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""

    @abstractmethod
    def cases(self) -> Sequence[Case]:
        """All cases, in the data's order. No haystack is read for it."""

    @abstractmethod
    def haystack(self, haystack_id: str) -> Haystack:
        """The haystack of that id (`Case.haystack`)."""
