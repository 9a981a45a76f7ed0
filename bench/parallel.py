"""Under pytest-xdist: a contiguous share of the questions for each worker, and a view of what a worker will get next.

All that needs xdist's inside is here. `Shards` implements its public scheduling protocol; `upcoming_items` reads the
queue of a worker, which is private, and without it knows only the next item: slower, and still right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class Shards:
    """Gives each worker a contiguous share, sends no more than `window` of it ahead, and steals only what was not sent.

    So what a worker has begun ahead of time is never given to another one; only `stop` takes something back. `config`
    is for rerunfailures, which looks for it on a scheduler when a worker has crashed.
    """

    def __init__(self, workers: int, window: int, config: pytest.Config | None = None) -> None:
        self.config = config
        self.different = False
        """Whether the workers collected different tests, so that none was run."""
        self._workers = workers
        self._window = max(2, window)
        self._collection: list[str] | None = None
        self._collected: dict[WorkerController, list[str]] = {}
        self._sent: dict[WorkerController, list[int]] = {}
        self._share: dict[WorkerController, deque[int]] = {}
        self._orphans: deque[int] = deque()
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
        """Welcome a worker."""
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

    def mark_test_pending(self, item: str) -> None:
        """A test is to be done again: its worker died. Several plugins may say so of the same crash."""
        assert self._collection is not None
        index = self._collection.index(item)
        if self._stopped or index in self._orphans or any(index in sent for sent in self._sent.values()):
            return
        self._orphans.appendleft(index)
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
        if not self._stopped:
            self._orphans.extend(sent[1:])
            self._orphans.extend(share)
        for other in self.nodes:
            self._fill(other)
        return self._collection[sent[0]] if sent and self._collection else None

    def schedule(self) -> None:
        """Deal the shares, once, and send."""
        if self._collection is None:
            self._deal()
        for node in self.nodes:
            self._fill(node)

    def _deal(self) -> None:
        first, *others = self._collected.values()
        self.different = any(other != first for other in others)
        self._collection = [] if self.different else first
        in_order = sorted(self._sent, key=lambda node: worker_number(node.gateway.id))
        for position, node in enumerate(in_order):
            self._share[node].extend(share_of(position, len(in_order), len(self._collection)))

    def _fill(self, node: WorkerController) -> None:
        if node.shutting_down or self._collection is None:
            return
        batch: list[int] = []
        while len(self._sent[node]) + len(batch) < self._window:
            following = self._next(node)
            if following is None:
                break
            batch.append(following)
        if batch:
            self._sent[node].extend(batch)
            node.send_runtest_some(batch)
        self._dismiss()

    def _dismiss(self) -> None:
        """Once all is sent, tell workers at their last test that none follows: they wait for that to begin it.

        Not earlier: until then a worker can take what another one leaves behind when it dies.
        """
        if self._orphans or any(self._share.values()):
            return
        for node, sent in self._sent.items():
            if len(sent) < 2 and not node.shutting_down:
                node.shutdown()

    def _next(self, node: WorkerController) -> int | None:
        if self._orphans:
            return self._orphans.popleft()
        if self._share[node]:
            return self._share[node].popleft()
        richest = max(self._share.values(), key=len)
        return richest.pop() if richest else None


def worker_number(worker_id: str) -> int:
    """A worker's number from xdist's name for it, such as ``gw3``; 0 for a name that somebody chose (``--tx``)."""
    digits = worker_id.removeprefix("gw")
    return int(digits) if digits.isdecimal() else 0


def share_of(worker: int, workers: int, tests: int) -> range:
    """The contiguous share of `tests` that a worker begins with."""
    return range(worker * tests // workers, (worker + 1) * tests // workers)


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
