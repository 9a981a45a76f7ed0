"""The answering model that is a language model: its prompts, the context it is given, and the reading of its reply."""

from llms.answering.reader import AnswerOptions, ModelAnswerer

__all__ = [
    "AnswerOptions",
    "ModelAnswerer",
]
