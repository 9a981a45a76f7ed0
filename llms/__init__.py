"""The models that answer and judge."""

from llms.base import Answerer
from schema import find_class


def find_answerer(name: str) -> type[Answerer]:
    """The answerer class of that name or dotted path; raises `schema.UnknownNameError`."""
    return find_class("answering model", name, Answerer, "llms")


__all__ = ["Answerer", "find_answerer"]
