"""What the files of ``http`` and ``mcp`` providers have in common: capabilities, limits, and where results stand."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from providers.base import Capabilities, Limits
from providers.general.reply_paths import ReplyPath


class Declared(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class ResultPaths(Declared):
    """Where text, score, time and ids stand in each result; a `distance` is a score whose least is best."""

    text: ReplyPath
    score: ReplyPath | None = None
    distance: ReplyPath | None = None
    time: ReplyPath | None = None
    session_ids: ReplyPath | None = None
    message_ids: ReplyPath | None = None

    @property
    def provenance(self) -> Literal["message", "session", "none"]:
        """The smallest thing whose ids come back."""
        if self.message_ids:
            return "message"
        return "session" if self.session_ids else "none"


class DeclaredLimits(Declared):
    """What the service bears: see `providers.base.Limits`. `timeout` is how many seconds a request may take."""

    concurrency: int | None = Field(None, ge=1)
    per_minute: float | None = Field(None, gt=0, strict=False)
    sessions: int = Field(1, ge=1)
    timeout: float = Field(60.0, gt=0, strict=False)

    def limits(self, indexing_timeout: float) -> Limits:
        """As the pipeline reads them."""
        return Limits(
            concurrency=self.concurrency,
            per_minute=self.per_minute,
            sessions=self.sessions,
            indexing_timeout=indexing_timeout,
        )


class DeclaredCapabilities(Declared):
    """What the system does by its nature, where it differs from what a memory system should do."""

    verbatim: bool = True
    ranked: bool = True
    repeatable: bool = True
    dates: bool | None = None
    provenance: Literal["message", "session", "none"] | None = None

    def capabilities(self, paths: ResultPaths | None, needs: str) -> Capabilities:
        """As the conformance kit reads them; what results hold is known by where it stands in them."""
        return Capabilities(
            provenance=self.provenance or (paths.provenance if paths else "none"),
            verbatim=self.verbatim,
            ranked=self.ranked,
            repeatable=self.repeatable,
            dates=bool(paths and paths.time) if self.dates is None else self.dates,
            needs=needs,
        )
