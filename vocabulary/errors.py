"""All exceptions of the project.

    MemoryBenchError
    ├── ConfigurationError      what was asked for cannot be done: found before anything runs, exit status 4
    │   └── UnknownNameError    no provider, model, judge … of that name
    ├── DataError               a data file is not what it should be
    │   └── DataMissingError    a data file is not there; says which command gets it
    ├── CheckpointError         the run's record cannot be read, written or continued
    ├── StalledError            the event loop of a run ended or stands still: nothing can go on
    └── InfrastructureError     a step could not be done: counted as an error, never as a verdict
        ├── HaystackError       the sessions to ingest could not be read
        ├── RecordError         what the checkpoint holds of a step cannot be read
        ├── UnansweredError     there is no recorded answer to judge, or it belongs to no question
        ├── ProviderError       the memory system under test failed
        │   └── IndexingTimeoutError   it did not become ready in time
        ├── ModelError          a language model failed
        │   └── ReplyError      its reply is not what was asked for
        └── JudgeError          the judge failed, or said nothing that can be read as a verdict

`InfrastructureError` carries what retrying needs: `transient` (worth another attempt) and `retry_after` (seconds that
the service asked us to wait).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vocabulary.suggestion import did_you_mean

if TYPE_CHECKING:
    from vocabulary.usage import Usage


class MemoryBenchError(Exception):
    """Base of all errors of this project; its text says what was wrong and what to do next."""


class ConfigurationError(MemoryBenchError):
    """What was asked for cannot be done."""


class UnknownNameError(ConfigurationError):
    """A name that nothing here has; the message lists those that exist and the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        guess = did_you_mean(name, known)
        super().__init__(f"unknown {kind} {name!r}.{guess} Known: {', '.join(known)}.{' ' + hint if hint else ''}")


class DataError(MemoryBenchError):
    """A data file is not what it should be."""


class DataMissingError(DataError):
    """A data file is not there."""


class CheckpointError(MemoryBenchError):
    """The run's record cannot be read, written or continued."""


class StalledError(MemoryBenchError):
    """The event loop that drives a run's questions ended or stands still."""


class InfrastructureError(MemoryBenchError):
    """A step could not be done.

    `transient` says that another attempt may succeed; `retry_after` is how many seconds the service asked to be left
    alone; `status` is that of its HTTP response, if there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.status = status


class HaystackError(InfrastructureError):
    """The sessions to ingest could not be read."""


class RecordError(InfrastructureError):
    """What the checkpoint holds of a step cannot be read."""


class UnansweredError(InfrastructureError):
    """There is no recorded answer to judge, or it belongs to no question of the benchmark."""


class ProviderError(InfrastructureError):
    """The memory system under test failed."""


class IndexingTimeoutError(ProviderError):
    """A container did not become ready in time."""


class ModelError(InfrastructureError):
    """A language model failed."""


class ReplyError(ModelError):
    """A model's reply is not what was asked for, such as text where an object should be; `usage` is what it took."""

    def __init__(self, message: str, *, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


class JudgeError(InfrastructureError):
    """The judge failed, or said nothing that can be read as a verdict."""
