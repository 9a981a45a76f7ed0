"""Which keys of a file a check of the conformance kit is about, for the check that is not met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from providers.general.toml_file import Key, TomlFile

Advice = Mapping[str, Sequence[tuple[str, str]]]
"""By the name of a check: keys of the file, each with what it has to do with it."""

HTTP: Advice = {
    "finds": (("add.body", "must send what was said: {message.line}, {session.text} or a loop"),
              ("search.text", "must lead to the text of a result")),
    "ready": (("ready.done", "must hold only when everything can be searched; without [ready] nothing is waited for"),),
    "apart": (("add", "must name {container}, in path, query or body"), ("search", "must name the same {container}")),
    "processes": (("search", "must find by {container} alone what another process has stored"),),
    "dates": (("add.body", "must send {session.date}, or nothing where a session has none"),
              ("search.time", "must lead to the date that was sent, not to the day of storage")),
    "speakers": (("add.body", "must send the messages of both speakers with their names: {message.line}"),),
    "provenance": (("add.body", "must send {session.id}, and {message.id} where messages are sent one by one"),
                   ("search.session_ids", "must lead to the ids of sessions that were sent"),
                   ("search.message_ids", "must lead to ids of messages that were sent, or be left out")),
    "repeats": (("add", "needs an id of ours ({message.uuid}, {session.uuid}) or idempotency_header"),
                ("list.key", "tells without these what is stored already"),
                ("capabilities.repeatable", "= false declares that the service stores it twice")),
    "unicode": (("search.text", "must lead to the text as it was sent"),
                ("capabilities.verbatim", "= false declares that results hold what was understood, not what was said")),
    "long-message": (("add.body", "must send all of a long message; see what the service says of its length"),),
    "empty-messages": (("add", "is sent for messages with a text or a caption only, and was refused all the same"),),
    "many-sessions": (("limits", "may ask for less at once; see what the service says"),
                      ("list.next", "must lead to the next page, where a list has pages")),
    "top-k": (("search.body", "must send {top_k}"), ("search.most", "is the most results that the service takes")),
    "before-ingest": (("search.absent", "has the statuses by which the service says that it knows no such container"),),
    "clear": (("clear", "must remove all of {container}, and be done when it is answered"),
              ("list", "is asked until nothing is left, for a service that removes later")),
    "key": (("check", "must make a request that needs the key"), ("auth", "says how the key is sent")),
    "time-limits": (("clear.absent", "has the statuses by which the service says that it knows no such container"),
                    ("limits.timeout", "is how long a request may take")),
}  # fmt: skip


MCP: Advice = {
    "finds": (("add.arguments", "must send what was said: {message.line}, {session.text} or a loop"),
              ("search.results.text", "must lead to the text of a result"),
              ("search.each", '= "word" is for a tool that looks for a text as it stands')),
    "ready": (("add.tool", "must be done when it answers: nothing else is waited for"),),
    "apart": (("add.arguments", "must name {container}"), ("search.arguments", "must name the same {container}"),
              ("env", "may hold {container.file}: a server and a store for each container")),
    "processes": (("search", "must find by {container} alone what another process has stored"),
                  ("env", "must name a store that outlives the server, such as {workspace}/{container.file}")),
    "dates": (("add.arguments", "must send {session.date}, or nothing where a session has none"),
              ("search.results.time", "must lead to the date that was sent, not to the day of storage")),
    "speakers": (("add.arguments", "must send the messages of both speakers with their names: {message.line}"),),
    "provenance": (("add.arguments", "must send {session.id}, and {message.id} where messages are sent one by one"),
                   ("search.results.session_ids", "must lead to the ids of sessions that were sent"),
                   ("search.results.message_ids", "must lead to ids of messages that were sent, or be left out")),
    "repeats": (("add.arguments", "need an id of ours ({message.uuid}, {message.id}), if the tool takes one"),
                ("capabilities.repeatable", "= false declares that the server stores it twice")),
    "unicode": (("search.results.text", "must lead to the text as it was sent"),
                ("capabilities.verbatim", "= false declares that results hold what was understood, not what was said")),
    "long-message": (("add.arguments", "must send all of a long message; see what the server says of its length"),),
    "empty-messages": (("add", "is called for messages with a text or a caption only, and failed all the same"),),
    "many-sessions": (("limits.timeout", "is how long a call may take; see what the server says"),),
    "top-k": (("search.arguments", "must send {top_k}, if the tool takes it"),
              ("capabilities.ranked", "= false declares that the tool does not rank what it finds")),
    "before-ingest": (("search.tool", "must find nothing where nothing was added, instead of failing"),),
    "clear": (("clear", "must remove all of {container}"), ("list", "gives what is there, for clear.each = items")),
    "key": (("auth", "says how the key is sent"),),
    "time-limits": (("clear.tool", "must do nothing where nothing is there, instead of failing"),
                    ("limits.timeout", "is how long a call may take")),
}  # fmt: skip


def explained(file: TomlFile, advice: Advice, check: str) -> Iterator[str]:
    """Lines of the file that a check is about."""
    for key, words in advice.get(check, ()):
        path = key.split(".")
        yield file.at(path, words if _is_there(file, path) else f"(not there) {words}")


def _is_there(file: TomlFile, key: Key) -> bool:
    value: object = file.content
    for part in key:
        value = value.get(str(part)) if isinstance(value, dict) else None
    return value is not None
