"""When models end, by their vendors' own announcements, as known on 2026-11-20.

OpenAI: the dates in the types of its SDK (openai 3.54.0, ``openai.types.shared.chat_model``), which quote
https://developers.openai.com/api/docs/deprecations. Anthropic: those in its SDK (anthropic 2.12.0,
``anthropic.resources.messages``), which quote https://docs.anthropic.com/en/docs/resources/model-deprecations. Google:
https://ai.google.dev/gemini-api/docs/deprecations; models whose date has moved since it was announced are left out.
"""

from __future__ import annotations

from datetime import date

_ANNOUNCED = {
    # OpenAI
    date(2025, 7, 28): ("o1-preview", "o1-preview-2024-09-12"),
    date(2025, 10, 27): ("o1-mini", "o1-mini-2024-09-12"),
    date(2026, 2, 17): ("chatgpt-4o-latest",),
    date(2026, 3, 26): ("gpt-4-0125-preview", "gpt-4-turbo-preview", "gpt-4-0314"),
    date(2026, 7, 23): ("gpt-5.1-chat-latest", "gpt-5-chat-latest"),
    date(2026, 8, 10): ("gpt-5.3-chat-latest", "gpt-5.2-chat-latest"),
    date(2026, 9, 28): ("gpt-3.5-turbo-1106",),
    date(2026, 10, 23): (
        *("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", "o4-mini", "o4-mini-2025-04-16", "o3-mini", "o3-mini-2025-01-31"),
        *("o1", "o1-2024-12-17", "gpt-4o-2024-05-13", "gpt-4-turbo", "gpt-4-turbo-2024-04-09", "gpt-4-1106-preview"),
        *("gpt-4", "gpt-4-0613", "gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
    ),
    date(2026, 12, 11): (
        *("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-2025-08-07", "gpt-5-mini-2025-08-07", "gpt-5-nano-2025-08-07"),
        *("o3", "o3-2025-04-16"),
    ),
    date(2027, 1, 14): (
        *("gpt-4.1", "gpt-4.1-2025-04-14", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-4o", "gpt-4o-2024-08-06"),
        *("gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ),
    date(2027, 4, 1): ("gpt-5.1", "gpt-5.1-2025-11-13", "gpt-5.4-nano", "gpt-5.4-nano-2026-03-17"),
    # Anthropic
    date(2025, 7, 21): ("claude-2.0", "claude-2.1", "claude-3-sonnet-20240229"),
    date(2026, 1, 5): ("claude-3-opus-20240229",),
    date(2026, 2, 19): (
        *("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
        *("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
    ),
    date(2026, 6, 15): (
        *("claude-opus-4-0", "claude-opus-4-20250514", "claude-sonnet-4-0", "claude-sonnet-4-20250514"),
    ),
    date(2026, 6, 30): ("claude-mythos-preview",),
    date(2026, 11, 30): ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    # Google
    date(2025, 12, 2): (
        *("gemini-2.5-pro-preview-03-25", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro-preview-06-05"),
    ),
    date(2026, 3, 9): ("gemini-3-pro-preview",),
}

SHUTDOWNS = {model: day for day, models in _ANNOUNCED.items() for model in models}
"""The day from which a model is not served any more."""
