"""How much the answering model was given: computed again from the data file and results.jsonl."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.report import read_lines


def size(speaker: str, text: str, caption: str | None) -> int:
    return math.ceil(len(f"{speaker}: {text}" + (f" [shared image: {caption}]" if caption else "")) / 4)


@pytest.mark.long
def test_context_is_what_was_found_by_what_was_said(tmp_path: Path, data_folder: Path) -> None:
    config = build_benchmark_config(runs_dir=tmp_path, data=str(data_folder), limit=250, until="search")
    ended = run_benchmark(config, "locomo")
    said = {
        sample["sample_id"]: sum(
            size(turn["speaker"], turn["text"], turn.get("blip_caption"))
            for name, turns in sample["conversation"].items()
            if name.startswith("session_") and isinstance(turns, list)
            for turn in turns
        )
        for sample in json.loads((data_folder / "locomo" / "locomo10.json").read_text())
    }
    lines = list(read_lines(ended.jsonl.parent))
    assert {line["cluster"] for line in lines} == {"conv-26", "conv-30"}
    found = [sum(math.ceil(len(result["text"]) / 4) for result in line["results"]) for line in lines]
    shares = [tokens / said[line["cluster"]] for tokens, line in zip(found, lines, strict=True)]
    (result,) = ended.report.results
    assert result.context.tokens_mean == pytest.approx(sum(found) / len(found), abs=1e-6)
    assert result.context.haystack_share_mean == pytest.approx(sum(shares) / len(shares), abs=1e-6)
