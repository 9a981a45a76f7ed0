"""A session of questions ends without a last collection of all that it held."""

from __future__ import annotations

import sys

import pytest

from tests.processes import run
from tests.repository import ROOT

ENDING = """
import gc
from bench.plugin.garbage import end_without_collection
class Ring:
    def __init__(self):
        self.me = self
    def __del__(self):
        print("collected")
gc.disable()
if {spared}:
    end_without_collection()
Ring()
"""


@pytest.mark.long
@pytest.mark.parametrize("spared", [False, True])
def test_a_process_ends_without_a_collection(spared: bool) -> None:
    ended = run([sys.executable, "-c", ENDING.format(spared=spared)], cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("collected" in ended.stdout) is not spared
