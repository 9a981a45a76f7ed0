"""Graphiti (https://github.com/getzep/graphiti): a graph of entities and dated facts, in process on Kuzu."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self  # Any: what Graphiti's client takes

from pydantic import Field, model_validator

from net import open_sdk_client
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.engines.exclusive_stores import ExclusiveStores
from providers.engines.graphiti_store import Episode, Graph, open_driver, undisturbed
from providers.engines.openai_models import ModelSettings, ask_for_models, model_errors, require
from vocabulary import Question, SearchOnly, SearchResult, Session, format_day

if TYPE_CHECKING:
    from graphiti_core import Graphiti as Engine
    from graphiti_core.edges import EntityEdge
    from graphiti_core.nodes import EntityNode, EpisodicNode
    from graphiti_core.search.search_config import SearchConfig
    from openai import AsyncOpenAI

_LINGER_SECONDS = 3.0
"""How long a database stays open when nobody uses it: one that was written to holds about 140 MB."""


class GraphitiSettings(ModelSettings):
    """What can be set about graphiti; making one raises `ConfigurationError` if it cannot work here."""

    small_llm: str | None = Field(None, description="a cheaper model for what graphiti holds simple; by default llm")
    embedding_dims: int = Field(1024, ge=1, description="vectors are cut to so many numbers; 1024 is graphiti's own")
    temperature: float = Field(1.0, ge=0, le=2, description="of the language model; 1 is graphiti's own")
    replies: Literal["json_schema", "json_object"] = Field(
        "json_schema", description="how a reply's shape is asked for; json_object for servers without schemas"
    )
    episodes: Literal["message", "session"] = Field("message", description="what graphiti is given at a time")
    search: Annotated[Literal["edges", "edges-cross-encoder", "combined"], SearchOnly()] = Field(
        "edges", description="facts by rank fusion, facts reranked by llm, or facts, entities and episodes in turn"
    )

    @model_validator(mode="after")
    def _installed(self) -> Self:
        require("graphiti", "graphiti_core", "kuzu", "httpx", "filelock")
        return self


class Graphiti(Provider):
    """Facts that graphiti extracted, with when they became true and the messages that they were extracted from.

    Each message is an episode, in the order in which it was said; one that says nothing is left out.
    """

    name = "graphiti"
    api = "graphiti-core 0.31"
    capabilities = Capabilities(
        verbatim=False, needs="the extra `graphiti`, a language model with structured replies, an embedder"
    )
    Settings = GraphitiSettings
    # An episode is compared with those before it: sessions keep their order.
    limits = Limits(concurrency=8, scope="process", containers="one-process", sessions=1)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, GraphitiSettings):
            raise TypeError(f"settings of {type(self).__name__} are GraphitiSettings, not {type(settings).__name__}")
        self._settings = settings
        self._models = _Models(settings)
        self._stores = ExclusiveStores(workspace / "stores", self._open, Graph.close, linger_seconds=_LINGER_SECONDS)

    async def check(self) -> None:
        """Ask both servers what models they have, which tells whether they take the keys."""
        settings = self._settings
        await ask_for_models(self, settings.llm_url, settings.llm_key)
        await ask_for_models(self, settings.embedder_url, settings.embedder_key)

    async def ingest(self, container: str, session: Session) -> None:
        """Let graphiti take in one session, episode by episode; those that it has are not stored again."""
        async with self._stores.use(container) as graph:
            for episode, text in _episodes(session, self._settings.episodes):
                with self._errors():
                    await graph.add(episode, text)

    async def await_indexing(self, container: str) -> None:
        """Write everything into the database's file: the full-text indexes would not outlive this process else."""
        if self._stores.exists(container):
            async with self._stores.use(container) as graph:
                await graph.write_down()

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` facts (or what `search` says), best first; none for an unknown container."""
        if not self._stores.exists(container):
            return []
        async with self._stores.use(container) as graph:
            with self._errors():
                found = await graph.graphiti.search_(question.text, config=_recipe(self._settings.search, top_k))
            facts = [
                _fact(graph, edge, score) for edge, score in zip(found.edges, found.edge_reranker_scores, strict=True)
            ]
            mentions = await graph.mentions([node.uuid for node in found.nodes]) if found.nodes else {}
            entities = [
                _entity(graph, node, score, mentions.get(node.uuid, []))
                for node, score in zip(found.nodes, found.node_reranker_scores, strict=True)
                if node.summary.strip()
            ]
            episodes = [
                _episode(graph, episode, score)
                for episode, score in zip(found.episodes, found.episode_reranker_scores, strict=True)
            ]
        in_turn = chain.from_iterable(zip_longest(facts, entities, episodes))
        return [result for result in in_turn if result is not None][:top_k]

    async def clear(self, container: str) -> None:
        """Remove a container."""
        await self._stores.remove(container)

    async def close(self) -> None:
        """Close the databases and the connections to the models."""
        await self._stores.close()
        await self._models.close()

    def _errors(self) -> AbstractContextManager[None]:
        from graphiti_core.llm_client.errors import EmptyResponseError

        secrets = [self._settings.llm_key, self._settings.embedder_key]
        return model_errors(self.name, secrets=secrets, unusable=(EmptyResponseError, json.JSONDecodeError))

    def _open(self, folder: Path) -> Graph:
        driver = open_driver(folder)
        return Graph(self._models.engine(driver), driver, folder / "episodes.jsonl")


class _Models:
    """The clients that all containers of a process share, made when they are first needed."""

    def __init__(self, settings: GraphitiSettings) -> None:
        self._settings = settings
        self._clients: dict[str, AsyncOpenAI] = {}
        self._making = threading.Lock()

    @property
    def llm(self) -> AsyncOpenAI:
        return self._client(self._settings.llm_url, self._settings.llm_key)

    @property
    def embedder(self) -> AsyncOpenAI:
        return self._client(self._settings.embedder_url, self._settings.embedder_key)

    def engine(self, driver: Any) -> Engine:
        """Graphiti on that database."""
        with undisturbed():
            from graphiti_core import Graphiti as Engine
            from graphiti_core.cross_encoder.openai_reranker_client import OpenAIRerankerClient
            from graphiti_core.embedder.openai import OpenAIEmbedder, OpenAIEmbedderConfig
            from graphiti_core.llm_client.config import LLMConfig

        settings = self._settings
        config = LLMConfig(model=settings.llm, small_model=settings.small_llm, temperature=settings.temperature)
        embedding = OpenAIEmbedderConfig(embedding_model=settings.embedder, embedding_dim=settings.embedding_dims)
        return Engine(
            graph_driver=driver,
            llm_client=_llm_client(config, self.llm, settings.replies),
            embedder=OpenAIEmbedder(embedding, client=self.embedder),
            cross_encoder=OpenAIRerankerClient(config, client=self.llm),
        )

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _client(self, url: str, key: str) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAioHttpClient

        with self._making:
            if (place := f"{url} {key}") not in self._clients:
                self._clients[place] = open_sdk_client(
                    AsyncOpenAI, DefaultAioHttpClient, url, key, timeout=self._settings.timeout
                )
            return self._clients[place]


def _llm_client(config: Any, client: AsyncOpenAI, replies: Literal["json_schema", "json_object"]) -> Any:
    """Graphiti's client for any server; unlike it, this one uses the small model, and asks once."""
    from graphiti_core.llm_client.config import ModelSize
    from graphiti_core.llm_client.openai_generic_client import OpenAIGenericClient

    engine: Any = OpenAIGenericClient(config, client=client, structured_output_mode=replies)
    ask = engine._generate_response  # noqa: SLF001  there is no other way to be rid of its waiting

    async def ask_once(
        messages: Any, shape: Any, max_tokens: int, model_size: ModelSize, model: str | None = None
    ) -> dict[str, Any]:
        small = engine.small_model if model_size is ModelSize.small else None
        reply: dict[str, Any] = await ask(messages, shape, max_tokens, model_size, model=model or small)
        return reply

    # graphiti waits 5 to 120 s between up to four attempts, which would be taken for the service's time
    engine._generate_response_with_retry = ask_once  # noqa: SLF001  as above
    return engine


def _episodes(session: Session, unit: Literal["message", "session"]) -> Iterator[tuple[Episode, str]]:
    """What graphiti is given of a session, with the ids that each part stands for, and its text."""
    date = session.date.isoformat() if session.date else None
    said = [message for message in session.messages if message.text.strip() or message.caption]
    if unit == "message":
        for message in said:
            yield Episode(f"{session.id} {message.id}", session.id, (message.id,), date), message.rendered()
    elif said:
        text = "\n".join(message.rendered() for message in said)
        yield Episode(session.id, session.id, tuple(message.id for message in said), date), text


def _recipe(search: Literal["edges", "edges-cross-encoder", "combined"], top_k: int) -> SearchConfig:
    from graphiti_core.search import search_config_recipes as recipes

    recipe = {
        "edges": recipes.EDGE_HYBRID_SEARCH_RRF,
        "edges-cross-encoder": recipes.EDGE_HYBRID_SEARCH_CROSS_ENCODER,
        "combined": recipes.COMBINED_HYBRID_SEARCH_RRF,
    }[search]
    return recipe.model_copy(update={"limit": top_k})  # a copy: Graphiti.search() sets the limit of all callers


def _fact(graph: Graph, edge: EntityEdge, score: float) -> SearchResult:
    sources = [graph.episodes[uuid] for uuid in edge.episodes if uuid in graph.episodes]
    dated = bool(sources) and all(source.date for source in sources)
    until = f" (until {format_day(edge.invalid_at)})" if dated and edge.invalid_at else ""
    return _result(
        edge.fact + until,
        score,
        sources,
        edge.valid_at if dated else None,
        edge.model_dump(mode="json", exclude={"fact_embedding"}),
    )


def _entity(graph: Graph, node: EntityNode, score: float, episodes: Sequence[str]) -> SearchResult:
    sources = [graph.episodes[uuid] for uuid in episodes if uuid in graph.episodes]
    raw = node.model_dump(mode="json", exclude={"name_embedding"})
    return _result(f"{node.name}: {node.summary}", score, sources, None, raw)


def _episode(graph: Graph, episode: EpisodicNode, score: float) -> SearchResult:
    sources = [graph.episodes[episode.uuid]] if episode.uuid in graph.episodes else []
    return _result(episode.content, score, sources, None, episode.model_dump(mode="json"))


def _result(
    text: str, score: float, sources: Sequence[Episode], since: datetime | None, raw: dict[str, Any]
) -> SearchResult:
    """A result with the ids of its sources, dated by when it became true or else by when it was first said."""
    said = min((source.reference_time for source in sources if source.date), default=None)
    when = since or said
    return SearchResult(
        text=text,
        score=float(score),
        timestamp=_as_in_sessions(when) if when else None,
        session_ids=tuple(dict.fromkeys(source.session for source in sources)),
        message_ids=tuple(dict.fromkeys(message for source in sources for message in source.messages)),
        raw=raw,
    )


def _as_in_sessions(when: datetime) -> datetime:
    """Without a time zone, like the dates of sessions; Kuzu gives UTC without saying so."""
    return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
