"""One line at the bottom of a terminal that is drawn again and again, and wiped in the end."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from rich.live import Live


_STYLES = {r"errors [1-9]\d*": "red", r"tests failed \d+": "red", r"[^·]*calls wait[^·]*": "yellow"}


class Screen:
    """Draws through pytest's own terminal; with colours where it has them."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter
        self._live: Live | None = None

    def show(self, line: str) -> None:
        """Draw `line`; what went wrong stands out."""
        from rich.text import Text

        text = Text(line, no_wrap=True, overflow="crop")
        for pattern, style in _STYLES.items():
            text.highlight_regex(pattern, style)
        self._drawn_by().update(text, refresh=True)

    def wipe(self) -> None:
        """Remove the line."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn_by(self) -> Live:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            coloured = self._reporter.hasmarkup
            console = Console(
                file=cast("IO[str]", _Through(self._reporter)),
                force_terminal=True,
                color_system="standard" if coloured else None,
                no_color=not coloured,
            )
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        return self._live


class _Through(io.TextIOBase):
    """A file that pytest's terminal writes."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def write(self, text: str) -> int:
        self._reporter.write(text, flush=True)
        return len(text)
