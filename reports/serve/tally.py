"""What is counted of a provider on a benchmark while a run goes on, one step at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from reports.metrics import Accuracy, interval
from vocabulary import Phase


class Asked(NamedTuple):
    """What of a selected question is shown."""

    cluster: str
    question_type: str
    text: str
    ground_truth: str


class Fault(NamedTuple):
    """Why a step could not be done."""

    type: str
    message: str


@dataclass
class Tally:
    """The selected questions of a pair by id, and what became of each phase of them."""

    asked: dict[str, Asked] = field(default_factory=dict)
    haystacks: set[str] = field(default_factory=set)
    done: dict[str, set[str]] = field(default_factory=dict)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    answers: dict[str, str | None] = field(default_factory=dict)
    """As JSON: few of them are shown."""
    labels: dict[str, str] = field(default_factory=dict)
    _judged: Counter[str] = field(default_factory=Counter)
    _correct: Counter[str] = field(default_factory=Counter)
    _accuracy: tuple[object, Accuracy | None] = (None, None)

    def forget(self) -> None:
        """All but the selection."""
        for counted in (self.done, self.faults, self.labels, self._judged, self._correct):
            counted.clear()

    def add_done(self, question: str, phase: str) -> None:
        """A step is done."""
        self.faults.pop((question, phase), None)
        self.done.setdefault(phase, set()).add(question)

    def add_label(self, question: str, label: str) -> None:
        """A question was judged, perhaps again."""
        cluster = self.asked[question].cluster if question in self.asked else ""
        before = self.labels.get(question)
        self._judged[cluster] += before is None
        self._correct[cluster] += (label == "correct") - (before == "correct")
        self.labels[question] = label

    def is_done(self, question: str, phase: Phase) -> bool:
        """Whether a phase of a question is done."""
        return question in self.done.get(phase, ())

    def failed(self, until: Phase) -> int:
        """Questions that ended in an error before the end of the phase `until`."""
        return len({question for question, _phase in self.faults if not self.is_done(question, until)})

    @property
    def correct(self) -> int:
        """Questions that were answered right."""
        return self._correct.total()

    def accuracy(self, *, whole: bool) -> Accuracy | None:
        """Of what was judged so far, or of the `whole` selection; None if nothing was judged."""
        if not self.labels:
            return None
        sizes = Counter(one.cluster for one in self.asked.values()) if whole else self._judged
        counts = {name: (self._correct[name], size) for name, size in sizes.items() if size}
        if counts != self._accuracy[0]:
            self._accuracy = counts, interval(counts)
        return self._accuracy[1]
