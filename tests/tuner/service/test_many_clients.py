"""Many clients at once, answers that are lost, workers that vanish: no trial is lost and none is there twice."""

from __future__ import annotations

import itertools
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.reports.store.postgres_server import PostgresServer
from tests.tuner.service.conftest import WRITE, Service, serving, spec, until
from tuner.service import ParameterSpec, TrialRecord, TunerClient, TunerError

SMALL = (ParameterSpec(name="x", kind="float", low=-1, high=1),)


class Lossy(httpx.HTTPTransport):
    """Loses one answer in ten, after the service has done what it was asked."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self._random.random() < 0.1:
            response.close()
            self.lost += 1
            raise httpx.ReadError("lost on its way")
        return response


def lossy_client(url: str, seed: int) -> tuple[TunerClient, Lossy]:
    client, transport = TunerClient(url, WRITE), Lossy(seed)
    client._http.close()
    client._http = httpx.Client(base_url=url, headers=client._http.headers, transport=transport, timeout=60)
    return client, transport


def work_off(urls: list[str], study: str, trials: int, workers: int = 16) -> tuple[list[TrialRecord], int]:
    """Ask and tell `trials` times in all, by so many clients at once."""
    numbers = iter(range(trials))
    lock = threading.Lock()

    def work(worker: int) -> tuple[list[TrialRecord], int]:
        client, transport = lossy_client(urls[worker % len(urls)], worker)
        told: list[TrialRecord] = []
        with client:
            while True:
                with lock:
                    if next(numbers, None) is None:
                        return told, transport.lost
                asked = client.ask(study, worker=f"w{worker}")
                told.append(client.tell(study, asked.number, [float(str(asked.params["x"]))]))

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(work, range(workers)))
    return list(itertools.chain(*(told for told, _ in results))), sum(lost for _, lost in results)


def check_whole(client: TunerClient, study: str, told: list[TrialRecord]) -> None:
    numbers = [one.number for one in told]
    assert sorted(numbers) == list(range(len(numbers))), "each trial was given to one client"
    assert client.study(study).states == {"COMPLETE": len(numbers)}
    pages = [client.trials(study, limit=200, offset=offset) for offset in range(0, len(numbers), 200)]
    kept = {one.number: one for page in pages for one in page}
    assert all(kept[one.number] == one for one in told)


@pytest.mark.long
def test_500_asks_and_tells_by_16_clients_lose_and_double_nothing() -> None:
    with serving("memory") as url, TunerClient(url) as client:
        client.create(spec("busy", space=SMALL))
        told, lost = work_off([url], "busy", 500)
        assert len(told) == 500
        assert lost > 50, "so many answers were lost on their way"
        check_whole(client, "busy", told)


@pytest.mark.long
def test_two_services_share_a_database(composed: Service, postgres: str) -> None:
    with serving(postgres) as other, TunerClient(other) as client:
        client.create(spec("shared", space=SMALL))
        told, lost = work_off([composed.url, other], "shared", 32)
        assert (len(told), lost > 0) == (32, True)
        check_whole(client, "shared", told)


@pytest.mark.long
def test_a_database_that_is_away_is_503_until_it_is_back(server: PostgresServer) -> None:
    with serving(server.database()) as url, TunerClient(url, attempts=1) as client:
        client.create(spec("away", space=SMALL))
        server.stop(signal.SIGQUIT)
        try:
            with pytest.raises(TunerError, match="the storage does not answer") as caught:
                client.ask("away")
            assert (caught.value.status, caught.value.retry_after) == (503, 1.0)
            ready = client._http.get("/ready")
            assert (ready.status_code, ready.json()) == (503, {"detail": "the storage does not answer"})
            assert client._http.get("/health").status_code == 200
        finally:
            server.start()
        assert client._http.get("/ready").status_code == 200
        assert client.ask("away").number == 0


def ended(trial: TrialRecord) -> bool:
    assert trial.lease_ends is not None
    return trial.lease_ends.timestamp() < time.time()


def test_a_worker_that_vanishes_gives_its_trial_back(tmp_path: Path) -> None:
    storage = f"journal:{tmp_path / 'studies'}"
    with serving(storage) as url, TunerClient(url) as client:
        client.create(spec("lease", space=SMALL))
        silent = client.ask("lease", lease_seconds=3600)
        vanished = client.ask("lease", lease_seconds=0.05)
    with serving(storage) as url, TunerClient(url) as client:  # leases are those of the storage
        until(lambda: ended(vanished))
        second = client.ask("lease")
        assert (second.number, second.continues, second.params) == (2, 1, vanished.params)
        with pytest.raises(TunerError, match="trial 1 has failed, or its lease ended") as caught:
            client.tell("lease", vanished.number, [1.0])
        assert caught.value.status == 409
        assert client.ask("lease").continues is None

        second = client.heartbeat("lease", second.number, lease_seconds=0.05)
        until(lambda: ended(second))
        late = client.tell("lease", second.number, [0.5])
        assert late.state == "COMPLETE", "nobody else has asked for it since"
        assert client.trial("lease", silent.number).state == "RUNNING"


def test_a_trial_that_ends_its_workers_is_proposed_three_times(here: TunerClient) -> None:
    here.create(spec("deadly", space=SMALL))
    here.enqueue("deadly", {"x": 0.25})
    chain = []
    for _ in range(3):
        chain.append(here.ask("deadly", lease_seconds=0.05))
        until(lambda: ended(chain[-1]))
    assert [one.params["x"] for one in chain] == [0.25] * 3
    assert [one.continues for one in chain] == [None, 0, 1]
    assert here.ask("deadly").continues is None
    assert here.study("deadly").states == {"FAIL": 3, "RUNNING": 1}
