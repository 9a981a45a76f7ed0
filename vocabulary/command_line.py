"""Command lines: how every command of this repository says that it was asked for wrongly."""

from __future__ import annotations

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """argparse whose errors are one line on the error stream, without the usage; exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print `message` and end the process."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")
