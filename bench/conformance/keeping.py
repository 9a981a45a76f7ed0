"""Checks of the conformance kit that are about what is kept, kept apart, and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any  # a call like the provider's own

from pydantic import SecretStr

from bench.conformance.haystacks import (
    HIDING_PLACES,
    LONG_CHARACTERS,
    UNUSUAL,
    Fact,
    hiding_place,
    long_message,
    many,
    one,
    unusual,
    with_nothing_said,
)
from bench.conformance.process import OtherProcess
from bench.conformance.subject import CallFailed, Declared, Failed, Subject
from vocabulary import ProviderError, SearchResult, Session

UNKNOWN_KEY = "no-such-key-conformance-check"

_HERE = 3
"""How many of the containers that are filled at the same moment are filled by this process."""


async def containers_are_apart(subject: Subject) -> str:
    """Containers that are filled at the same moment, here and by two other processes, do not see each other."""
    hidden = {word: (subject.container(f"apart-{word}"), *hiding_place(word)) for word in HIDING_PLACES}
    here, elsewhere = HIDING_PLACES[:_HERE], HIDING_PLACES[_HERE:]
    async with AsyncExitStack() as stack:
        others = {word: OtherProcess(subject.means) for word in elsewhere}
        for other in others.values():
            stack.push_async_callback(other.close)
        subject.filled += [hidden[word][0] for word in elsewhere]
        await asyncio.gather(
            *(subject.fill(hidden[word][0], [hidden[word][1]]) for word in here),
            *(others[word].fill(hidden[word][0], [hidden[word][1]]) for word in elsewhere),
        )
        for word, (container, _session, fact) in hidden.items():
            if word in others:
                results = await others[word].search(container, fact)
            elif subject.capabilities.finds:
                _holding, results = await subject.find(container, fact, "Its container was filled among others.")
            else:
                results = await subject.search(container, fact)
            _check_apart(word, fact, results, finds=subject.capabilities.finds)
    return f"{len(hidden)} containers with the same ids, filled at once by three processes, held nothing of each other"


def _check_apart(word: str, fact: Fact, results: Sequence[SearchResult], *, finds: bool) -> None:
    held = " ".join(result.text.casefold() for result in results)
    if finds and word not in held:
        raise Failed(f"{Subject.not_found(fact, results)} Another process had ingested it, and asked for it.")
    strange = [other for other in HIDING_PLACES if other != word and other in held]
    if strange:
        raise Failed(
            f'a container that held "{word}" gave "{strange[0]}", which is in a different one. Keep what a '
            "container holds apart, also where two have sessions and messages with the same ids."
        )


async def another_process_finds(subject: Subject) -> str:
    """What this process ingested another one finds, and the other way round."""
    subject.must_find()
    alone = subject.client.provider.limits.containers == "one-process"
    (mine, my_fact), (theirs, their_fact) = one(0), one(1)
    here, there = subject.container("processes-here"), subject.container("processes-there")
    advice = "Keep in the workspace or in the service what search needs, not in the memory of the process."
    await subject.fill(here, [mine])
    if alone:
        await subject.close()
    subject.filled.append(there)
    other = OtherProcess(subject.means)
    try:
        found = await other.search(here, my_fact)
        if not my_fact.held_by(found):
            raise Failed(f"another process than the one that ingested: {subject.not_found(my_fact, found)} {advice}")
        await other.fill(there, [theirs])
    finally:
        await other.close()
        if alone:
            subject.open()
    await subject.find(there, their_fact, f"Another process had ingested it. {advice}")
    return "another process found what this one had ingested, and this one what the other had"


async def repeats_are_stored_once(subject: Subject) -> str:
    """A session that is sent again, because a reply was lost or after all was indexed, is stored once."""
    subject.must_find()
    if not subject.capabilities.repeatable:
        raise Declared("it declares that a session that is ingested again is stored twice")
    session, fact = one()
    once = subject.container("repeats-once")
    await subject.fill(once, [session])
    single, _all = await subject.find(once, fact, "It was ingested once.")
    await subject.clear(once)

    again = subject.container("repeats-again")
    subject.filled.append(again)
    lost: list[str] = []

    async def reply_is_lost(container: str, said: Session) -> None:
        await subject.client.once(subject.client.provider.ingest, container, said)
        if not lost:
            lost.append(said.id)
            raise ProviderError("the reply was lost", transient=True)

    sent = subject.client.call(reply_is_lost, again, session)
    await subject.call("ingest of a session whose first reply was lost", sent)
    await subject.ready(again)
    _check_once(single, (await subject.find(again, fact, "It was ingested twice."))[0], subject, "a reply was lost")
    await subject.fill(again, [session])
    _check_once(single, (await subject.find(again, fact, "It was ingested again."))[0], subject, "all was indexed")
    return f"sent three times, a session gave {len(single)} result{'s' * (len(single) != 1)} as when it was sent once"


def _check_once(single: Sequence[SearchResult], repeated: Sequence[SearchResult], subject: Subject, when: str) -> None:
    # what was understood may be put in other words each time; what was said may not
    most = len(single) if subject.capabilities.verbatim else 2 * len(single) - 1
    if len(repeated) > most:
        raise Failed(
            f"a session that was ingested again after {when} is stored more than once: its fact came back "
            f"{len(repeated)} times, and {len(single)} when it was ingested once. Use ids or idempotency keys made "
            "from the session's id, or declare capabilities.repeatable=False."
        )


async def unicode_is_kept(subject: Subject) -> str:
    """Letters of any script and emoji are stored, searched for and given back as they were."""
    subject.must_find()
    sessions, fact = unusual()
    container = subject.container("unicode")
    await subject.fill(container, sessions)
    await subject.search(container, Fact("🦔", ("🦔",)))
    known = Fact(fact.question, UNUSUAL[:1])
    holding, _all = await subject.find(container, known, "Send and store text as UTF-8, with all its letters.")
    if not subject.capabilities.verbatim:
        return f"{UNUSUAL[0]} came back as it was said"
    if not fact.held_by(holding):
        lost = [word for word in UNUSUAL if word not in holding[0].text]
        raise Failed(
            f"{', '.join(lost)} did not come back from a message that said it: {holding[0].text[:120]!r}. Send and "
            "store text as UTF-8, with all its letters and emoji."
        )
    return f"{', '.join(UNUSUAL)} came back as they were said"


async def long_messages_are_kept(subject: Subject) -> str:
    """Facts at the beginning, in the middle and at the end of a message of 80,000 characters are found."""
    subject.must_find()
    sessions, facts = long_message()
    container = subject.container("long-message")
    await subject.fill(container, sessions)
    for fact, place in zip(facts, ("at the beginning", "in the middle", "at the end"), strict=True):
        advice = (
            f"It stands {place} of {LONG_CHARACTERS:,} characters: send all of a long message, in parts if need be."
        )
        await subject.find(container, fact, advice)
    return f"facts at the beginning, in the middle and at the end of {LONG_CHARACTERS:,} characters were found"


async def empty_messages_are_harmless(subject: Subject) -> str:
    """Messages with nothing in them, sessions of nothing else, and sessions without messages are no error."""
    sessions, fact = with_nothing_said()
    container = subject.container("empty-messages")
    await subject.fill(container, sessions)
    if subject.capabilities.finds:
        await subject.find(container, fact, "It was said between empty messages: leave these out, and nothing else.")
    return "empty messages, a session of nothing else and one without any were no error"


async def many_sessions_are_kept(subject: Subject) -> str:
    """Facts in the first, in the middle and in the last of a thousand sessions are found."""
    count = subject.means.sessions
    sessions, facts = many(count)
    container = subject.container("many-sessions")
    await subject.fill(container, sessions)
    for fact in facts if subject.capabilities.finds else ():
        await subject.find(container, fact, f"It is session {fact.session[1:]} of {count:,}: keep and search them all.")
    if not subject.capabilities.finds:
        return f"{count:,} sessions were taken without an error"
    return f"facts in the first, in the middle and in the last of {count:,} sessions were found"


async def clear_clears(subject: Subject) -> str:
    """Once clear has returned nothing is found, and the container can be filled anew."""
    container = subject.container("clear")
    (before, old), (after, new) = one(0), one(1)
    finds = subject.capabilities.finds
    await subject.fill(container, [before])
    if finds:
        await subject.find(container, old, "Nothing was cleared yet.")
    await subject.clear(container)
    if left := await _left_over(subject, container, old):
        raise Failed(
            f"after clear had returned, {old.question!r} still gave {len(left)} results, the first of them "
            f"{left[0].text[:60]!r}. Remove all of the container, and return when it is gone."
        )
    await subject.fill(container, [after])
    if not finds:
        return "a container was cleared and filled anew without an error"
    await subject.find(container, new, "It was ingested after clear: a container that was cleared can be used again.")
    if old.held_by(await subject.search(container, old)):
        raise Failed(f"what was there before clear ({old.statement}) came back once the container was filled anew.")
    return "nothing was found after clear, and what was ingested then was"


async def _left_over(subject: Subject, container: str, fact: Fact) -> tuple[SearchResult, ...]:
    try:
        return await subject.search(container, fact)
    except CallFailed:  # nothing was found; that it should be no error is what `before-ingest` is about
        return ()


async def unknown_key_is_refused(subject: Subject) -> str:
    """check() refuses a key that the service does not know, and takes the one that it is used with."""
    await subject.call("check", subject.client.check())
    secrets = [name for name, value in subject.settings if isinstance(value, SecretStr) and value.get_secret_value()]
    if not secrets:
        raise Declared("it needs no key")
    unknown: dict[str, Any] = {name: SecretStr(UNKNOWN_KEY) for name in secrets}
    client = subject.made(subject.settings.model_copy(update=unknown))
    error = (await subject.tried("check with an unknown key", client.check())).error
    await subject.tried("close", client.close())
    if error is None:
        raise Failed(
            "check() took a key that the service cannot know. Make a call in it that needs the key and costs nothing, "
            "so that a wrong key is found before anything is ingested."
        )
    if error.transient:
        raise Failed(f"check() with an unknown key should be refused for good, and failed in passing: {error}")
    return f"check() refused an unknown key: {str(error)[:100]}"


async def calls_end(subject: Subject) -> str:
    """Every call ends in its time, also those that have nothing to do."""
    session, fact = one()
    container = subject.container("time-limits")
    await subject.call("check", subject.client.check())
    await subject.call("clear of an unknown container", subject.client.clear(subject.container("time-limits-none")))
    await subject.fill(container, [session])
    await subject.ready(container)
    await subject.search(container, fact)
    await subject.clear(container)
    await subject.call("clear of a container that is clear", subject.client.clear(container))
    return f"every call ended within {subject.means.seconds:g} s; await_indexing may take as long as it declares"
