"""What ``-k`` probably meant where it selected nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.benchmarks.own import Mine
from bench.config import BenchmarkConfig
from bench.pipeline import known_benchmarks
from bench.plugin.opt_in import WORDS
from vocabulary import did_you_mean


def keyword_suggestions(expression: str, config: BenchmarkConfig) -> Iterator[str]:
    """A line for each word of `expression` that is nearly the name of something that tests are selected by."""
    benchmarks = known_benchmarks(config.benchmark_options)
    types = {name for benchmark in benchmarks.values() for name in benchmark.types}
    known = {*benchmarks, *types, *config.provider, *WORDS, Mine.name, "abstention"}
    for word in dict.fromkeys(re.findall(r"[\w.:-]+", expression)):
        matches = any(word.casefold() in name.casefold() for name in known)
        if word == Mine.name and not config.dataset:
            yield f"-k {word} needs --dataset PATH. `python -m bench new-dataset FOLDER` makes an example."
        if word in ("and", "or", "not") or matches:
            continue
        if guess := did_you_mean(word, known):
            yield f"-k {word} matches no test.{guess}"
