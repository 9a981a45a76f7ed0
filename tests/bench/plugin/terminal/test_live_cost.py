"""The live line says what models have cost so far, where any is used."""

from __future__ import annotations

from typing import Any

from bench.plugin.terminal.live import Live


class Reporter:
    """As much of pytest's terminal as the line looks at before it is drawn."""

    isatty = False


def line(spent: Any, room: int | None = None) -> str:  # Any: a function or nothing
    live = Live(Reporter(), 100, 8, lambda: (1, 2), spent)  # type: ignore[arg-type]  # it is never drawn here
    return live.line(1e9, room)


def test_the_cost_stands_in_the_line() -> None:
    assert " · $0.12 · " in line(lambda: "$0.12")
    assert " · unknown price · " in line(lambda: "unknown price")


def test_without_a_model_nothing_is_said_of_money() -> None:
    assert "$" not in line(None)
    assert "price" not in line(None)


def test_the_cost_gives_way_after_what_matters_less_and_before_the_accuracy() -> None:
    whole = line(lambda: "$0.12")
    assert "$0.12" in line(lambda: "$0.12", len(whole) - 1)
    assert "$" not in line(lambda: "$0.12", 25)
