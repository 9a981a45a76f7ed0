"""What was said: messages in sessions, sessions in a haystack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vocabulary.text import Text
from vocabulary.word import Word

Role = Literal["user", "assistant"]


def estimate_tokens(text: str) -> int:
    """Tokens of `text` by the rule of thumb of four characters a token, rounded up.

    An estimate on purpose: it is the same on every machine and for every model, and needs no tokenizer.
    """
    return -(-len(text) // 4)


class Message(Word):
    """One turn of a conversation.

    `id` is unique in its haystack and tells nothing about the questions. `caption` describes an image that was shared
    with the message.
    """

    id: str
    speaker: Text
    role: Role
    text: Text
    caption: Text | None = None

    def rendered(self) -> str:
        """The message as one line of text: ``Speaker: text [shared image: caption]``."""
        image = f" [shared image: {self.caption}]" if self.caption else ""
        return f"{self.speaker}: {self.text}{image}"


class Session(Word):
    """A conversation without a break, in the order in which it was spoken.

    `date` is when it began, without a time zone as in the data sets; None where a benchmark has no dates.
    """

    id: str
    date: datetime | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Haystack:
    """The sessions that a question may be answered from; read only when they are needed.

    `id` is a hash of the content: the same sessions have the same id in every run and on every machine.
    """

    id: str
    session_count: int
    read: Callable[[], Iterator[Session]]

    def sessions(self) -> Iterator[Session]:
        """The sessions in their order, read anew at each call."""
        return self.read()
