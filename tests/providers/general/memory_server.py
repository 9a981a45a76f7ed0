"""What loopback servers of memory services keep: texts by container and key, searched by words, indexed later."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.providers.hosted.vendors.vendor_search import Bm25
from tests.providers.hosted.vendors.vendor_server import FAULTS, Recorded, VendorServer


@dataclass
class Kept:
    """A text with what came with it."""

    text: str
    fields: dict[str, Any]
    stored: float
    sent: int = 1


@dataclass
class MemoryServer(VendorServer):
    """A subclass has the routes. `added` counts what was stored, also what was stored again."""

    added: int = 0
    kept: dict[str, dict[str, Kept]] = field(default_factory=dict)
    _bm25: Bm25 = field(default_factory=Bm25)
    _indexed: set[tuple[str, str]] = field(default_factory=set)

    def put(self, container: str, key: str, text: str, fields: dict[str, Any]) -> None:
        """Store, or overwrite what has that key."""
        self.added += 1
        before = self.kept.setdefault(container, {}).get(key)
        if before is None:
            self.kept[container][key] = Kept(text, fields, self.received(container))
            self._bm25.add(container, key, text)
        else:
            before.sent += 1
            assert before.text == text, "the same key came with another text"
            before.fields = fields

    def waiting(self, container: str) -> list[str]:
        """Keys of what is not indexed yet."""
        return [key for key, one in self.kept.get(container, {}).items() if not self.indexed(one.stored)]

    def found(self, container: str, query: str, most: int) -> list[tuple[str, float, Kept]]:
        """What a search of an indexed container finds."""
        kept = self.kept.get(container, {})
        waiting = set(self.waiting(container))
        self.searches_too_early += bool(waiting)
        ranked = self._bm25.search(container, query, most + len(waiting) + 1000)
        return [(key, score, kept[key]) for key, score in ranked if key in kept and key not in waiting][:most]

    def drop(self, container: str) -> None:
        self.kept.pop(container, None)
        self._bm25.drop(container)

    @property
    def doubles(self) -> Counter[int]:
        """How many texts are there more than once, by text and container."""
        texts = Counter((name, one.text) for name, kept in self.kept.items() for one in kept.values())
        return Counter(count for count in texts.values() if count > 1)


def sometimes(share: float, seed: int = 1) -> Callable[[Recorded], str | None]:
    """A fault in that `share` of requests, of any kind but those that make tests wait for seconds."""
    dice, kinds = random.Random(seed), [fault for fault in FAULTS if fault != "429"]

    def fault(_request: Recorded) -> str | None:
        return dice.choice(kinds) if dice.random() < share else None

    return fault


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
