"""Text of scripts that put no spaces between words, made ready for an index of words."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from vocabulary import UNSPACED


def segmented(text: str) -> str:
    """`text` with each run of such a script as overlapping pairs of its letters, which are found as words are.

    Marks over and under these letters are left out: an index of words would divide at them. Other text is as it was.
    """
    return text if text.isascii() else UNSPACED.sub(_pairs, unicodedata.normalize("NFC", text))


def _pairs(run: re.Match[str]) -> str:
    letters = [letter for letter in run[0] if not unicodedata.category(letter).startswith("M")]
    return f" {' '.join(map(''.join, pairwise(letters))) or ''.join(letters)} "
