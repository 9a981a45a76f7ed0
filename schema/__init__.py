"""The words that all rooms share: what is said, what is asked, what comes of it, and what can go wrong.

Everything here is a value without behaviour of its own. No other room is imported from here.
"""

from schema.conversation import Haystack, Message, Role, Session, estimate_tokens
from schema.errors import (
    CheckpointError,
    ConfigurationError,
    DataError,
    DataMissingError,
    HaystackError,
    IndexingTimeoutError,
    InfrastructureError,
    JudgeError,
    MemoryBenchError,
    ModelError,
    ProviderError,
    ReplyError,
    UnknownNameError,
)
from schema.names import find_class, known_classes
from schema.outcome import Answer, SearchResult, Usage, Verdict, VerdictLabel, Vote
from schema.question import Case, Gold, Question
from schema.timespan import TimeSpan, format_day
from schema.timewords import TimeExpression, find_times
from schema.waits import pause_until_reset, retry_after
from schema.word import Word

__all__ = [
    "Answer",
    "Case",
    "CheckpointError",
    "ConfigurationError",
    "DataError",
    "DataMissingError",
    "Gold",
    "Haystack",
    "HaystackError",
    "IndexingTimeoutError",
    "InfrastructureError",
    "JudgeError",
    "MemoryBenchError",
    "Message",
    "ModelError",
    "ProviderError",
    "Question",
    "ReplyError",
    "Role",
    "SearchResult",
    "Session",
    "TimeExpression",
    "TimeSpan",
    "UnknownNameError",
    "Usage",
    "Verdict",
    "VerdictLabel",
    "Vote",
    "Word",
    "estimate_tokens",
    "find_class",
    "find_times",
    "format_day",
    "known_classes",
    "pause_until_reset",
    "retry_after",
]
