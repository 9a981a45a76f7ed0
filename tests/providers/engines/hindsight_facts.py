"""What hindsight asks of a language model, answered by rule, for the extraction server.

Each message is a fact, word for word, about its speaker; each fact is an observation of its own, unless one
with its words exists.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LONG = 2000


def facts(body: dict[str, Any]) -> str | None:
    """A handler for the extraction server: None where hindsight asks for no such thing."""
    prompt = str(body["messages"][-1]["content"])
    if "\nContent:\n" in prompt:
        return json.dumps({"facts": [_fact(said) for said in _said(prompt.partition("\nContent:\n")[2].strip())]})
    if "### New facts" in prompt:
        new, _, existing = prompt.partition("### New facts")[2].partition("### Existing observations")
        found = re.findall(
            r"^\[([0-9a-f-]{36})\] (.*) \(mentioned_at=[^()]*\)$|^\[([0-9a-f-]{36})\] (.*)$", new, re.MULTILINE
        )
        told = [(dated or undated, text or other) for dated, text, undated, other in found]
        creates = [{"text": text, "source_fact_ids": [name]} for name, text in told if json.dumps(text) not in existing]
        return json.dumps({"creates": creates, "updates": [], "deletes": []})
    return None


def _said(content: str) -> list[str]:
    """A message, or those of a session; of a part of a long one its sentences, each once."""
    if content.startswith("[{"):
        return [turn["content"] for turn in json.loads(content)]
    if len(content) < _LONG:
        return [content]
    return list(dict.fromkeys(re.sub(r"^Line \d+: ", "", text) for text in content.split(". ") if text.strip()))


def _fact(said: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("when", "where", "who", "why"), "N/A")
    return {"what": said, **nothing, "fact_type": "world", "entities": [said.partition(":")[0]]}
