"""What report.json holds of a gate: thresholds, and rules about a baseline."""

from __future__ import annotations

from typing import Literal

from reports.metrics import Block


class GateRow(Block):
    """One threshold on one result."""

    name: str
    threshold: float
    direction: Literal["at least", "at most"]
    provider: str | None
    """Null where the threshold applies to no result."""
    benchmark: str | None
    value: float | None
    """Not rounded. Null where there is no such number; `reason` says why. A clock field for times."""
    met: bool
    missed_by: float | None
    reason: str | None


class Unmeasured(Block):
    """A requested benchmark of which no question could be asked."""

    benchmark: str
    reason: str


class GateBaseline(Block):
    """The run that this one is held against."""

    run: str
    commit: str | None


class BaselineRow(Block):
    """One rule about the baseline on one result. Clock fields for times: all but the first six."""

    rule: Literal["no-worse", "max-drop", "max-rise"]
    name: str
    provider: str
    benchmark: str
    margin: float
    """How much may be lost; 0 for no-worse. With `percent`, a share of the baseline's value."""
    percent: bool
    selected: int
    """Questions of the result, or of the part that `name` is about."""
    n: int = 0
    """Those of them that the baseline has, with such a value on both sides."""
    baseline: float | None = None
    """Over these questions, not rounded, as `value`, which is this run's."""
    value: float | None = None
    change: float | None = None
    """`value` minus `baseline`."""
    ci95: tuple[float, float] | None = None
    p_value: float | None = None
    """Exact McNemar test; null where it does not apply."""
    met: bool
    """False only where the interval shows a loss beyond the margin, or nothing could be compared."""
    catches: float | None = None
    """The loss that 80 % of such runs would miss the gate for; null where none could."""
    sensitive: bool = False
    """Whether this sample can tell a loss of the margin from none."""
    reason: str | None = None


class Gate(Block):
    """Whether the run is good enough."""

    met: bool
    refused: str | None
    """Why this run cannot satisfy any gate."""
    thresholds: tuple[GateRow, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    """With any threshold, one of these is enough to miss the gate."""
    baseline: GateBaseline | None = None
    against: tuple[BaselineRow, ...] = ()
    """What the run may lose against the baseline."""
    errors: int
    max_errors: int
