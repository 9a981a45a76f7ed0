"""What ``-k`` probably meant where it selected nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.config import BenchmarkConfig
from bench.pipeline import benchmark_names, known_types
from bench.plugin.opt_in import WORDS
from vocabulary import did_you_mean


def keyword_suggestions(expression: str, config: BenchmarkConfig) -> Iterator[str]:
    """A line for each word of `expression` that is nearly the name of something that tests are selected by."""
    known = {*benchmark_names(), *known_types(), *config.provider, *WORDS, "abstention"}
    for word in dict.fromkeys(re.findall(r"[\w.:-]+", expression)):
        matches = any(word.casefold() in name.casefold() for name in known)
        if word in ("and", "or", "not") or matches:
            continue
        if guess := did_you_mean(word, known):
            yield f"-k {word} matches no test.{guess}"
