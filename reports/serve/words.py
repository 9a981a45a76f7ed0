"""Values as the pages show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from reports.show import clock
from reports.store import QuestionKey


def run_link(run_id: str, rest: str = "") -> str:
    """The address of a run's page."""
    return f"/runs/{quote(run_id, safe='')}{rest}"


def question_link(run_id: str, key: QuestionKey) -> str:
    """The address of a question's story."""
    asked = urlencode({"provider": key.provider, "benchmark": key.benchmark, "id": key.question})
    return run_link(run_id, f"/question?{asked}")


def percent(value: float) -> str:
    """A share."""
    return f"{100 * value:.1f} %"


def interval(low: float, high: float) -> str:
    """The interval of a share."""
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def duration(seconds: float) -> str:
    """A time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def since(moment: float) -> str:
    """The time since then."""
    return duration(max(0.0, time.time() - moment))


def short(text: str | None, most: int = 160) -> str:
    """A text in one line, cut."""
    line = " ".join((text or "").split())
    return line if len(line) <= most else line[: most - 1] + "…"


WORDS: Mapping[str, Callable[..., str]] = {
    one.__name__: one for one in (clock, duration, interval, percent, question_link, run_link, short, since)
}
"""All of these, for templates."""
