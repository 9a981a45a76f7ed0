"""Which questions of a run are free, as one place knows, and which of them it claims next.

A place takes the haystacks in the order of the run and stays with one while it has questions left. So every place
ingests haystacks of its own, the reports of all advance with the run, and only the last haystacks are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from reports.store import QuestionKey, SelectedQuestion
from reports.store.sharing import Wanted

FREE, ELSEWHERE, HERE, OVER = range(4)
"""What is known of a question; of one that is `FREE`, that nobody is known to have it."""

USUAL_BLOCK, LARGEST_BLOCK = 32, 64
"""How many questions are claimed at once; the larger one while places have hundreds left to do."""

_LISTED_BLOCKS = 4
"""How many times as many candidates a claim names: other places have taken some of them."""


def block_size(free: int, places: int) -> int:
    """How many of `free` questions to claim at once where so many places are at work.

    Fewer when few are left, so that all places end together (guided self-scheduling, Polychronopoulos & Kuck 1987).
    """
    share = free // max(places, 1)
    return max(1, min(USUAL_BLOCK, share // 2), min(LARGEST_BLOCK, share // 16))


@dataclass(slots=True, eq=False)
class Stretch:
    """The questions of one haystack of a provider.

    It is `own` in the part that this place begins with, `local` where no other folder can search what this one ingests,
    and `closed` while its questions are not this process's to claim. `begun` says that this place has claimed some,
    `ready` that they can be searched, `elsewhere` that another place has begun it.
    """

    haystack: str
    local: bool
    closed: bool
    questions: list[int] = field(default_factory=list)
    free: int = 0
    begun: bool = False
    ready: bool = False
    elsewhere: bool = False
    own: bool = True


class Plan:
    """The questions of a run in this place's order; `over` are those that need not be done.

    `stretch_of` makes the stretch of a question's haystack, called once for each.
    """

    def __init__(
        self,
        order: Sequence[SelectedQuestion],
        over: set[QuestionKey],
        haystack_of: Callable[[SelectedQuestion], str],
        stretch_of: Callable[[SelectedQuestion], Stretch],
    ) -> None:
        self.order = order
        self.index = {question.key: number for number, question in enumerate(order)}
        self.free = 0
        self._state = bytearray(len(order))
        self._of: list[Stretch] = []
        self._stretches: dict[tuple[str, str], Stretch] = {}
        for number, question in enumerate(order):
            name = (question.provider, haystack_of(question))
            if name not in self._stretches:
                self._stretches[name] = stretch_of(question)
            stretch = self._stretches[name]
            self._of.append(stretch)
            stretch.questions.append(number)
            if question.key in over:
                self._state[number] = OVER
            else:
                stretch.free += 1
                self.free += 1
        self._in_order = list(self._stretches.values())
        self._own = [one for one in self._in_order if one.own]
        self._first = 0
        self._begun: list[Stretch] = []

    def state(self, key: QuestionKey) -> int:
        """What is known of a question."""
        return self._state[self.index[key]]

    def stretch(self, key: QuestionKey) -> Stretch:
        """The stretch that a question belongs to."""
        return self._of[self.index[key]]

    def mark(self, key: QuestionKey, state: int) -> None:
        """Note what has become known of a question."""
        number = self.index[key]
        if self._state[number] == OVER:
            return
        change = (state == FREE) - (self._state[number] == FREE)
        self._state[number] = state
        self._of[number].free += change
        self.free += change

    def left(self) -> list[tuple[Stretch, list[QuestionKey]]]:
        """The questions that are not known to be over, by haystack."""
        found = ((one, [n for n in one.questions if self._state[n] != OVER]) for one in self._in_order)
        return [(one, [self.order[number].key for number in numbers]) for one, numbers in found if numbers]

    @property
    def is_mixed(self) -> bool:
        """Whether the questions of any haystack do not follow each other."""
        return any(one.questions[-1] - one.questions[0] >= len(one.questions) for one in self._in_order)

    def after(self, key: QuestionKey, most: int) -> list[QuestionKey]:
        """The questions from this one on that are not known to be over, at most `most`."""
        first = self.index[key]
        numbers = (number for number in range(first, len(self.order)) if self._state[number] != OVER)
        return [self.order[number].key for number in islice(numbers, most)]

    def over_from(self, key: QuestionKey, most: int) -> list[SelectedQuestion]:
        """A question, and those of the `most` from it on that are over."""
        first = self.index[key]
        numbers = range(first, min(first + most, len(self.order)))
        return [self.order[number] for number in numbers if number == first or self._state[number] == OVER]

    def forget_others(self) -> None:
        """A place has gone: what others have begun is to be looked at again."""
        for stretch in self._in_order:
            stretch.elsewhere = False
        self._first = 0

    def open(self, key: QuestionKey) -> None:
        """From now on the questions of this haystack may be claimed here."""
        self.stretch(key).closed = False
        self._first = 0

    def wanted(self, most: int, *, may_begin: bool, making_own: bool = False) -> list[Wanted]:
        """What to claim next, the best first; `may_begin` says that another haystack may be made ready here.

        Of other parts nothing, while haystacks of the own one are to be begun or are made ready (`making_own`).
        """
        helps = not making_own and not any(one.free and not (one.closed or one.elsewhere) for one in self._own)
        listed = most * _LISTED_BLOCKS
        self._begun = [one for one in self._begun if one.free]
        found = list(islice(self._listed(one for one in self._begun if one.ready), listed))
        if may_begin and len(found) < most:
            found += islice(self._listed(one for one in self._fresh() if one.own or helps), listed - len(found))
        if not found:
            among = self._in_order if helps else self._own
            shared = [one for one in among if one.free and (one.elsewhere or one.begun) and not one.local]
            shared.sort(key=lambda one: -one.free)
            found = list(islice(self._listed(shared, halved=True), listed))
        return found

    def _fresh(self) -> Iterator[Stretch]:
        """The haystacks that nobody is known to have begun."""
        for number in range(self._first, len(self._in_order)):
            stretch = self._in_order[number]
            if stretch.free and not (stretch.begun or stretch.elsewhere or stretch.closed):
                yield stretch
            elif number == self._first and not stretch.closed:
                self._first += 1

    def alone(self, key: QuestionKey) -> list[Wanted]:
        """One question that cannot wait for its turn."""
        stretch = self.stretch(key)
        return [Wanted(key, stretch.haystack, stretch.local and not stretch.begun)]

    def note(self, wanted: Sequence[Wanted], granted: set[QuestionKey], most: int) -> list[SelectedQuestion]:
        """Note what came of a claim; the questions that are this place's now, in order."""
        mine = []
        refused = []
        for one in wanted:
            if one.key in granted:
                self.mark(one.key, HERE)
                self._begin(self.stretch(one.key))
                mine.append(self.order[self.index[one.key]])
                if len(mine) == most:
                    break  # nobody knows about those behind it
            else:
                refused.append(one)
        for one in refused:
            stretch = self.stretch(one.key)
            if one.alone and not stretch.begun:
                stretch.elsewhere = True
            else:
                self.mark(one.key, ELSEWHERE)
        return mine

    def _begin(self, stretch: Stretch) -> None:
        if not stretch.begun:
            stretch.begun = True
            self._begun.append(stretch)

    def _listed(self, stretches: Iterable[Stretch], *, halved: bool = False) -> Iterator[Wanted]:
        for stretch in stretches:
            free = [number for number in stretch.questions if self._state[number] == FREE]
            if halved:  # the place that is at it comes from the front
                free = free[len(free) // 2 :] + free[: len(free) // 2]
            alone = not (stretch.begun or halved)
            for number in free:
                yield Wanted(self.order[number].key, stretch.haystack, alone)
