"""Reranking: the best results scored anew by a packaged model, and what models computed kept for other runs."""

from providers.baselines.rerank.computed import Computed, digest
from providers.baselines.rerank.models import (
    TOKENS_IDENTITY,
    Rerank,
    TokenVectors,
    find_reranker,
    load_token_model,
)
from providers.baselines.rerank.reranker import Reranker

__all__ = [
    "TOKENS_IDENTITY",
    "Computed",
    "Rerank",
    "Reranker",
    "TokenVectors",
    "digest",
    "find_reranker",
    "load_token_model",
]
