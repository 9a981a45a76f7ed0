"""LoCoMo through a provider by configuration, against the same server's own search asked without the suite.

python -m tests.perf.asked_directly http|mcp    # all of it: 10 containers, 272 sessions, 1,986 questions
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.processes import run
from tests.providers.general.memory_server import Kept, MemoryServer
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
    ingests: int
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
    return Compared(recall, round(fmean(shares), 6), len(lines), section["calls"]["ingest_sessions"], different)


def search_of(server: MemoryServer, message: Callable[[str, Kept], str]) -> Search:
    """The server's own search; a container's name begins with its haystack's id. `message` tells a message's id."""

    def search(haystack: str, question: str, most: int) -> list[str]:
        (container,) = [name for name in server.kept if name.startswith(f"{haystack}-")]
        return [message(key, one) for key, _score, one in server.found(container, question, most)]

    return search


def rest_search(server: MemoryServer) -> Search:
    """That of the bare service, which keeps messages under their ids."""
    return search_of(server, lambda key, _one: key)


def mcp_search(server: MemoryServer) -> Search:
    """That of the MCP server, which keeps ids as metadata."""
    return search_of(server, lambda _key, one: str(one.fields["message_id"]))


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[tuple[MemoryServer, Search, list[str], dict[str, str]]]:
    """A server of that kind, its own search, and the options and variables with which the suite uses it."""
    if kind == "http":
        with serving_vendor(RestServer(ready_after=0.05)) as server:
            options = ["--provider=http:rest", f"--provider-option=base_url={server.url}"]
            yield server, rest_search(server), options, {"MEMORY_API_KEY": server.key}
    else:
        from tests.providers.general.mcp_server import McpMemory, serving_mcp  # needs the extra mcp

        with serving_mcp(McpMemory()) as memory:
            file = folder / "memory.toml"
            file.write_text(f'url = "{memory.url}"\n')
            yield memory.store, mcp_search(memory.store), [f"--provider=mcp:{file}"], {}


def main(kind: str) -> int:
    """Run it and print what came of it; 0 if all of it is the same."""
    with TemporaryDirectory() as name, serving(kind, Path(name)) as (server, search, options, variables):
        folder = Path(name)
        asked = ["bench", "-k", "locomo", "--until=search", "-q", f"--runs-dir={folder}", "--run-id=whole", "-n2"]
        environment = {**os.environ, "MEMORYBENCH_DATA": str(DATA), **variables}
        ended = run([sys.executable, "-m", "pytest", *asked, *options], cwd=ROOT, env=environment, seconds=1500)
        print(ended.stdout[-1500:])
        compared = compare(folder / "whole", search)
        messages = sum(len(kept) for kept in server.kept.values())
    print(f"{len(server.kept)} containers, {compared.ingests} ingests, {messages} messages, {server.added} stored; "
          f"{compared.questions} questions: recall@10 {compared.recall}, asked directly {compared.direct}, "
          f"{len(compared.different)} with other results")  # fmt: skip
    return bool(compared.different) or compared.recall != compared.direct


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
