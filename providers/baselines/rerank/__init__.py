"""Reranking: the best results scored anew by a packaged model, and what models computed kept for other runs."""

from providers.baselines.rerank.computed import Computed, digest
from providers.baselines.rerank.models import Rerank, find_reranker
from providers.baselines.rerank.reranker import Reranker

__all__ = ["Computed", "Rerank", "Reranker", "digest", "find_reranker"]
