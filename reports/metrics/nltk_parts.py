"""The parts of nltk that answer metrics are defined with; none needs a corpus."""

from __future__ import annotations

import sys
from functools import cache
from importlib.abc import MetaPathFinder
from threading import get_ident
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nltk.stem.porter import PorterStemmer
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

_OPTIONAL = ("matplotlib", "numpy", "pandas", "scipy", "sklearn")


class Parts(NamedTuple):
    """The Porter stemmer with nltk's extensions, Punkt as it is untrained, and what ``word_tokenize`` splits with."""

    stemmer: PorterStemmer
    sentences: PunktSentenceTokenizer
    words: NLTKWordTokenizer


class _Without(MetaPathFinder):
    """Finds none of the optional libraries for the thread that made it; other threads import what they like."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> None:
        """Raise for an optional library; leave the rest to others."""
        if fullname in _OPTIONAL and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is left out", name=fullname)


@cache
def nltk_parts() -> Parts:
    """These parts, from an nltk that leaves out the libraries which it can do without.

    ``import nltk`` brings numpy, pandas, scikit-learn and scipy where they are installed: over a second and 130 MB
    for what is not used here. Without them it takes a sixth of a second.
    """
    loaded, without = set(sys.modules), _Without()
    sys.meta_path.insert(0, without)
    try:
        from nltk.stem.porter import PorterStemmer
        from nltk.tokenize import NLTKWordTokenizer
        from nltk.tokenize.punkt import PunktSentenceTokenizer
    finally:
        sys.meta_path.remove(without)
        # for the rest of the process nltk is whole: it is imported anew by the next that needs it
        for module in [name for name in sys.modules if name.partition(".")[0] == "nltk" and name not in loaded]:
            del sys.modules[module]
    return Parts(PorterStemmer(), PunktSentenceTokenizer(), NLTKWordTokenizer())
