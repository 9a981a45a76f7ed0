"""What a memory system must be able to do to be tested."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from net import CallLimits
from vocabulary import Gold, Question, SearchResult, Session

T = TypeVar("T")
MaybeAwaitable: TypeAlias = "T | Awaitable[T]"
"""Methods of a provider are ``async def`` or plain ``def``; a plain one is run in a thread."""


@dataclass(frozen=True, slots=True)
class Limits(CallLimits):
    """What a provider can bear: `net.CallLimits` with `concurrency`, `per_minute` and `scope`, and what follows.

    `sessions` is how many sessions of one container may be ingested at once: 1 keeps their order. `containers` is
    "one-folder" where a container is in the `workspace`, so that other folders and machines have to ingest their own,
    and "one-process" for an engine whose store of a container only one process may have open: all questions of a
    container then go to one worker. `indexing_timeout` is in seconds.
    """

    sessions: int = 1
    containers: Literal["shared", "one-folder", "one-process"] = "shared"
    indexing_timeout: float = 600.0

    @property
    def local(self) -> bool:
        """Whether only this folder can search what is ingested here; so it is with what computes in the process."""
        return self.containers != "shared" or self.scope == "process"

    @property
    def indexing_end(self) -> float:
        """When others stop waiting for `Provider.await_indexing`, in seconds.

        A provider that ends the wait by itself, after `indexing_timeout`, can say what it waited for: it comes first.
        """
        return self.indexing_timeout * 1.05 + 2.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a memory system does by its nature. The conformance kit holds a provider to it, and the docs show it.

    `finds`: it finds what was ingested (a floor finds nothing). `ranked`: results are ranked and `top_k` holds.
    `provenance`: the smallest thing whose ids come back with a result. `verbatim`: results hold what was said, word for
    word, and not only what was understood of it. `dates`: results carry the date of what they tell. `repeatable`: a
    session that is ingested again is not stored twice. `needs` is what must be there first, in a few words.
    """

    finds: bool = True
    ranked: bool = True
    provenance: Literal["message", "session", "none"] = "message"
    verbatim: bool = True
    dates: bool = True
    repeatable: bool = True
    needs: str = "nothing"


class Recalled(tuple[SearchResult, ...]):
    """Results of a search that took from `Provider.shared` what an earlier search had computed.

    The time that it took is not recorded: it would be too short.
    """

    __slots__ = ()


class ProviderSettings(BaseModel):
    """What can be set about a provider; a provider that has settings subclasses this. Recorded in every report."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Provider(ABC):
    """A memory system under test.

    Subclass it in a file of its own, give it a `name`, and ``--provider NAME`` finds it. One instance serves a whole
    process. `workspace` is a folder that this provider has to itself for the run and that outlives the process: several
    workers use it at once.

    A container holds the sessions of one haystack, and nothing of another. Raise `ProviderError` (with
    ``transient=True`` where another attempt may succeed) for what goes wrong.

    `version` is this adapter's own, `api` the generation of the service's interface or of the engine that it drives.
    `capabilities` and `limits` may be set on an instance where they depend on its settings.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    api: ClassVar[str] = ""
    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings
    shares: ClassVar[bool] = False
    """Whether it wants a folder `shared`."""
    capabilities: Capabilities = Capabilities()
    limits: Limits = Limits()

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        self.settings = settings
        self.workspace = workspace
        self.hold: Callable[[float], None] = _no_matter
        """Call it with a number of seconds where the service says that it wants no calls for so long."""
        self.shared: Path | None = None
        """A folder of all runs of this provider with the same ``--cache``, whatever its settings, for what depends on
        none of them; None without a cache."""

    def check(self) -> MaybeAwaitable[None]:  # noqa: B027  usable unless overridden
        """Raise `ProviderError` if the service cannot be used, as with a key that it does not know.

        Asked once before anything is ingested. It stores nothing and costs nothing.
        """

    @abstractmethod
    def ingest(self, container: str, session: Session) -> MaybeAwaitable[None]:
        """Store one session in `container`, which comes into being with its first session."""

    def await_indexing(self, container: str) -> MaybeAwaitable[None]:  # noqa: B027  ready at once unless overridden
        """Return when everything that was ingested into `container` can be found, not before."""

    @abstractmethod
    def search(self, container: str, question: Question, top_k: int) -> MaybeAwaitable[Sequence[SearchResult]]:
        """At most `top_k` results for `question`, best first; none for an empty or unknown container."""

    @abstractmethod
    def clear(self, container: str) -> MaybeAwaitable[None]:
        """Remove `container` and all that is in it; nothing happens if there is none."""

    def answer_prompt(self, question: Question, results: Sequence[SearchResult]) -> str | None:
        """The whole prompt of the answering model, for a provider with a prompt of its own; None for the shared one.

        Used only under ``--answer-prompt provider``. `results` are what `search` gave, best first, as far as
        ``--context-tokens`` allows. Plain ``def``, and quick: it puts text together and asks nobody. Change `version`
        with the wording.
        """
        del question, results
        return None

    def close(self) -> MaybeAwaitable[None]:  # noqa: B027  nothing to close unless overridden
        """Give back what this process holds (connections, files); what was ingested stays."""


def _no_matter(_seconds: float) -> None:
    """Where nobody calls on behalf of a run, nobody has to wait."""


class Ceiling(Provider):
    """A baseline that is shown the gold evidence: the most that perfect retrieval could give, never a memory system."""

    @abstractmethod
    def search_gold(
        self, container: str, question: Question, gold: Gold, top_k: int
    ) -> MaybeAwaitable[Sequence[SearchResult]]:
        """Like `search`, knowing the gold."""

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """Not for this kind of provider."""
        raise NotImplementedError(f"{self.name} is a ceiling: it is asked through search_gold")
