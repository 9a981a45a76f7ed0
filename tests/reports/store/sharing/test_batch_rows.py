"""Which request of a run is in which batch, in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import closing

from reports.store.sharing import BatchRows


def test_one_place_finds_what_another_has_written_and_each_run_has_its_own(postgres_url: str) -> None:
    requests = [f"r{number}" for number in range(500)]

    async def work() -> None:
        with (
            closing(BatchRows(postgres_url, "one", 0.0)) as here,
            closing(BatchRows(postgres_url, "one", 0.0)) as there,
            closing(BatchRows(postgres_url, "two", 0.0)) as another,
        ):
            assert await asyncio.gather(*(here.batch_of(request) for request in requests)) == [None] * 500
            await here.write("b1", 12.5, requests)
            assert await there.batch_of("r7") == ("b1", 12.5)
            assert await another.batch_of("r7") is None
            await here.write("b2", 13.5, requests[:2])
            await there.forget("b1", "r0")
            assert await here.batch_of("r0") == ("b2", 13.5), "it is in another one since"
            await there.forget("b2", "r0")
            assert await here.batch_of("r0") is None
            await there.forget("b1")
            assert await here.batch_of("r7") is None
            assert await here.batch_of("r1") == ("b2", 13.5)
            await another.write("b3", 14.5, ["r1"])
            here.forget_all()
            assert await here.batch_of("r1") is None
            assert await another.batch_of("r1") == ("b3", 14.5)
            assert postgres_url.split(":")[2].split("@")[0] not in here.remedy, "no password"

    asyncio.run(work())
