"""How the questions of a run are divided into blocks, each a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from bench.pipeline.places import Stretch
from reports.store import QuestionKey

BLOCK = 44
"""How many questions a task has at most where few are in flight: their claims then cost less than its beginning."""

SMALLEST_BLOCK = 8

Block = tuple[QuestionKey, ...]


def block_size(questions: int, in_flight: int, processors: int) -> int:
    """How many questions a task is to have: enough to keep it busy, and several tasks for each processor.

    `in_flight` is for all of them together.
    """
    share = -(-questions // (4 * processors))
    return min(max(BLOCK, 4 * in_flight // processors), max(SMALLEST_BLOCK, share))


def blocks_of(
    haystacks: Sequence[tuple[Stretch, Sequence[QuestionKey]]], size: int, processors: int, *, mixed: bool = False
) -> Iterator[Block]:
    """Blocks of about `size` questions, in the sequence in which they are to begin.

    A haystack that only one folder can search is in one block. Others are divided: tasks that run at the same time
    begin with haystacks of their own. `mixed` says that the run jumps between haystacks: then so do the blocks.
    """
    columns: list[list[Block]] = []
    for stretch, keys in haystacks:
        whole = stretch.local or len(keys) <= size
        if whole and columns and len(columns[-1]) == 1 and len(columns[-1][0]) + len(keys) <= size:
            columns[-1] = [(*columns[-1][0], *keys)]
        elif whole:
            columns.append([tuple(keys)])
        else:
            columns.append([tuple(keys[first : first + size]) for first in range(0, len(keys), size)])
    together = len(columns) if mixed else processors
    for first in range(0, len(columns), max(1, together)):
        for row in zip_longest(*columns[first : first + together]):
            yield from (block for block in row if block)
