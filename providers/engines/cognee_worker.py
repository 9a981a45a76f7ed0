"""Cognee behind HTTP on loopback: a script for the Python of Cognee's own environment, ``python -P THIS PORT``.

    POST /ingest   {"container", "items": [{"id", "text", "metadata"}]}
    POST /search   {"container", "query", "kind", "top_k"}
    POST /clear    {"container"}

A container is a dataset with databases of its own. What fails is 502, or 400 where another attempt would fail too.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path
from typing import Any  # what Cognee takes and gives
from uuid import NAMESPACE_URL, uuid5

_NOTHING_THERE = ("DatasetNotFoundError", "NoDataError", "CollectionNotFoundError")
_turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


async def ingest(container: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Add what is not there yet, and let Cognee make its graph of it."""
    import cognee
    from cognee.tasks.ingestion.data_item import DataItem

    data = [
        DataItem(
            item["text"],
            external_metadata=item["metadata"],
            data_id=uuid5(NAMESPACE_URL, f"{container}\0{item['id']}"),
            literal_text=True,
        )
        for item in items
    ]
    async with _turns[container]:
        for run in (
            await cognee.add(data, dataset_name=container),
            *(await cognee.cognify(datasets=[container])).values(),
        ):
            if type(run).__name__ == "PipelineRunErrored":
                raise RuntimeError(str(run.payload))
    return {}


async def search(container: str, query: str, kind: str, top_k: int) -> dict[str, Any]:
    """The chunks nearest to a query, or as ``text`` what Cognee would show its model of the graph."""
    import cognee

    chosen = cognee.SearchType.CHUNKS if kind == "chunks" else cognee.SearchType.GRAPH_COMPLETION
    more = {} if kind == "chunks" else {"only_context": True}
    try:
        found = await cognee.search(query, query_type=chosen, datasets=[container], top_k=top_k, **more)
    except Exception as error:
        if type(error).__name__ in _NOTHING_THERE:
            return {}
        raise
    result = found[0]["search_result"] if found else []
    if isinstance(result, str):
        return {"text": result}
    kept = ("id", "text", "score", "external_metadata", "document_id", "chunk_index")
    return {"chunks": [{name: chunk.get(name) for name in kept} for chunk in result]}


async def clear(container: str) -> dict[str, Any]:
    """Remove a dataset and its databases."""
    import cognee

    async with _turns[container]:
        for dataset in await cognee.datasets.list_datasets():
            if dataset.name == container:
                await cognee.datasets.empty_dataset(dataset.id)
    return {}


def fault(error: BaseException) -> tuple[int, str]:
    """The status and text of an answer; the status that a model server gave decides where there is one."""
    text, refused = f"{type(error).__name__}: {error}", False
    known: set[int] = set()
    while id(error) not in known:
        known.add(id(error))
        refused = refused or type(error).__name__ in ("AuthenticationError", "PermissionDeniedError", "NotFoundError")
        error = error.__cause__ or error.__context__ or error
    return 400 if refused else 502, text


def application() -> Any:
    """The routes."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def route(function: Any) -> Route:
        async def answer(request: Request) -> JSONResponse:
            try:
                return JSONResponse(await function(**await request.json()))
            except Exception as error:  # noqa: BLE001  whatever an engine raises is an answer to the request
                status, text = fault(error)
                return JSONResponse({"detail": text}, status_code=status)

        return Route(f"/{function.__name__}", answer, methods=["POST"])

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({})

    return Starlette(routes=[Route("/health", health), *(route(function) for function in (ingest, search, clear))])


def main(port: int) -> None:
    """Serve until SIGTERM."""
    # the tokenizer's file comes with litellm, and would else be downloaded
    packages = Path(sysconfig.get_path("purelib"))
    os.environ["TIKTOKEN_CACHE_DIR"] = str(packages / "litellm" / "litellm_core_utils" / "tokenizers")
    import cognee  # noqa: F401  takes seconds, which no request shall wait for
    import litellm
    import uvicorn
    from cognee.infrastructure.databases.vector.embeddings.LiteLLMEmbeddingEngine import LiteLLMEmbeddingEngine
    from cognee.infrastructure.llm.structured_output_framework.litellm_native.native_adapter import NativeLiteLLMAdapter
    from tenacity import stop_after_attempt

    litellm.drop_params = True  # most embedders take no number of dimensions
    # Cognee tries for four minutes, with waits of up to two, which would be taken for the service's time
    NativeLiteLLMAdapter.acreate_structured_output.retry.stop = stop_after_attempt(1)
    LiteLLMEmbeddingEngine.embed_text.retry.stop = stop_after_attempt(1)
    uvicorn.run(application(), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
