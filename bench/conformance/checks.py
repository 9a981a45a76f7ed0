"""The checks of the conformance kit: each a small function that returns what it saw, in words.

A check that is not met raises `Failed`; one that the provider says it does not do raises `Declared`. What is about
finding is in `bench.conformance.finding`, what is about keeping and forgetting in `bench.conformance.keeping`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bench.conformance.finding import (
    both_speakers_are_kept,
    dates_survive,
    every_message_is_found,
    nothing_before_ingest,
    provenance_comes_back,
    ready_means_ready,
    top_k_holds,
)
from bench.conformance.keeping import (
    another_process_finds,
    calls_end,
    clear_clears,
    containers_are_apart,
    empty_messages_are_harmless,
    long_messages_are_kept,
    many_sessions_are_kept,
    repeats_are_stored_once,
    unicode_is_kept,
    unknown_key_is_refused,
)
from bench.conformance.subject import Subject

Check = Callable[[Subject], Awaitable[str]]

CHECKS: dict[str, Check] = {
    "finds": every_message_is_found,
    "ready": ready_means_ready,
    "apart": containers_are_apart,
    "processes": another_process_finds,
    "dates": dates_survive,
    "speakers": both_speakers_are_kept,
    "provenance": provenance_comes_back,
    "repeats": repeats_are_stored_once,
    "unicode": unicode_is_kept,
    "long-message": long_messages_are_kept,
    "empty-messages": empty_messages_are_harmless,
    "many-sessions": many_sessions_are_kept,
    "top-k": top_k_holds,
    "before-ingest": nothing_before_ingest,
    "clear": clear_clears,
    "key": unknown_key_is_refused,
    "time-limits": calls_end,
}
"""By name, in the order in which they are run and shown. `docs/conformance.md` says what each is about."""
