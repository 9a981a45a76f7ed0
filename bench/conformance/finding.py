"""Checks of the conformance kit that are about what a search gives."""

from __future__ import annotations

import time
from datetime import date, timedelta

from bench.conformance.haystacks import Fact, about_one_thing, anywhere, both_speakers, dated, one, three
from bench.conformance.subject import Declared, Failed, Subject
from llms.offline import find_times
from providers import Ceiling
from vocabulary import SearchResult, TimeSpan, format_day

READY_ROUNDS = 3


async def every_message_is_found(subject: Subject) -> str:
    """A fact is found whichever message held it: the first, one amidst others, the last."""
    subject.must_find()
    sessions, facts = anywhere()
    container = subject.container("finds")
    await subject.fill(container, sessions)
    for fact in facts:
        await subject.find(container, fact, "Send every message of every session, and search all of them.")
    return f"{len(facts)} facts were found, in the first, in a middle and in the last message of their sessions"


async def ready_means_ready(subject: Subject) -> str:
    """Right after await_indexing has returned, what was ingested is found; several times, each in a new container."""
    subject.must_find()
    for attempt in range(READY_ROUNDS):
        session, fact = one(attempt)
        container = subject.container(f"ready-{attempt + 1}")
        await subject.fill(container, [session])
        returned = time.monotonic()
        results = await subject.search(container, fact)
        if fact.held_by(results):
            continue
        try:
            await subject.find(container, fact, "")
            late = f"It was found {time.monotonic() - returned:.1f} s later"
        except Failed:
            late = f"It was not found {subject.means.grace:g} s later either"
        raise Failed(
            f"await_indexing returned, and at once {subject.not_found(fact, results)} {late}: return from "
            "await_indexing only when the service says that all of it can be searched."
        )
    return f"{READY_ROUNDS} of {READY_ROUNDS} times a fact was found right after await_indexing had returned"


async def dates_survive(subject: Subject) -> str:
    """A question about "when" gives the session's date, in the timestamp or in the text, and not today's."""
    subject.must_find()
    if not subject.capabilities.dates:
        raise Declared("it declares that results carry no dates")
    sessions, facts = dated()
    container = subject.container("dates")
    await subject.fill(container, sessions)
    advice = "Send the session's date in the field that the service reads, and give it back as the timestamp."
    for session, fact in zip(sessions, facts, strict=True):
        holding, _all = await subject.find(container, fact, "Store sessions whatever their date is, also without one.")
        dates = [_days(result) for result in holding]
        if session.date is None:
            made_up = next((result for result in holding if result.timestamp and _is_today(result.timestamp)), None)
            if made_up is not None:
                raise Failed(
                    f"session {session.id} has no date, and a result from it was dated {made_up.timestamp}, today. "
                    "Give no timestamp where none was sent."
                )
            continue
        day = session.date.date()
        if not any(day in days for days in dates):
            came = sorted({_named(one) for days in dates for one in days}) or ["no date"]
            raise Failed(
                f"{fact.question!r} should give {format_day(day)}, the date of session {session.id}, and gave "
                f"{', '.join(came)}. {advice}"
            )
        wrong = next((one for one in holding if one.timestamp and one.timestamp.date() != day), None)
        if wrong is not None and wrong.timestamp is not None:
            raise Failed(
                f"a result from session {session.id} of {format_day(day)} has the timestamp "
                f"{_named(wrong.timestamp.date())}, whatever its text says. {advice}"
            )
    return "sessions of 2017 and 2020 came back with their dates, and one without a date with none of its own"


def _days(result: SearchResult) -> set[date]:
    """The days that a result names: its timestamp, and complete dates in its text."""
    spans: list[TimeSpan] = [one.span for one in find_times(result.text, relative=False)]
    days = {span.start for span in spans if span.days == 1}
    return days | ({result.timestamp.date()} if result.timestamp else set())


def _is_today(moment: date) -> bool:
    day = date(moment.year, moment.month, moment.day)
    return abs(day - date.today()) <= timedelta(days=1)  # by the clock of a service that may be a time zone away


