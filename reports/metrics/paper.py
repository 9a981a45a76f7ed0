"""LoCoMo's answers as the mem0 paper scores them, which is not how LoCoMo's own script does.

Chhikara et al. 2025, arXiv 2504.19413, and the evaluation code that came with it. The paper's tables leave the
adversarial questions (category 5) out; so do these.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

from reports.metrics.nltk_parts import nltk_parts
from vocabulary import Gold

_BLANKED = str.maketrans(dict.fromkeys(".,!?", " "))
_ENDS = re.compile("[.?!]")
"""Without any of these a text is one sentence."""
_LEFT_OUT = 5


def mem0_paper_f1(hypothesis: str, gold: Gold) -> float | None:
    """F1 of two *sets* of words, between 0 and 1; None for LoCoMo's category 5.

    Words are what stands between blanks in lower case, ``. , ! ?`` being blanks. Nothing is stemmed or dropped, and a
    word counts once however often it is said. Raises `ValueError` for what is none of LoCoMo's categories.
    """
    if not _is_scored(gold):
        return None
    given, wanted = _words(hypothesis), _words(gold.ground_truth)
    shared = len(given & wanted)
    return 2 * shared / (len(given) + len(wanted)) if shared else 0.0


def mem0_paper_bleu1(hypothesis: str, gold: Gold) -> float | None:
    """BLEU-1 of the answer against the gold, between 0 and 1; None for LoCoMo's category 5.

    Clipped precision of single tokens times the brevity penalty exp(1 - r / c) for an answer of c tokens shorter than
    the gold's r (Papineni et al. 2002). It is what nltk's ``sentence_bleu`` gives for weights (1, 0, 0, 0): with those
    weights its smoothing (method 1) has nothing to smooth, for it adds only to longer n-grams, and an answer that
    shares no token has 0 before. Raises `ValueError` for what is none of LoCoMo's categories.
    """
    if not _is_scored(gold):
        return None
    given, wanted = bleu_tokens(hypothesis), bleu_tokens(gold.ground_truth)
    shared = (Counter(given) & Counter(wanted)).total()
    if not shared:
        return 0.0
    brevity = 1.0 if len(given) > len(wanted) else math.exp(1 - len(wanted) / len(given))
    return brevity * shared / len(given)


@lru_cache(maxsize=4096)  # all providers are compared with the same gold
def bleu_tokens(text: str) -> tuple[str, ...]:
    """The tokens of `text` in lower case, as nltk's ``word_tokenize`` makes them, but for known abbreviations.

    ``word_tokenize`` splits into sentences with a trained model that has to be downloaded, then each sentence into
    words. Here the same splitter runs untrained. It knows no abbreviations: in "dr. smith" it ends a sentence, and the
    full stop becomes a token of its own where the trained one leaves "dr." whole.
    """
    _stemmer, sentences, words = nltk_parts()
    text = text.lower()
    parts = sentences.tokenize(text) if _ENDS.search(text) else [text]  # the splitter takes as long as all the rest
    return tuple(token for sentence in parts for token in words.tokenize(sentence))


def _is_scored(gold: Gold) -> bool:
    if gold.category not in (1, 2, 3, 4, _LEFT_OUT):
        raise ValueError(f"the mem0 paper's metrics are for LoCoMo's categories 1 to 5, not for {gold.category!r}")
    return gold.category != _LEFT_OUT


def _words(text: str) -> set[str]:
    return set(text.lower().translate(_BLANKED).split())
