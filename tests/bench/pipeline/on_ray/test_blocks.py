"""How a run is divided into blocks: whole haystacks where they have to be, several at once where they may be."""

from __future__ import annotations

from itertools import chain

from bench.pipeline.on_ray.blocks import BLOCK, SMALLEST_BLOCK, Block, block_size, blocks_of
from bench.pipeline.places import Stretch
from reports.store import QuestionKey


def haystacks(*sizes: int, local: bool = False) -> list[tuple[Stretch, list[QuestionKey]]]:
    return [
        (Stretch(f"h{number}", local, closed=False), [QuestionKey("p", "b", f"{number}-{one}") for one in range(size)])
        for number, size in enumerate(sizes)
    ]


def named(blocks: list[Block]) -> list[str]:
    """The haystacks of each block, and how many questions it has."""
    return ["+".join(dict.fromkeys(key.question[0] for key in block)) + f":{len(block)}" for block in blocks]


def test_a_store_in_a_folder_has_its_haystack_in_one_block() -> None:
    assert named([*blocks_of(haystacks(199, 20, 20, 20, local=True), 44, 2)]) == ["0:199", "1+2:40", "3:20"]


def test_processes_begin_with_haystacks_of_their_own() -> None:
    blocks = [*blocks_of(haystacks(100, 60, 90), 44, 2)]
    assert named(blocks) == ["0:44", "1:44", "0:44", "1:16", "0:12", "2:44", "2:44", "2:2"]
    assert [*blocks_of(haystacks(100, 60, 90), 44, 2)] == blocks


def test_a_run_that_jumps_between_haystacks_is_begun_in_all_of_them() -> None:
    assert named([*blocks_of(haystacks(50, 50, 50), 44, 1, mixed=True)])[:3] == ["0:44", "1:44", "2:44"]


def test_each_question_is_in_one_block() -> None:
    found = haystacks(*range(1, 90, 7))
    asked = [key for _stretch, keys in found for key in keys]
    assert sorted(chain(*blocks_of(found, 13, 3))) == sorted(asked)


def test_a_block_keeps_its_process_busy_and_leaves_some_for_others() -> None:
    assert block_size(1986, 2, 2) == BLOCK
    assert block_size(1986, 64, 2) == 128, "four times as many as are in flight"
    assert block_size(200, 32, 4) == 13
    assert block_size(20, 32, 4) == SMALLEST_BLOCK
