"""What is suggested for a mistyped name."""

from __future__ import annotations

import pytest

from vocabulary import UnknownNameError, did_you_mean, nearest

KNOWN = ("bm25", "full-context", "locomo", "oracle")


@pytest.mark.parametrize(
    ("name", "meant"), [("BM25", "bm25"), ("locmo", "locomo"), ("Oracel", "oracle"), ("xyz", None), ("", None)]
)
def test_the_nearest_name_whatever_its_case(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant
    assert did_you_mean(name, KNOWN) == (f" Did you mean {meant!r}?" if meant else "")


def test_an_unknown_name_says_what_was_meant() -> None:
    assert "Did you mean 'bm25'?" in str(UnknownNameError("provider", "BM25", KNOWN))
