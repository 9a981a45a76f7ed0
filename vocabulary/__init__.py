"""The words that all rooms share: conversations, questions, outcomes, errors, names and dates.

Values only: no other room is imported from here.
"""

from typing import TYPE_CHECKING

from vocabulary.conversation import Haystack, Message, Role, Session, estimate_tokens
from vocabulary.dates import SEASONS, Precision, TimeSpan, format_day
from vocabulary.errors import (
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
    RecordError,
    ReplyError,
    StalledError,
    UnansweredError,
    UnknownNameError,
)
from vocabulary.names import file_name_of
from vocabulary.outcome import PHASES, Answer, Nugget, Phase, SearchResult, Verdict, VerdictLabel, Vote
from vocabulary.places import default_runs_dir, runs_dir_option, usual_runs_dir
from vocabulary.question import Case, EvidenceSource, Gold, Question
from vocabulary.scripts import UNSPACED, has_unspaced
from vocabulary.suggestion import did_you_mean, nearest
from vocabulary.text import REPLACEMENT, Text, clean_json, clean_text, visible
from vocabulary.tunable import SearchOnly, SettingValue, Tunable
from vocabulary.usage import SAME_COUNTS, Usage, counted_alike, is_unread
from vocabulary.word import Word, is_none

if TYPE_CHECKING:
    from vocabulary.command_line import OneLineParser
else:

    def __getattr__(name: str) -> object:
        """Import argparse for commands alone."""
        if name != "OneLineParser":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from vocabulary.command_line import OneLineParser

        return OneLineParser


__all__ = [
    "PHASES",
    "REPLACEMENT",
    "SAME_COUNTS",
    "SEASONS",
    "UNSPACED",
    "Answer",
    "Case",
    "CheckpointError",
    "ConfigurationError",
    "DataError",
    "DataMissingError",
    "EvidenceSource",
    "Gold",
    "Haystack",
    "HaystackError",
    "IndexingTimeoutError",
    "InfrastructureError",
    "JudgeError",
    "MemoryBenchError",
    "Message",
    "ModelError",
    "Nugget",
    "OneLineParser",
    "Phase",
    "Precision",
    "ProviderError",
    "Question",
    "RecordError",
    "ReplyError",
    "Role",
    "SearchOnly",
    "SearchResult",
    "Session",
    "SettingValue",
    "StalledError",
    "Text",
    "TimeSpan",
    "Tunable",
    "UnansweredError",
    "UnknownNameError",
    "Usage",
    "Verdict",
    "VerdictLabel",
    "Vote",
    "Word",
    "clean_json",
    "clean_text",
    "counted_alike",
    "default_runs_dir",
    "did_you_mean",
    "estimate_tokens",
    "file_name_of",
    "format_day",
    "has_unspaced",
    "is_none",
    "is_unread",
    "nearest",
    "runs_dir_option",
    "usual_runs_dir",
    "visible",
]
