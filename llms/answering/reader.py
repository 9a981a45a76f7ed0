"""The answering model that is a language model: it reads what a provider found, and answers from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel

from llms.answering.context import render
from llms.answering.prompts import PROMPTS, prompt_of, versions_of
from llms.base import Answerer
from llms.clients import ChatMessage, ChatModel, Completion, ModelOptions, open_chat, resolve
from vocabulary import Answer, ProviderError, Question, SearchResult, Word, estimate_tokens


class AnswerOptions(Word):
    """What can be set about how a language model answers.

    `context_tokens` is how many tokens of results it is given at most, by `vocabulary.estimate_tokens`; None for all.
    `requests` says how its server is asked.
    """

    context_tokens: int | None = None
    requests: ModelOptions = ModelOptions()


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
        """The prompt, or None; raises `ProviderError` if it cannot be written."""
        try:
            written: object = self.write(question, results)
        except Exception as error:
            raise ProviderError(f"{self.provider}: answer_prompt failed: {type(error).__name__}: {error}") from error
        if written is None or isinstance(written, str):
            return written
        raise ProviderError(f"{self.provider}: answer_prompt gave {type(written).__name__} instead of text or None.")


class ModelAnswerer(Answerer):
    """A language model that answers with the prompt of a family of benchmarks (`llms.answering.prompts`).

    `name` is a model's name (`open_chat`), `chat` the model itself where there is one already. Those that
    `for_family` and `with_own_prompt` give share it, and closing one of them closes it for all.

    Raises `ConfigurationError` if there is no such model or its key is missing.
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
        self.name = name
        self.options = options or AnswerOptions()
        self.priced_by = resolve(name).priced_by
        self.chat = chat or open_chat(name, self.options.requests)
        self._shared = prompt_of(family)
        self._own = own
        self.prompt = own.name if own else self._shared.name

    def for_family(self, family: str) -> ModelAnswerer:
        """The same model with the answer prompt of a family of benchmarks."""
        return ModelAnswerer(self.name, self.options, chat=self.chat, family=family, own=self._own)

    def with_own_prompt(self, provider: str, write: PromptWriter) -> ModelAnswerer:
        """The same model with the prompt that `provider` writes, and the family's where it writes none."""
        own = OwnPrompt(provider, write)
        return ModelAnswerer(self.name, self.options, chat=self.chat, family=self._shared.family, own=own)

    def reads(self, results: Sequence[SearchResult]) -> str | None:
        """The context; None with a provider's own prompt, which may take anything of them."""
        return None if self._own else render(results, self.options.context_tokens).text

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """The answer to `question` from as many of `results` as the budget allows; "" if the model says nothing.

        One request. Raises `ModelError` as `ChatModel.complete` does, and `ProviderError` if a provider's
        own prompt cannot be written.
        """
        context = render(results, self.options.context_tokens)
        own = self._own.text(question, context.used) if self._own else None
        if own is None:
            messages = self._shared.messages(question, context.text)
        else:
            messages = (ChatMessage(role="user", content=own),)
        completion: Completion[BaseModel] = await self.chat.complete(messages, max_tokens=self._shared.max_tokens)
        # a provider's own prompt knows nothing of the marker that the shared one may ask for
        said = self._shared.answer_in(completion.text) if own is None else completion.text.strip()
        return Answer(
            hypothesis=said,
            usage=completion.usage,
            model=completion.model,
            context_tokens=context.tokens if own is None else estimate_tokens(own),
        )

    async def open(self) -> None:
        """Open the client."""
        await self.chat.open()

    async def close(self) -> None:
        """Close the model's client."""
        await self.chat.close()
