"""Zep's findings of several kinds as one ranked list of search results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from providers.hosted.zep_ids import Source
from providers.hosted.zep_wire import Found, Scope, source_of
from vocabulary import SearchResult


def merged(found: Mapping[Scope, Sequence[Found]], top_k: int) -> list[tuple[Scope, Found]]:
    """At most `top_k`: the first of each scope, then the second of each, and so on, in the order of the scopes.

    That is also the order of reciprocal rank fusion, for no item is in two scopes. Scores are not used: those of
    different scopes are not of one scale.
    """
    ranked = [
        (rank, place, scope, item)
        for place, (scope, items) in enumerate(found.items())
        for rank, item in enumerate(items)
    ]
    ranked.sort(key=lambda one: one[:2])
    return [(scope, item) for _, _, scope, item in ranked[:top_k]]


def sources(scope: Scope, item: Found) -> tuple[str, ...]:
    """The episodes whose messages an item comes from, as far as they must be looked up.

    None for a node: it names every episode in which its entity is mentioned, and a speaker would be evidence for all.
    """
    if scope in ("edges", "observations"):
        return tuple(dict.fromkeys(item.episode_uuids or ()))
    if scope == "episodes" and source_of(item.metadata) is None:
        return (item.uuid,)
    return ()


def as_result(
    scope: Scope, item: Found, known: Mapping[str, Source], sessions: Mapping[str, str | None]
) -> SearchResult:
    """The item as a result; `known` says what episodes are, `sessions` has the session by thread."""
    own = source_of(item.metadata) if scope == "episodes" else None
    ours = [own] if own else [known[uuid] for uuid in sources(scope, item) if uuid in known]
    session_ids: list[str] = [source.session for source in ours]
    if scope == "thread_summaries" and item.thread_uuid:
        session_ids += [session for session in (sessions.get(item.thread_uuid),) if session]
    dated = not ours or any(source.dated for source in ours)
    return SearchResult(
        text=_text(scope, item),
        score=item.score if item.relevance is None else item.relevance,
        timestamp=_timestamp(scope, item) if dated else None,
        session_ids=tuple(dict.fromkeys(session_ids)),
        message_ids=tuple(dict.fromkeys(source.message for source in ours)),
        raw={"scope": scope, **item.raw},
    )


def _timestamp(scope: Scope, item: Found) -> datetime | None:
    """When it was said, or from when it holds; when Zep took it is never taken for that."""
    times = {
        "edges": item.valid_at,
        "episodes": item.reference_time,
        "thread_summaries": item.last_summarized_episode_valid_at,
    }
    return times.get(scope)


def _text(scope: Scope, item: Found) -> str:
    if scope == "edges":
        ended = item.invalid_at or item.expired_at
        return f"{item.fact or ''} (no longer true since {ended:%Y-%m-%d})" if ended else item.fact or ""
    if scope == "episodes":
        content, speaker = item.content or "", item.role_name
        return f"{speaker}: {content}" if speaker and not content.startswith(speaker) else content
    named = item.name and scope != "thread_summaries"
    return f"{item.name}: {item.summary or ''}" if named else item.summary or ""
