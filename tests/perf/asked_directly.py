"""LoCoMo through a provider by configuration, against the same server's own search asked without the suite.

python -m tests.perf.asked_directly http        # all of it: 10 containers, 272 sessions, 1,986 questions
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from tests.processes import run
from tests.providers.general.rest_server import RestServer
from tests.providers.hosted.vendors.vendor_server import serving_vendor
from tests.repository import DATA, ROOT

TOP_K = 10

Search = Callable[[str, str, int], Sequence[str]]
"""Ids of messages, best first, for a haystack's id, a question's text and a number."""


class Compared(NamedTuple):
    """Recall@10 of a run and of the server asked directly, and the questions whose results are not the same."""

    recall: float
    direct: float
    questions: int
    different: list[str]


def compare(folder: Path, search: Search) -> Compared:
    """What the run in `folder` found, against what `search` finds."""
    retrieved = [json.loads(line) for line in (folder / "retrieved.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    shares, different = [], []
    for line in lines:
        found = [id_ for place in line["results"][:TOP_K] for id_ in retrieved[place]["message_ids"]]
        direct = list(search(line["haystack"], line["question"], TOP_K))
        if found != direct:
            different.append(line["question_id"])
        if evidence := set(line["evidence_messages"]):
            shares.append(len(evidence & set(direct)) / len(evidence))
    (section,) = json.loads((folder / "report.json").read_text())["results"]
    recall = section["retrieval"]["message"]["recall"][str(TOP_K)]
    return Compared(recall, round(fmean(shares), 6), len(lines), different)


def rest_search(server: RestServer) -> Search:
    """The bare service's own search: a container's name begins with its haystack's id."""

    def search(haystack: str, question: str, most: int) -> list[str]:
        (container,) = [name for name in server.kept if name.startswith(f"{haystack}-")]
        return [key for key, _score, _one in server.found(container, question, most)]

    return search


def main(kind: str) -> int:
    """Run it and print what came of it; 0 if all of it is the same."""
    with tempfile.TemporaryDirectory() as folder, serving_vendor(RestServer(ready_after=0.05)) as server:
        asked = ["bench", "-k", "locomo", "--until=search", "-q", f"--runs-dir={folder}", "--run-id=whole", "-n2"]
        given = [f"--provider={kind}:rest", f"--provider-option=base_url={server.url}"]
        environment: dict[str, Any] = {**os.environ, "MEMORYBENCH_DATA": str(DATA), "MEMORY_API_KEY": server.key}
        ended = run([sys.executable, "-m", "pytest", *asked, *given], cwd=ROOT, env=environment, seconds=900)
        print(ended.stdout[-1500:])
        compared = compare(Path(folder) / "whole", rest_search(server))
        sessions = {(name, one.fields["session"]) for name, kept in server.kept.items() for one in kept.values()}
        print(f"{len(server.kept)} containers, {len(sessions)} sessions, {server.added} messages stored")
    print(f"{compared.questions} questions: recall@10 {compared.recall}, asked directly {compared.direct}, "
          f"{len(compared.different)} with other results")  # fmt: skip
    return bool(compared.different) or compared.recall != compared.direct


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
