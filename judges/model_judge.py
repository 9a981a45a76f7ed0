"""A language model that grades: any model that `llms` can reach, under any protocol of `judges.protocols`."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Sequence
from copy import copy
from typing import Any, TypeVar  # Any: a completion of either reply

from pydantic import BaseModel

from judges.base import Judge
from judges.event_order import event_order
from judges.nuggets import NuggetGrade, NuggetProtocol, OrderReply, lines_of
from judges.protocols import Grade, find_protocol
from llms.clients import BatchedChat, BatchRecord, ChatMessage, ChatModel, Completion, ModelOptions, open_chat, resolve
from vocabulary import Answer, ConfigurationError, Gold, JudgeError, ModelError, Question, ReplyError, Usage, Verdict

FAMILY_MODELS = {"openai": "gpt-5.4-mini", "anthropic": "claude-haiku-5-5", "google": "gemini-3.5-flash"}
"""The models that ``--judge openai`` and the like stand for: a current one of each family, cheap to ask often."""

MAX_TOKENS = 2_048
"""Of a reply: a verdict takes about 80, but models on servers of one's own may count what they think before it too."""

UNDECIDED = "by benchmark"
"""The protocol of a judge whose benchmark is not known yet."""

R = TypeVar("R", bound=BaseModel)
_Ask = tuple[Sequence[ChatMessage], type[BaseModel]]
_Reply = tuple[BaseModel, Completion[Any], Usage]
"""What was read in a reply, the reply, and what was used up before it."""

_REMINDER = """

Your last reply to this could not be read as a verdict. Reply with the JSON object alone: "reasoning" in one sentence, \
then "verdict"."""

_OTHER_REMINDER = """

Your last reply to this could not be read. Reply with the JSON object alone, with the fields that were described."""


