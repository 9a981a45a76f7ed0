"""Vectors from any server that speaks OpenAI's embeddings protocol: Ollama, vLLM, TEI, llama.cpp, OpenAI itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from providers.http import open_client, provider_errors
from schema import ProviderError

if TYPE_CHECKING:
    import httpx
    import numpy as np
    from numpy.typing import NDArray


class _Embedding(BaseModel):
    index: int
    embedding: list[float]


class _Reply(BaseModel):
    data: list[_Embedding]


class EmbeddingServer:
    """Asks ``{address}/embeddings`` for vectors, `batch` texts at a time, from one event loop.

    The key is read from the environment variable `key_variable` when the first request is made; without one none is
    sent. All that goes wrong is a `schema.ProviderError`.
    """

    def __init__(self, address: str, model: str, *, batch: int, key_variable: str) -> None:
        self._address = address
        self._model = model
        self._batch = batch
        self._key_variable = key_variable
        self._client: httpx.AsyncClient | None = None

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length 1 in the order of `texts`, shape (len(texts), the model's dimension)."""
        import numpy as np

        batches = [texts[start : start + self._batch] for start in range(0, len(texts), self._batch)]
        rows = [row for batch in batches for row in await self._ask(batch)]
        if not rows:
            return np.empty((0, 0), np.float32)
        if len(lengths := {len(row) for row in rows}) > 1:
            raise ProviderError(f"{self._told}: it gives vectors of different lengths: {sorted(lengths)}.")
        vectors = np.array(rows, np.float64)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and norms.all()):
            raise ProviderError(f"{self._told}: it gives vectors without a direction (all zero, or not finite).")
        unit: NDArray[np.float32] = (vectors / norms).astype(np.float32)
        return unit

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            client, self._client = self._client, None
            await client.aclose()

    async def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        if self._client is None:
            key = os.environ.get(self._key_variable)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._client = open_client(self._address, headers=headers)
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        with provider_errors(self._told):
            response = await self._client.post("/embeddings", json=body)
            response.raise_for_status()
        try:
            reply = _Reply.model_validate_json(response.content)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its answer"
            raise ProviderError(
                f"{self._told}: what it answered is not a list of embeddings ({place}: {error.errors()[0]['msg']}). "
                f"Does {self._address} speak OpenAI's protocol?"
            ) from None
        found = {item.index: item.embedding for item in reply.data}
        if sorted(found) != list(range(len(texts))) or len(found) != len(reply.data):
            raise ProviderError(
                f"{self._told}: {len(texts)} texts were sent, and embeddings came back for {len(reply.data)} with the "
                f"indexes {[item.index for item in reply.data][:5]} …"
            )
        return [found[index] for index in range(len(texts))]

    @property
    def _told(self) -> str:
        """Who is at fault, and where its key comes from."""
        key = self._key_variable if os.environ.get(self._key_variable) else f"none: {self._key_variable} is not set"
        return f"embedder {self._model} (key: {key})"
