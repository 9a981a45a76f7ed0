"""Vectors from any server that speaks OpenAI's embeddings protocol: Ollama, vLLM, TEI, llama.cpp, OpenAI itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from net import Reply, Service
from vocabulary import ProviderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Embedding(BaseModel):
    index: int
    embedding: list[float]


class _Reply(Reply):
    data: list[_Embedding]


class EmbeddingServer:
    """Asks ``{address}/embeddings`` for vectors, `batch` texts at a time, from one event loop.

    The key is read from the environment variable `key_variable` when the first request is made; without one none is
    sent. All that goes wrong is a `ProviderError`. `hold` is that of `net.Service`.
    """

    def __init__(
        self, address: str, model: str, *, batch: int, key_variable: str, hold: Callable[[float], None]
    ) -> None:
        self._address = address
        self._model = model
        self._batch = batch
        self._key_variable = key_variable
        self._hold = hold
        self._service: Service | None = None

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
        if self._service is not None:
            await self._service.aclose()
            self._service = None

    async def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        if self._service is None:
            key = os.environ.get(self._key_variable)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._service = Service(self._told, self._address, headers, hold=self._hold)
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        reply = await self._service.ask(_Reply, "POST", "/embeddings", body=body)
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
