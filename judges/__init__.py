"""How an answer is graded. One file a judge."""

from judges.base import Judge
from schema import find_class


def find_judge(name: str) -> type[Judge]:
    """The judge class of that name or dotted path; raises `schema.UnknownNameError`."""
    return find_class("judge", name, Judge, "judges")


__all__ = ["Judge", "find_judge"]