class ModelJudge(Judge):
    """Grades by what the language model `name` replies to the protocol's messages.

    `name` is any that `open_chat` takes with `options`, or one of `FAMILY_MODELS`; `chat` is the model itself where
    there is one already. A reply that cannot be read as a verdict is asked for once more, and is then a `JudgeError`.
    Siblings that `for_protocol` makes share one client, and closing one of them closes it for all.

    Raises `UnknownNameError` for a name that nothing has, `ConfigurationError` if its key is missing.
    """

    reply = Grade
    """What the model is asked for."""

    def __init__(
        self, name: str, protocol: str = "", *, chat: ChatModel | None = None, options: ModelOptions | None = None
    ) -> None:
        found = resolve(FAMILY_MODELS.get(name, name))
        self.name = name
        self.model = found.model
        self.priced_by = found.priced_by
        self._protocol = find_protocol(protocol) if protocol else None
        self.protocol = self._protocol.id if self._protocol else UNDECIDED
        self._begun: dict[tuple[int, str, str], list[_Reply]] = {}
        self._client = _Client(chat or open_chat(FAMILY_MODELS.get(name, name), options))

    @property
    def chat(self) -> ChatModel:
        """The model behind it, the same for all siblings."""
        return self._client.chat

    def for_protocol(self, protocol: str) -> ModelJudge:
        """The same model by other rules, over the same client; raises `UnknownNameError`."""
        found, sibling = find_protocol(protocol), copy(self)
        vars(sibling).update(_protocol=found, protocol=found.id)
        return sibling

    def in_batches(self, record: BatchRecord) -> ModelJudge:
        """The same over its vendor's batch endpoint; raises `ConfigurationError` if there is none.

        `record` is what batches are written down in.
        """
        sibling = copy(self)
        vars(sibling).update(_client=_Client(BatchedChat(self._client.chat, record)), unhurried=True)
        return sibling

    def for_repeat(self, repeat: int) -> ModelJudge:
        """The same for another of several gradings: a batch must not take them for one."""
        chat = self._client.chat
        if repeat == 0 or not isinstance(chat, BatchedChat):
            return self
        sibling = copy(self)
        vars(sibling).update(_client=_Client(chat.for_repeat(repeat)))
        return sibling

    def calls_for(self, gold: Gold) -> int:
        """One, or as many as there are nuggets and the order of events beside them."""
        return self._protocol.calls_for(gold) if isinstance(self._protocol, NuggetProtocol) else 1

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """Grade `answer`; an empty one is wrong without anybody being asked."""
        if self._protocol is None:
            raise ConfigurationError(f"judge {self.name!r} has no rules yet: it judges by for_protocol(NAME).")
        if not answer.hypothesis.strip():
            if isinstance(self._protocol, NuggetProtocol):
                return self._protocol.of_nothing(gold, Usage(calls=0))
            return Verdict(label="wrong", explanation="The answer is empty.", usage=Usage(calls=0))
        if isinstance(self._protocol, NuggetProtocol):
            return await self._grade_nuggets(self._protocol, question, gold, answer)
        messages = self._protocol.messages(question, gold, answer)
        grade, completion, spent = await self._grade(messages, Grade)
        return Verdict(
            label=grade.label(gold),
            explanation=grade.reasoning.strip() or "The judge gave no reason.",
            usage=spent + completion.usage,
            model=completion.model,
        )

    async def open(self) -> None:
        """Open the client, for all siblings."""
        await self._client.chat.open()

    async def close(self) -> None:
        """Close the client, for all siblings."""
        await self._client.close()

    async def _grade_nuggets(self, protocol: NuggetProtocol, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """A call for each nugget, and one for the order of events where the protocol grades it."""
        asks: list[_Ask] = [
            (protocol.messages(question, nugget, answer), NuggetGrade) for nugget in protocol.nuggets(gold)
        ]
        if protocol.grades_order(gold):
            asks.append((protocol.order_messages(gold, answer), OrderReply))
        replies = await self._replies(asks, (id(self), question.id, answer.hypothesis))
        order = None
        for found, *_ in replies:
            if isinstance(found, OrderReply):
                events = found.events(gold)
                lines = [(line, events.get(n)) for n, line in enumerate(lines_of(answer), start=1)]
                order = event_order(lines, len(gold.rubric))
        return protocol.verdict(
            gold,
            [found.nugget for found, *_ in replies if isinstance(found, NuggetGrade)],
            order,
            usage=sum((spent + completion.usage for _found, completion, spent in replies), Usage(calls=0)),
            model=replies[0][1].model,
        )

    async def _replies(self, asks: Sequence[_Ask], key: tuple[int, str, str]) -> list[_Reply]:
        """The replies to `asks`, one after another: limits count questions. Together where they wait for batches.

        Replies before a fault that may pass are kept for the next attempt, which has the same `key`.
        """
        if self.unhurried:
            # all are waited for: none goes on, unwatched
            ended = await gather(*(self._grade(*ask) for ask in asks), return_exceptions=True)
            if failed := next((one for one in ended if isinstance(one, BaseException)), None):
                raise failed
            return [one for one in ended if not isinstance(one, BaseException)]
        done = self._begun.pop(key, [])
        try:
            for ask in asks[len(done) :]:
                done.append(await self._grade(*ask))
        except JudgeError as error:
            if error.transient:
                self._begun[key] = done
            raise
        return done

    async def _grade(self, messages: Sequence[ChatMessage], reply: type[R]) -> tuple[R, Completion[R], Usage]:
        """A grade, the reply that it stands in, and what was used up before."""
        try:
            try:
                return *await self._ask(messages, reply), Usage(calls=0)
            except ReplyError as unreadable:
                return *await self._ask(_reminded(messages, reply), reply), _spent(unreadable)
        except ReplyError as error:
            raise JudgeError(f"judge {self.name}: neither of two replies can be read as a verdict: {error}") from error
        except ModelError as error:
            message = f"judge {self.name}: {error}"
            raise JudgeError(message, transient=error.transient, retry_after=error.retry_after) from error

    async def _ask(self, messages: Sequence[ChatMessage], reply: type[R]) -> tuple[R, Completion[R]]:
        completion = await self._client.chat.complete(messages, max_tokens=MAX_TOKENS, reply=reply)
        if completion.parsed is None:
            raise ReplyError(f"no object in the reply {completion.text!r:.200}")
        return completion.parsed, completion


class _Client:
    """A model that several judges ask; closed once."""

    def __init__(self, chat: ChatModel) -> None:
        self.chat = chat
        self._closed = False

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self.chat.close()


def _reminded(messages: Sequence[ChatMessage], reply: type[BaseModel]) -> list[ChatMessage]:
    """The same with a reminder of the form: at temperature 0 the same alone would give the same reply."""
    *before, last = messages
    reminder = _REMINDER if reply is Grade else _OTHER_REMINDER
    return [*before, last.model_copy(update={"content": last.content + reminder})]


def _spent(unreadable: ReplyError) -> Usage:
    """What an unreadable reply used up, as far as the error tells; a call in any case."""
    return unreadable.usage or Usage()
