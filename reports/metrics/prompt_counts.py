"""Whether servers of models have read the prompts that they were sent: their counts against the sizes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from vocabulary import Usage, counted_alike, is_unread


class PromptCounts:
    """Collects the sizes of prompts by who read them, as sent and as counted, in tokens."""

    def __init__(self) -> None:
        self._prompts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, who: str, usage: Usage | None) -> None:
        """Add the prompt of one request; what took several, or was not measured, is left out."""
        if usage is not None and usage.sent_tokens and usage.calls == 1:
            self._prompts[who].append((usage.sent_tokens, usage.input_tokens))

    def warnings(self) -> Iterator[str]:
        """A warning for each server that has read only a part of some prompts."""
        for who, prompts in self._prompts.items():
            if unread := [prompt for prompt in prompts if is_unread(*prompt)]:
                sent, counted = max(unread)
                yield (
                    f"{who} read only a part of {len(unread):,} of {len(prompts):,} prompts: its server counts "
                    f"{counted:,} tokens for about {sent:,} sent; give the model a larger context (num_ctx with "
                    "Ollama), or hand it less with --context-tokens"
                )
            elif alike := counted_alike(prompts):
                counted = max(counted for _sent, counted in prompts)
                yield (
                    f"{who} may have read only a part of its prompts: its server counts {counted:,} tokens for "
                    f"{alike:,} of {len(prompts):,}, whatever their size"
                )