def _named(day: date) -> str:
    return f"{format_day(day)} (today)" if _is_today(day) else format_day(day)


async def both_speakers_are_kept(subject: Subject) -> str:
    """What each of two speakers says of themselves is found."""
    subject.must_find()
    sessions, facts = both_speakers()
    container = subject.container("speakers")
    await subject.fill(container, sessions)
    for fact, speaker in zip(facts, ("Marta, the user,", "Teodor, the assistant,"), strict=True):
        advice = f"{speaker} said it: send the messages of both speakers, with their names."
        await subject.find(container, fact, advice)
    return "what the user and what the assistant said of themselves was found"


async def provenance_comes_back(subject: Subject) -> str:
    """A result says which session (and, where that is declared, which message) it comes from."""
    subject.must_find()
    level = subject.capabilities.provenance
    if level == "none":
        raise Declared("it declares that results do not say where they come from")
    sessions, facts = three()
    container = subject.container("provenance")
    await subject.fill(container, sessions)
    known = {session.id for session in sessions} | {m.id for session in sessions for m in session.messages}
    for fact in facts:
        holding, results = await subject.find(container, fact, "Search all that was ingested.")
        strange = sorted({id_ for one in results for id_ in (*one.session_ids, *one.message_ids)} - known)
        if strange:
            raise Failed(
                f"results name {strange[0]!r}, which is no id of a session or message that was ingested. Give back the "
                "ids that came with them, not the service's own."
            )
        _check_origin(fact, holding, level)
    return f"each of {len(facts)} facts came back with the {level} that it was said in"


def _check_origin(fact: Fact, holding: list[SearchResult], level: str) -> None:
    advice = "Send the ids as metadata and give them back with each result, or declare capabilities.provenance."
    if not any(fact.session in one.session_ids for one in holding):
        came = ", ".join(sorted({id_ for one in holding for id_ in one.session_ids})) or "none"
        raise Failed(f"a fact of session {fact.session} came back with the session ids: {came}. {advice}")
    if level == "session":
        return
    naming = [one.message_ids for one in holding if fact.message in one.message_ids]
    if not naming:
        came = ", ".join(sorted({id_ for one in holding for id_ in one.message_ids})) or "none"
        raise Failed(f"a fact of message {fact.message} came back with the message ids: {came}. {advice}")
    whole_session = 5
    if min(map(len, naming)) >= whole_session:
        raise Failed(
            f"the result with a fact of message {fact.message} names {len(naming[0])} messages, all of its session: "
            "that says no more than the session does. Name the message, or declare provenance by session."
        )


async def top_k_holds(subject: Subject) -> str:
    """No more results than were asked for; and more than one where more were asked for."""
    subject.must_find()
    if not subject.capabilities.ranked:
        raise Declared("it declares that results are not ranked, and top_k does not hold")
    sessions, fact = about_one_thing()
    container = subject.container("top-k")
    await subject.fill(container, sessions)
    counts = {}
    for top_k in (1, 3, 8):
        _holding, results = await subject.find(container, fact, "There are twelve messages about it.", top_k)
        counts[top_k] = len(results)
        if len(results) > top_k:
            raise Failed(
                f"asked for {top_k}, search gave {len(results)} results. Hand top_k on to the service, and cut what it "
                "gives beyond it."
            )
    one_message_each = subject.capabilities.verbatim and subject.capabilities.provenance == "message"
    if one_message_each and counts[8] == 1 and not isinstance(subject.client.provider, Ceiling):
        raise Failed("asked for 8 of 12 messages about one thing, search gave 1. Hand top_k on to the service.")
    return f"asked for 1, 3 and 8, search gave {counts[1]}, {counts[3]} and {counts[8]}"


async def nothing_before_ingest(subject: Subject) -> str:
    """Searching a container that nothing was ever ingested into is empty, not an error."""
    _sessions, facts = three()
    results = await subject.search(subject.container("before-ingest"), facts[0])
    if results:
        raise Failed(
            f"a container that nothing was ingested into gave {len(results)} results, the first of them "
            f"{results[0].text[:60]!r}. Search in the container and nowhere else."
        )
    return "a search of an unknown container was empty"
