"""A provider as the pipeline uses it: results are checked, errors are typed, waits end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from bench.pipeline import ProviderClient, checked
from net import Services
from providers import Ceiling, Limits, Provider, ProviderSettings
from vocabulary import Gold, IndexingTimeoutError, ProviderError, Question, SearchResult, Session

T = TypeVar("T")
QUESTION = Question(id="q", text="what?")
GOLD = Gold(question_type="t", ground_truth="that", evidence_messages=("m",), evidence_sessions=("s",))
SESSIONS = [Session(id=f"s{number}", date=None, messages=()) for number in range(6)]


class Plain(Provider):
    """Written without ``async``."""

    name = "plain"
    gives: ClassVar[object] = ()

    def ingest(self, container: str, session: Session) -> None:
        """Nothing is kept."""

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        del container, question, top_k
        return self.gives  # type: ignore[return-value]  # as code without types does

    def clear(self, container: str) -> None:
        raise StopIteration(f"no {container}")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with closing(Services(in_flight=4, workers=1, folder=tmp_path / "limits")) as made:
        yield made


def opened(found: type[Provider], folder: Path, services: Services) -> ProviderClient:
    return ProviderClient("my.own:Provider", found, ProviderSettings(), folder, services.caller)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 10))


def test_a_workspace_lies_in_the_folder_of_the_run(tmp_path: Path, services: Services) -> None:
    workspace = opened(Plain, tmp_path, services).provider.workspace
    assert workspace.is_dir()
    assert workspace.parent == tmp_path / "providers"
    assert workspace == opened(Plain, tmp_path, services).provider.workspace


@pytest.mark.parametrize(
    ("gives", "expected"), [([], ()), ((), ()), (iter([SearchResult(text="a")]), (SearchResult(text="a"),))]
)
def test_search_results_are_a_tuple(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch, gives: object, expected: object
) -> None:
    monkeypatch.setattr(Plain, "gives", gives)
    done = run(opened(Plain, tmp_path, services).search("box", QUESTION, GOLD, 3))
    assert (done.value, done.error) == (expected, None)


def test_what_is_no_search_result_is_an_error_of_the_search(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plain, "gives", [SearchResult(text="a"), {"text": "b"}])
    done = run(opened(Plain, tmp_path, services).search("box", QUESTION, GOLD, 3))
    assert done.value is None
    assert isinstance(done.error, ProviderError)
    assert "search returned a dict instead of a SearchResult, in place 2" in str(done.error)


def test_only_a_ceiling_is_shown_the_gold(tmp_path: Path, services: Services) -> None:
    class Top(Plain, Ceiling):
        async def search_gold(self, container: str, question: Question, gold: Gold, top_k: int) -> list[SearchResult]:
            del container, question, top_k
            return [SearchResult(text=gold.ground_truth)]

    done = run(opened(Top, tmp_path, services).search("box", QUESTION, GOLD, 3))
    assert done.value == (SearchResult(text="that"),)


def test_an_error_of_any_kind_is_a_provider_error(tmp_path: Path, services: Services) -> None:
    with pytest.raises(ProviderError, match="StopIteration: no box"):
        run(checked(opened(Plain, tmp_path, services).clear("box")))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("busy"), "OSError: busy"),
        (StopIteration("none"), "StopIteration: none"),
        (ProviderError("later", transient=True), "later"),
    ],
)
def test_a_provider_that_cannot_be_closed_is_logged(
    tmp_path: Path, services: Services, caplog: pytest.LogCaptureFixture, error: Exception, message: str
) -> None:
    closed_by: list[str] = []

    class Stuck(Plain):
        def close(self) -> None:
            closed_by.append(threading.current_thread().name)
            raise error

    with caplog.at_level(logging.WARNING):
        done = run(opened(Stuck, tmp_path, services).close())
    assert isinstance(done.error, ProviderError)
    assert caplog.messages == [f"Stuck did not close: {message}"]
    assert len(closed_by) == 1, "once, whatever it raises"
    assert threading.current_thread().name not in closed_by, "it may block: it has a thread"


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_first_error_ends_an_ingest_and_waits_for_the_other_lanes(
    tmp_path: Path, services: Services, lanes: int
) -> None:
    seen: list[str] = []

    class Failing(Plain):
        limits = Limits(sessions=lanes)

    async def ingest(session: Session) -> None:
        seen.append(session.id)
        try:
            await asyncio.sleep(0 if session.id == "s0" else 5)
        finally:
            seen.remove(session.id)
        raise ProviderError("no room")

    with pytest.raises(ProviderError, match="no room"):
        run(opened(Failing, tmp_path, services).in_lanes(SESSIONS, ingest))
    assert seen == []


@pytest.mark.parametrize("plain", [True, False])
def test_a_wait_for_indexing_has_an_end(tmp_path: Path, services: Services, plain: bool) -> None:
    ended = threading.Event()

    class Waiting(Plain):
        limits = Limits(indexing_timeout=-1.8)  # 0.11 s with what others wait beyond it

        def await_indexing(self, container: str) -> None:
            assert ended.wait(10), container

    class Asleep(Waiting):
        async def await_indexing(self, container: str) -> None:  # type: ignore[override]
            await asyncio.sleep(10, container)

    with pytest.raises(IndexingTimeoutError, match=r"container box did not become ready within -1\.8 s"):
        run(checked(opened(Waiting if plain else Asleep, tmp_path, services).await_indexing("box")))
    ended.set()
