"""Which change does which steps again: one field of a key at a time, through whole runs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from reports.report.meter import Meter
from reports.store import open_run, read_run
from tests.bench.cache.shared_runs import QUESTIONS, WATCHED, SharedRuns
from tests.llms.clients.model_server import serving
from tests.subjects.watched import Contains, First, Watched

pytestmark = pytest.mark.long

CHANGES: dict[str, tuple[dict[str, object], set[str]]] = {
    "nothing": ({}, {"ingest", "search", "answer", "judge"}),
    "the provider's version": ({"Watched.version": "2"}, {"answer", "judge"}),
    "its interface": ({"Watched.api": "v9"}, {"answer", "judge"}),
    "its name": ({"provider": (f"{WATCHED}:Slow",)}, {"answer", "judge"}),
    "top_k, for the best result is the same": ({"top_k": 7}, {"ingest", "judge"}),
    "the answering model's version": ({"First.version": "2"}, {"ingest", "search", "judge"}),
    "the answering model": ({"answering_model": "extractive"}, {"ingest", "search"}),
    "when it refuses": ({"answering_model": "extractive", "abstain_below": 1.0}, {"ingest", "search"}),
    "the judge's protocol": ({"Contains.protocol": "contains-2"}, {"ingest", "search", "answer"}),
    "the judge": ({"judge": ("lexical",)}, {"ingest", "search", "answer"}),
    "the containers": ({"isolation": "question"}, {"answer", "judge"}),
    "the data": ({"synthetic_seed": 1}, set()),
}


def test_a_change_does_again_what_depends_on_it_and_nothing_else(
    shared: SharedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW", "0")
    shared.run("begin")
    subjects = {"Watched": Watched, "First": First, "Contains": Contains}
    for number, (change, (what, cached)) in enumerate(CHANGES.items()):
        with monkeypatch.context() as changed:
            for name, value in what.items():
                if "." in name:
                    changed.setattr(subjects[name.partition(".")[0]], name.partition(".")[2], value)
            options = {name: value for name, value in what.items() if "." not in name}
            result = shared.run(f"run-{number}", **options)
        whole = {phase for phase, count in result["cached"].items() if phase == "ingest" or count == QUESTIONS}
        assert whole == cached, change


def test_an_answer_is_the_same_if_its_context_and_its_model_are(shared: SharedRuns) -> None:
    with serving() as server:
        model: dict[str, object] = {"answering_model": f"local/m-1@{server.url('openai')}", "context_tokens": 12}
        first = shared.run("a", **model)
        assert len(server.requests) == QUESTIONS
        assert first["usage"]["answer"]["calls"] == QUESTIONS
        again = shared.run("b", **model, top_k=7)  # other results, of which the best alone fits the context
        assert again["cached"] == {"ingest": 1, "answer": QUESTIONS, "judge": QUESTIONS}
        assert len(server.requests) == QUESTIONS
        assert (again["usage"], again["cost"]) == ({}, None)
        checkpoint = open_run(shared.folder / "runs", "b")
        assert Meter(checkpoint, read_run(checkpoint)).look() == Decimal(0)  # of what was paid, no price would be known
        checkpoint.close()
        changes: list[dict[str, object]] = [
            {"context_tokens": 80},
            {"model_option": ("answer.temperature=0.7",)},
            {"strict": True},
        ]
        for asked, changed in enumerate(changes, start=2):
            assert "answer" not in shared.run(f"c{asked}", **{**model, **changed})["cached"], changed
            assert len(server.requests) == asked * QUESTIONS
