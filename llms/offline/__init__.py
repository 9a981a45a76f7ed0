"""What computes on this machine in place of a language model: the extractive answering model and time expressions."""

from llms.offline.time_words import TimeExpression, find_times

__all__ = [
    "TimeExpression",
    "find_times",
]
