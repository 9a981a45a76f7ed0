"""Answers that exist already: reading those that others published, matching them to data, and recorded ones."""

from bench.published.answers import PublishedAnswer, PublishedSet
from bench.published.matching import Matched, Matching, match
from bench.published.reading import read_published
from bench.published.recorded import IMPORTED, RecordedAnswers
from bench.published.stand_ins import RecordedAnswerer, RecordedProvider

__all__ = [
    "IMPORTED",
    "Matched",
    "Matching",
    "PublishedAnswer",
    "PublishedSet",
    "RecordedAnswerer",
    "RecordedAnswers",
    "RecordedProvider",
    "match",
    "read_published",
]
