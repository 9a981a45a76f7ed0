"""The answering model that is a language model: it reads what a provider found, and answers from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel

from llms.base import Answerer
from llms.chat import ChatMessage, ChatModel, Completion
from llms.context import render
from llms.names import resolve
from llms.prompts import PROMPTS, prompt_of, versions_of, without_thoughts
from schema import Answer, ProviderError, Question, SearchResult, Word, estimate_tokens


class AnswerOptions(Word):
    """What can be set about how a language model answers.

    `context_tokens` is how many tokens of results it is given at most, by `schema.estimate_tokens`; None for all.
    """

    context_tokens: int | None = None


PromptWriter: TypeAlias = Callable[[Question, Sequence[SearchResult]], str | None]
"""Puts a provider's own prompt together from the question and what was found, best first; None for the shared one.

It sees what an answering model may see, never the gold.
"""


@dataclass(frozen=True, slots=True)
class OwnPrompt:
    """The prompt that a provider brings."""

    provider: str
    write: PromptWriter

    @property
    def name(self) -> str:
        """What reports call it; its version is that of the provider."""
        return f"provider:{self.provider}"

    def text(self, question: Question, results: Sequence[SearchResult]) -> str | None:
        """The prompt, or None; raises `schema.ProviderError` if it cannot be written."""
        try:
            written: object = self.write(question, results)
        except Exception as error:
            raise ProviderError(f"{self.provider}: answer_prompt failed: {type(error).__name__}: {error}") from error
        if written is None or isinstance(written, str):
            return written
        raise ProviderError(f"{self.provider}: answer_prompt gave {type(written).__name__} instead of text or None.")


class ModelAnswerer(Answerer):
    """A language model that answers with the prompt of a family of benchmarks (`llms.prompts`).

    `name` is a model's name (`llms.open_chat`), `chat` the model itself where there is one already. Those that
    `for_family` and `with_own_prompt` give share it, and closing one of them closes it for all.

    Raises `schema.ConfigurationError` if there is no such model or its key is missing.
    """

    offline = False
    version = versions_of(PROMPTS)

    def __init__(
        self,
        name: str,
        options: AnswerOptions | None = None,
        *,
        chat: ChatModel | None = None,
        family: str = "general",
        own: OwnPrompt | None = None,
    ) -> None:
        from llms import open_chat  # the face stands on this module

        self.name = name
        self.options = options or AnswerOptions()
        self.priced_by = resolve(name).priced_by
        self._chat = chat or open_chat(name)
        self._shared = prompt_of(family)
        self._own = own
        self.prompt = own.name if own else self._shared.name

    def for_family(self, family: str) -> ModelAnswerer:
        """The same model with the answer prompt of a family of benchmarks."""
        return ModelAnswerer(self.name, self.options, chat=self._chat, family=family, own=self._own)

    def with_own_prompt(self, provider: str, write: PromptWriter) -> ModelAnswerer:
        """The same model with the prompt that `provider` writes, and the family's where it writes none."""
        own = OwnPrompt(provider, write)
        return ModelAnswerer(self.name, self.options, chat=self._chat, family=self._shared.family, own=own)

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """The answer to `question` from as many of `results` as the budget allows; "" if the model says nothing.

        One request. Raises `schema.ModelError` as `ChatModel.complete` does, and `schema.ProviderError` if a provider's
        own prompt cannot be written.
        """
        context = render(results, self.options.context_tokens)
        own = self._own.text(question, context.used) if self._own else None
        if own is None:
            messages = self._shared.messages(question, context.text)
        else:
            messages = (ChatMessage(role="user", content=own),)
        completion: Completion[BaseModel] = await self._chat.complete(messages, max_tokens=self._shared.max_tokens)
        # a provider's own prompt knows nothing of the marker that the shared one may ask for
        said = self._shared.answer_in(completion.text) if own is None else without_thoughts(completion.text)
        return Answer(
            hypothesis=said,
            usage=completion.usage,
            model=completion.model,
            context_tokens=context.tokens if own is None else estimate_tokens(own),
        )

    async def open(self) -> None:
        """Open the client."""
        await self._chat.open()

    async def close(self) -> None:
        """Close the model's client."""
        await self._chat.close()
