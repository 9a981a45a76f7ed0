"""Names of providers as names of files."""

from __future__ import annotations

import pytest

from vocabulary import file_name_of


@pytest.mark.parametrize("name", ["bm25", "full-context", "mem0"])
def test_a_plain_name_is_its_own_file_name(name: str) -> None:
    assert file_name_of(name) == name


def test_names_that_differ_in_punctuation_or_case_have_different_files() -> None:
    names = ["my.pkg:Mem", "my-pkg:Mem", "my_pkg:Mem", "my.pkg:mem", "my-pkg-mem", "my/pkg:Mem", "mÿ.pkg:Mem"]
    assert len({file_name_of(name).casefold() for name in names}) == len(names)


@pytest.mark.parametrize("name", ["../../etc:X", "a/b", "é" * 400, "\udc80.x:Y"])
def test_a_file_name_stays_in_its_folder_and_fits(name: str) -> None:
    found = file_name_of(name)
    assert "/" not in found
    assert found.isascii()
    assert len(found) < 100
