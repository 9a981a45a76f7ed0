"""What a run shows on pytest's terminal: the header, the plan, the live line, the closing table."""

from bench.plugin.terminal.absent import absent_lines, without_stand_ins
from bench.plugin.terminal.closing import Closing, show_gate
from bench.plugin.terminal.header import header_lines
from bench.plugin.terminal.live import Live, Quiet
from bench.plugin.terminal.plan import plan_lines
from bench.plugin.terminal.width import folded

__all__ = [
    "Closing",
    "Live",
    "Quiet",
    "absent_lines",
    "folded",
    "header_lines",
    "plan_lines",
    "show_gate",
    "without_stand_ins",
]
