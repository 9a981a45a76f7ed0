"""The answer prompts: one for each family of benchmarks, the same for every provider.

A change of a prompt's wording, of its cap or of how its reply is read is a new version of it: answers under two
versions do not compare. What is around it (`context`, `reader`) has its version in `READING`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from llms.answering.context import format_moment
from llms.clients import ChatMessage
from vocabulary import Question

READING = "2"
"""Version of what all prompts share: how results are rendered and laid before the model, and how its reply is read."""

MARKER = "FINAL ANSWER:"
"""What a model puts before its answer where it is asked to take notes first."""

NOTHING_FOUND = "(nothing was found)"

# Bold or a heading around the marker is how many models stress it.
_MARKED = re.compile(rf"[*_#]*\s*{re.escape(MARKER[:-1])}\s*[*_]*:[*_]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """How a family of benchmarks is answered.

    `system` says what is asked for, and `closing` recalls it after the question: small models have lost it by then.
    `max_tokens` caps the reply. `notes` says that the reply holds notes first and the answer after `MARKER`.
    """

    family: str
    version: int
    system: str
    closing: str
    max_tokens: int
    notes: bool = False

    @property
    def name(self) -> str:
        """What reports call it, as in ``locomo/1``."""
        return f"{self.family}/{self.version}"

    def messages(self, question: Question, context: str) -> tuple[ChatMessage, ...]:
        """The question over `context`, which is what `llms.answering.context.render` made of the results."""
        parts = [f"Records from memory:\n\n{context or NOTHING_FOUND}"]
        if question.date is not None:
            parts.append(_today(question.date))
        parts += [f"Question: {question.text}", self.closing]
        return (
            ChatMessage(role="system", content=self.system),
            ChatMessage(role="user", content="\n\n".join(parts)),
        )

    def answer_in(self, reply: str) -> str:
        """The answer in a model's reply (`Completion.text`): without the notes, where these were asked for.

        The whole reply if the marker is missing.
        """
        reply = reply.strip()
        marked = list(_MARKED.finditer(reply)) if self.notes else []
        if not marked:
            return reply
        answer = reply[marked[-1].end() :].strip()
        stress_is_open = marked[-1][0].count("**") == 1  # as in "**FINAL ANSWER: Paris**"
        return answer.removesuffix("**").rstrip() if stress_is_open else answer


def prompt_of(family: str) -> AnswerPrompt:
    """The prompt of a family; that of "general" for one that has none of its own."""
    return _BY_FAMILY.get(family, _BY_FAMILY["general"])


def versions_of(prompts: Sequence[AnswerPrompt]) -> str:
    """The versions of all of them and of `READING` in one text, for fingerprints: as in ``2 (general/1, locomo/1)``."""
    return f"{READING} ({', '.join(prompt.name for prompt in prompts)})"


def _today(date: datetime) -> str:
    return f"Today is {format_moment(date)}."


_RECORDS = """\
The user message holds records that a memory system found in past conversations, then a question about them. \
Each record opens with the date on which it was said, in brackets; records stand in the order of their dates, not of \
their importance, and some of them may have nothing to do with the question."""

_DATES = """\
Words such as "yesterday", "last Friday" or "two months ago" in a record count from that record's own date, never from \
today: work out which date they mean and give that date."""

_GENERAL = f"""\
{_RECORDS}

Answer the question from the records alone.
- Be brief: a few words or one or two sentences, and nothing around them.
- {_DATES}
- If two records disagree, the later one holds.
- If the records do not contain the answer, say that the information is not available instead of guessing."""

_LOCOMO = f"""\
{_RECORDS} The speaker's name stands before what was said; text in brackets at the end of a record describes a picture \
that the speaker shared.

Answer the question from the records alone.
- Give the shortest phrase that answers it, where possible in the records' own words: no full sentence, no explanation.
- {_DATES} Write dates like 7 May 2023; if only the month or the year can be known, give just that.
- If several things are asked for, list all that the records name, separated by commas.
- You may conclude what the records clearly suggest about a person when the question asks what is likely.
- Mind who did what. If what is asked was never said of that person, or was said of somebody else, the answer is: \
Not mentioned in the conversation."""

_LONGMEMEVAL = f"""\
You are an assistant who has talked with this user before. {_RECORDS} "User" is the person who asks now; "Assistant" \
is you.

First take brief notes: copy out what in the records bears on the question, each with its date, and work out dates, \
durations and sums step by step. Then write a last line that begins with {MARKER} and gives the answer to the user \
in one to three sentences, complete in itself.
- {_DATES} What the question itself puts in such words counts from today, the day on which it is asked.
- If a fact changed over time, the latest record holds.
- If things are to be counted or added up, go through all records and count each thing once.
- If the user wants advice or a suggestion, fit it to what the records tell of their tastes, plans and belongings.
- If the records lack what is needed, or speak of something like it but not of it, the final answer says that there is \
not enough information, and what is missing."""

_CONVOMEM = f"""\
You are an assistant who has talked with this user before. {_RECORDS}

Reply to the user's question with the help of the records.
- Use the facts that the records hold, and state them exactly: names, numbers, dates. Leave out nothing that was asked.
- Where the question asks for advice or an idea, let it follow from what the records say about the user: preferences, \
habits, limits and circumstances, also those that the question does not mention. Name what you relied on.
- If something changed over time, the latest record holds.
- {_DATES}
- If the records do not hold the information, say plainly that you do not have it. Never fill the gap with a guess.
- At most one short paragraph."""

_FACTS = """\
The user message holds statements that a memory system kept from one long numbered list, then a question. A number at \
the beginning of a statement is its place in the list, and whatever has a higher number was added later. Statements \
stand in no order, some of them have nothing to do with the question, and many are not true of the real world.

Answer the question from the statements alone, whatever you know yourself.
- If statements disagree about the same thing, only the one with the highest number holds; the others are outdated.
- If the question leads through several things, find them one after the other, each by the statement that holds for it.
- Give the name, place or word that is asked for, as the statement has it, and nothing else.
- If the statements do not lead to an answer, say that the information is not available."""

_BEAM = f"""\
You are an assistant who has talked with this user before. {_RECORDS} "User" is the person who asks now; "Assistant" \
is you.

Reply to the user with the help of the records.
- Be as long as the request needs and no longer: a fact in a sentence; a list with a line for each item, in the order \
and of the length that was requested; a summary in a few paragraphs.
- State facts exactly: names, versions, numbers, dates.
- Keep to the user's preferences, and to what they have said about how replies should be, where the request falls \
under it.
- {_DATES}
- If a fact changed over time, the latest record holds. If records contradict each other and nothing shows which is \
right, name both and ask the user which it is.
- If the records do not hold what is asked about the user or these conversations, say plainly that you do not have it. \
Never fill the gap with a guess."""

PROMPTS = (
    AnswerPrompt("general", 1, _GENERAL, "Answer briefly.", max_tokens=512),
    AnswerPrompt("locomo", 1, _LOCOMO, "Answer in a few words.", max_tokens=256),
    AnswerPrompt(
        "longmemeval", 1, _LONGMEMEVAL, f"Notes, then a line that begins with {MARKER}", max_tokens=1500, notes=True
    ),
    AnswerPrompt("beam", 1, _BEAM, "Reply to the user.", max_tokens=1500),
    AnswerPrompt("convomem", 1, _CONVOMEM, "Reply to the user in a short paragraph.", max_tokens=768),
    AnswerPrompt("factconsolidation", 1, _FACTS, "Answer with the name or word alone.", max_tokens=64),
)
"""All that there are."""

_BY_FAMILY = {prompt.family: prompt for prompt in PROMPTS}
