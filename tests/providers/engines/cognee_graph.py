"""What cognee asks of a language model, answered by rule, for the extraction server: who speaks, and a summary."""

from __future__ import annotations

import json
from typing import Any

from tests.providers.engines.extraction_server import prompt_of


def graphs(body: dict[str, Any]) -> str | None:
    """A handler for the extraction server: None where cognee asks for no such thing."""
    prompt, said = prompt_of(body), str(body["messages"][-1]["content"])
    if "KnowledgeGraph" in prompt:
        speakers = dict.fromkeys(line.partition(": ")[0] for line in said.splitlines() if ": " in line)
        nodes = [{"id": name, "name": name, "type": "Person", "description": "who speaks"} for name in speakers]
        return json.dumps({"nodes": nodes, "edges": []})
    if "SummarizedContent" in prompt:
        return json.dumps({"summary": said[:200], "description": said[:200]})
    return None
