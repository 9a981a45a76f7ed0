"""What computes on this machine in place of a language model: the extractive answering model and time expressions."""

from llms.offline.extractive import ExtractiveAnswerer
from llms.offline.time_words import TimeExpression, find_times

__all__ = [
    "ExtractiveAnswerer",
    "TimeExpression",
    "find_times",
]
