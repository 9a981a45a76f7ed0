"""What is asked, and what only judges and metrics may know about it.

`Question` goes to providers and answering models. `Gold` never does: handing gold to retrieval is a type error.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from vocabulary.text import Text
from vocabulary.word import Word, is_none


class Question(Word):
    """A question as a provider and an answering model see it.

    `id` is opaque: it carries neither the type nor the place of the evidence. `date` is when the question is asked,
    None where the benchmark does not say.
    """

    id: str
    text: Text
    date: datetime | None = None


class EvidenceSource(Word):
    """A piece of evidence as the data set publishes it, and the ids in the question's haystack that it names.

    `source` may be an id, several in one string or a quotation. `ids` are of messages or sessions, none where it names
    nothing that exists.
    """

    source: Text
    ids: tuple[str, ...]


class Gold(Word):
    """The truth about a question; for judges and metrics alone.

    `ground_truth` is the expected answer as text. `answerable` is False where the right answer is that the haystack
    does not say. `evidence_messages` and `evidence_sessions` hold ids of the question's haystack; both are empty where
    a benchmark names no evidence that exists, and the question is then left out of retrieval metrics.
    `evidence_sources` is the evidence as it was published. `category` is the data set's own label. `trap` is a wrong
    answer that the question tempts into. `groups` are further divisions that reports break results down by, such as
    ``context-30``; a question may be in several. `rubric` holds the nuggets that a data set grades by, each a statement
    about a good answer; empty where it grades by the ground truth. `corrected` is the same by a corrected key, where a
    run grades by both and they differ.
    """

    question_type: str
    ground_truth: Text
    answerable: bool = True
    evidence_messages: tuple[str, ...] = ()
    evidence_sessions: tuple[str, ...] = ()
    evidence_sources: tuple[EvidenceSource, ...] = ()
    category: int | str | None = None
    trap: Text | None = None
    groups: tuple[str, ...] = ()
    rubric: tuple[Text, ...] = ()
    corrected: Gold | None = Field(default=None, exclude_if=is_none)

    @property
    def regraded(self) -> Gold | None:
        """The corrected gold, where it expects another answer."""
        other = self.corrected
        return None if other is None or other.ground_truth == self.ground_truth else other


class Case(Word):
    """One question of a benchmark with all that grading it needs: what a test is made of.

    `id` is stable, unique in its benchmark and safe for ``-k`` (letters, digits, ``-``, ``_``, ``.``). `source_id` is
    the data set's own id, for its official scripts. `haystack` is a `Haystack.id`. Questions of one `cluster` are not
    independent of each other: intervals keep them together.
    """

    id: str
    source_id: str
    benchmark: str
    question: Question
    gold: Gold
    haystack: str
    cluster: str
