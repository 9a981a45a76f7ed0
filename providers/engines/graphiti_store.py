"""One container of graphiti: a Kuzu database in one file, and beside it what has been stored whole.

What graphiti-core 0.31 leaves out on Kuzu is done here: full-text indexes, what they take for wildcards, and a database
of bounded size.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: what Kuzu takes and gives

if TYPE_CHECKING:
    import kuzu
    from graphiti_core import Graphiti

NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
"""The date of a session without one: graphiti requires a date, and computes with it."""

_DATABASE_BYTES = 1 << 36
"""Address space for a database. By Kuzu's default (8 TiB) a process could have 15 of them open."""
_BUFFER_BYTES = 256 << 20

# Kuzu's full-text search takes both for wildcards, and graphiti hands it questions as they are: by their last word none
# would ever match.
_NO_WILDCARDS = str.maketrans("?*", "  ")

_importing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Episode:
    """What graphiti is given at a time: a message or a whole session, with the ids that it stands for."""

    name: str
    session: str
    messages: tuple[str, ...]
    date: str | None

    @property
    def reference_time(self) -> datetime:
        """When it was said; sessions have no time zone, and graphiti's times are UTC."""
        return datetime.fromisoformat(self.date).replace(tzinfo=UTC) if self.date else NO_DATE


class Graph:
    """An open store. `episodes` are those that were stored whole, by their uuid in the graph.

    An episode counts as stored when its line is in the file beside the database, which is written last.
    """

    def __init__(self, graphiti: Graphiti, driver: Any, ledger: Path) -> None:
        self.graphiti = graphiti
        self._driver = driver
        self._ledger = ledger
        self.episodes = dict(_read(ledger))
        self._names = {episode.name for episode in self.episodes.values()}

    async def add(self, episode: Episode, text: str) -> None:
        """Let graphiti take in one episode, unless it has it."""
        from graphiti_core.nodes import EpisodeType

        if episode.name in self._names:
            return
        await self._remove_remains(episode.name)
        added = await self.graphiti.add_episode(
            name=episode.name,
            episode_body=text,
            source=EpisodeType.message,
            source_description="conversation",
            reference_time=episode.reference_time,
        )
        with self._ledger.open("a", encoding="utf-8") as ledger:
            ledger.write(json.dumps({"uuid": added.episode.uuid, **asdict(episode)}) + "\n")
        self.episodes[added.episode.uuid] = episode
        self._names.add(episode.name)

    async def write_down(self) -> None:
        """Empty Kuzu's log into its file. From the log of a process that died it restores all but full-text indexes."""
        await self._driver.execute_query("CHECKPOINT")

    async def mentions(self, nodes: Sequence[str]) -> dict[str, list[str]]:
        """The uuids of the episodes that mention each of those entities."""
        rows, _, _ = await self._driver.execute_query(
            "MATCH (e:Episodic)-[:MENTIONS]->(n:Entity) WHERE n.uuid IN $nodes "
            "RETURN n.uuid AS node, e.uuid AS episode",
            nodes=list(nodes),
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["node"], []).append(row["episode"])
        return found

    def close(self) -> None:
        """Close the database, which gives back its file: graphiti's own way is to wait for the garbage collector."""
        self._driver.client.close()
        self._driver.db.close()

    async def _remove_remains(self, name: str) -> None:
        """An attempt that failed while it wrote has left an episode without all of its facts: away with it."""
        rows, _, _ = await self._driver.execute_query(
            "MATCH (e:Episodic) WHERE e.name = $name RETURN e.uuid AS uuid", name=name
        )
        for row in rows:
            await self.graphiti.remove_episode(row["uuid"])


class _Connection:
    """One connection to Kuzu, in a thread of its own.

    Kuzu's own AsyncConnection answers a cancelled call with None instead of letting it end, and interrupts whatever
    query of others is running just then.
    """

    def __init__(self, database: kuzu.Database) -> None:
        import kuzu

        self._connection = kuzu.Connection(database)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kuzu")

    async def execute(self, query: str, parameters: dict[str, Any] | None = None) -> Any:
        if parameters and "QUERY_FTS_INDEX" in query:
            parameters = {**parameters, "query": str(parameters["query"]).translate(_NO_WILDCARDS)}
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._connection.execute, query, parameters)

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


def open_driver(folder: Path) -> Any:
    """Graphiti's driver for the database in `folder`, which is made if there is none."""
    import kuzu

    with undisturbed():
        from graphiti_core.driver.driver import GraphProvider
        from graphiti_core.driver.kuzu_driver import KuzuDriver
        from graphiti_core.graph_queries import get_fulltext_indices

    warnings.filterwarnings("ignore", "The Kuzu backend is deprecated", DeprecationWarning)  # docs/providers say so
    driver: Any = KuzuDriver()  # in memory, because it has no option for the size of a database
    driver.client.close()
    driver.db.close()
    driver.db = kuzu.Database(folder / "graph.kuzu", max_db_size=_DATABASE_BYTES, buffer_pool_size=_BUFFER_BYTES)
    driver.setup_schema()
    with kuzu.Connection(driver.db) as connection:
        indexes: Any = connection.execute("CALL SHOW_INDEXES() RETURN *")
        if not indexes.has_next():
            for query in get_fulltext_indices(GraphProvider.KUZU):
                connection.execute(query)
    driver.client = _Connection(driver.db)
    return driver


@contextmanager
def undisturbed() -> Iterator[None]:
    """For importing graphiti: no telemetry, and no reading of a ``.env`` file into this process."""
    os.environ["GRAPHITI_TELEMETRY_ENABLED"] = "false"
    # one filter of its own, for catch_warnings() in this thread would undo what other threads do to the filters
    warnings.filterwarnings("ignore", "Support for class-based `config` is deprecated", DeprecationWarning)
    with _importing:  # stores are opened in several threads at once
        before = os.environ.get("PYTHON_DOTENV_DISABLED")
        os.environ["PYTHON_DOTENV_DISABLED"] = "true"
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHON_DOTENV_DISABLED"]
            else:
                os.environ["PYTHON_DOTENV_DISABLED"] = before


def _read(ledger: Path) -> Iterator[tuple[str, Episode]]:
    if not ledger.exists():
        return
    for line in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        yield entry.pop("uuid"), Episode(**{**entry, "messages": tuple(entry["messages"])})
