"""Under pytest-xdist: a contiguous share of the questions for each worker, and a view of what a worker will get next.

All that needs xdist's inside is here. `Shards` implements its public scheduling protocol; `upcoming_items` reads the
queue of a worker, which is private, and without it knows only the next item: slower, and still right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from bench.plugin.scheduler.shares import Groups, Unit, deal, group_of, units_of

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class Shards:
    """Gives each worker a contiguous share, sends no more than `window` of it ahead, and steals only what was not sent.

    So what a worker has begun ahead of time is never given to another one; only `stop` takes something back. `config`
    is for rerunfailures, which looks for it on a scheduler when a worker has crashed.

    `groups` is asked once all workers have collected: the tests of a group are sent and stolen together, and left
    behind together. Of groups a worker is sent up to `ahead` beyond the one that it is at, so that they can be made
    ready at once: as many as leave enough for the others.
    """

    def __init__(
        self,
        workers: int,
        window: int,
        config: pytest.Config | None = None,
        *,
        groups: Callable[[], Groups] = tuple,
        ahead: int = 0,
    ) -> None:
        self.config = config
        self.different = False
        """Whether the workers collected different tests, so that none was run."""
        self._workers = workers
        self._window = max(2, window)
        self._collection: list[str] | None = None
        self._collected: dict[WorkerController, list[str]] = {}
        self._sent: dict[WorkerController, list[int]] = {}
        self._share: dict[WorkerController, deque[Unit]] = {}
        self._orphans: deque[Unit] = deque()
        self._read_groups = groups
        self._groups: Groups = ()
        self._ahead = ahead
        self._keepers: dict[str, WorkerController] = {}
        self._settled: set[str] = set()
        self._stopped = False

    @property
    def nodes(self) -> list[WorkerController]:
        """The workers."""
        return list(self._sent)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all workers have collected; that stays so when some are gone."""
        return self._collection is not None or len(self._collected) >= self._workers

    @property
    def has_pending(self) -> bool:
        """Whether any test is still to be done."""
        return bool(self._orphans) or any(self._share.values()) or any(self._sent.values())

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what workers are at, or nobody who could do it."""
        if not self.collection_is_completed:
            return False
        if self.different and all(node.shutting_down for node in self._sent):
            return True
        if self._orphans or any(self._share.values()):
            return False
        return all(len(sent) < 2 for sent in self._sent.values())

    def add_node(self, node: WorkerController) -> None:
        """Register a worker."""
        self._sent[node] = []
        self._share[node] = deque()

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Learn what a worker collected; one that comes later and collected something else gets nothing to do."""
        if self._collection is not None and list(collection) != self._collection:
            self.different = True
            node.shutdown()
        self._collected[node] = list(collection)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:  # noqa: ARG002  xdist's protocol
        """A worker is done with a test."""
        self._sent[node].remove(item_index)
        self._fill(node)

    def settle(self, item: str) -> None:
        """The outcome of a test is known: it is not done again, even if its worker dies before it is done with it."""
        self._settled.add(item)

    def is_settled(self, item: str) -> bool:
        """Whether the outcome of a test is known."""
        return item in self._settled

    def mark_test_pending(self, item: str) -> bool:
        """A test whose worker died is to be done again: whether it will be. Several plugins may ask after one crash."""
        assert self._collection is not None
        if self._stopped or item in self._settled:
            return False
        index = self._collection.index(item)
        waits = any(index in unit for unit in self._orphans)
        if not waits and not any(index in sent for sent in self._sent.values()):
            self._deal_again(index)
        return True

    def _deal_again(self, index: int) -> None:
        keeper = self._keepers.get(group_of(index, self._groups) or "")
        if keeper is not None and not keeper.shutting_down:
            self._send(keeper, [index])
            return
        left_behind = [test for unit in self._orphans for test in unit]
        self._orphans = deque(units_of([index, *left_behind], self._groups))
        for node in self.nodes:
            self._fill(node)

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """A worker gave these tests back; or none, because it had begun one of them: then others are asked for."""
        self._sent[node] = [index for index in self._sent[node] if index not in indices]
        if not indices:
            self._take_back(node)

    def stop(self) -> None:
        """Let workers end the tests that they are at, and no others: the run is to end early."""
        self._stopped = True
        self._orphans.clear()
        for share in self._share.values():
            share.clear()
        for node in self.nodes:
            self._take_back(node)

    def _take_back(self, node: WorkerController) -> None:
        begun = 3  # the test that it is at, the next one, which it has looked up, and one that it may get to meanwhile
        if len(self._sent[node]) > begun:
            with suppress(OSError):  # it is gone, and does no more tests anyway
                node.send_steal(self._sent[node][begun:])

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is done or died; the test that it was at, if any. The rest of its share goes to the others."""
        sent, share = self._sent.pop(node), self._share.pop(node)
        self._collected.pop(node, None)
        self._keepers = {group: keeper for group, keeper in self._keepers.items() if keeper is not node}
        if not self._stopped:
            self._orphans.extend(units_of(sent[1:], self._groups))
            self._orphans.extend(share)
        for other in self.nodes:
            self._fill(other)
        return self._collection[sent[0]] if sent and self._collection else None

    def schedule(self) -> None:
        """Deal the shares, once, and send."""
        if self._collection is None:
            self._deal()
            for node in self.nodes:
                self._fill(node, steal=False)  # each has its own before anybody takes from others
        for node in self.nodes:
            self._fill(node)

    def _deal(self) -> None:
        first, *others = self._collected.values()
        self.different = any(other != first for other in others)
        self._collection = [] if self.different else first
        self._groups = self._read_groups()
        in_order = sorted(self._sent, key=lambda node: worker_number(node.gateway.id))
        shares = deal(len(self._collection), len(in_order), self._groups)
        for node, share in zip(in_order, shares, strict=True):
            self._share[node].extend(share)

    def _fill(self, node: WorkerController, *, steal: bool = True) -> None:
        if node.shutting_down or self._collection is None:
            return
        batch: list[int] = []
        while unit := self._next(node, [*self._sent[node], *batch], steal=steal):
            batch.extend(unit)
        if batch:
            self._send(node, batch)
        if steal:
            self._dismiss()

    def _send(self, node: WorkerController, batch: list[int]) -> None:
        self._keepers.update(dict.fromkeys(self._groups_of(batch), node))
        self._sent[node].extend(batch)
        with suppress(OSError):  # it has just died: what it was sent is dealt again when that is noticed
            node.send_runtest_some(batch)

    def _dismiss(self) -> None:
        """Once all is sent, tell workers at their last test that none follows: they wait for that to begin it.

        Not earlier: until then a worker can take what another one leaves behind when it dies.
        """
        if self._orphans or any(self._share.values()):
            return
        for node, sent in self._sent.items():
            if len(sent) < 2 and not node.shutting_down:
                node.shutdown()

    def _next(self, node: WorkerController, held: list[int], *, steal: bool) -> Unit:
        """What a worker that holds so many tests is sent next; empty if that is enough for now."""
        share = self._share[node]
        if len(held) >= self._window:
            return share.popleft() if share and self._groups_of(share[0]) and self._may_begin_another(held) else ()
        if self._orphans:
            return self._orphans.popleft()
        if share:
            return share.popleft()
        richest = max(self._share.values(), key=len)
        return richest.pop() if steal and richest else ()

    def _may_begin_another(self, held: list[int]) -> bool:
        """Whether a worker that holds so many tests may have one more group, and the others still find their part."""
        begun = len(self._groups_of(held))
        if begun > self._ahead:
            return False
        left = sum(bool(self._groups_of(unit)) for share in self._share.values() for unit in share)
        return begun < -(-left // len(self._share))

    def _groups_of(self, tests: Sequence[int]) -> set[str]:
        return {group for test in tests if (group := group_of(test, self._groups)) is not None}


def worker_number(worker_id: str) -> int:
    """A worker's number from xdist's name for it, such as ``gw3``; 0 for a name that somebody chose (``--tx``)."""
    digits = worker_id.removeprefix("gw")
    return int(digits) if digits.isdecimal() else 0


def upcoming_items(
    session: pytest.Session, item: pytest.Item, nextitem: pytest.Item | None, *, queue: bool
) -> Iterator[pytest.Item]:
    """`item` and what will surely follow it in this worker, as far as that is known.

    `queue` says that what a worker was sent is never taken back, so that its queue can be trusted.
    """
    yield item
    if nextitem is not None:
        yield nextitem
    if queue:
        for index in _queued(session.config):
            yield session.items[index]


def _queued(config: pytest.Config) -> list[int]:
    """The indices that this worker was sent and has not begun; empty if xdist has changed inside."""
    interactor = next(
        (plugin for plugin in config.pluginmanager.get_plugins() if type(plugin).__name__ == "WorkerInteractor"), None
    )
    queue = getattr(interactor, "torun", None)
    if queue is None or not hasattr(queue, "lock"):
        return []
    with queue.lock() as waiting:
        return [index for index in waiting if isinstance(index, int)]
