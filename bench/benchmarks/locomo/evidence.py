"""LoCoMo's references to messages, as its files write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any  # any: parsed JSON

from vocabulary import DataError, EvidenceSource

_EVIDENCE = re.compile(r"D:?(\d+):(\d+)(?:\s*[-\u2013]\s*(?:D:?\1:)?(\d+))?")
_LONGEST_RANGE = 100


def evidence_of(
    references: Sequence[Any],  # any: parsed JSON
    session_of: Mapping[str, str],
    where: str,
) -> tuple[dict[str, Any], list[str]]:  # any: values of different fields
    """The fields of a gold that say its evidence, and the references that lead to no message."""
    sources, unknown = resolve_evidence(references, session_of, where)
    messages = tuple(dict.fromkeys(message for source in sources for message in source.ids))
    fields = {
        "evidence_messages": messages,
        "evidence_sessions": tuple(dict.fromkeys(session_of[message] for message in messages)),
        "evidence_sources": sources,
    }
    return fields, unknown


def resolve_evidence(
    references: Sequence[Any],  # any: parsed JSON
    known: Mapping[str, str],
    where: str,
) -> tuple[tuple[EvidenceSource, ...], list[str]]:
    """The references with the message ids that each names, and the references that lead to no message.

    The data holds several ids in one string, ``D:11:26`` for ``D11:26`` and ``D30:05`` for ``D30:5``; a copy may hold
    ``D1:3-5`` for three of them.
    """
    sources: list[EvidenceSource] = []
    unknown: list[str] = []
    for reference in references:
        if not isinstance(reference, str):
            raise DataError(f"{where}: evidence holds {type(reference).__name__} {reference!r:.60} instead of text")
        ids = [name for found in _EVIDENCE.finditer(reference) for name in _named_by(found)]
        sources.append(EvidenceSource(source=reference, ids=tuple(name for name in ids if name in known)))
        unknown += [name for name in ids if name not in known] if ids else [repr(reference)]
    return tuple(sources), unknown


def _named_by(reference: re.Match[str]) -> list[str]:
    session, first, last = (int(number or 0) for number in reference.groups())
    if not first < last <= first + _LONGEST_RANGE:
        last = first
    return [f"D{session}:{turn}" for turn in range(first, last + 1)]
