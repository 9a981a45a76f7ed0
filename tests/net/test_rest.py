"""A vendor's REST interface, against a server that limits, fails and talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest
from aiohttp import web

from net.rest import Reply, Service
from tests.providers.hosted.vendors.vendor_server import VendorServer, answer, serving_vendor
from vocabulary import ProviderError

T = TypeVar("T")
KEY = "key-0123456789"


class Stored(Reply):
    id: str
    count: int = 0


@dataclass
class Vendor(VendorServer):
    key: str = KEY

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/v1/things", self.store),
            web.get("/v1/things/{id}", self.get),
            web.get("/odd/{how}", self.odd),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Token {self.key}"

    async def store(self, request: web.Request) -> web.Response:
        return answer(200, {"id": "t1", "count": len(await request.json()), "more": "than is read"})

    async def get(self, request: web.Request) -> web.Response:
        return answer(200, {"id": "t1"}) if request.match_info["id"] == "t1" else answer(404, {"error": "not found"})

    async def odd(self, request: web.Request) -> web.Response:
        bodies = {"page": b"<html>", "list": b"[1]", "other": b'{"identity": 1}', "half": b'{"id": "t', "nothing": b""}
        return web.Response(body=bodies[request.match_info["how"]])


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving_vendor(Vendor()) as vendor:
        yield vendor


def ask(vendor: Vendor, work: Callable[[Service], Awaitable[T]], key: str = KEY) -> tuple[T, list[float]]:
    """What `work` gives, and how long the service asked to be left alone."""
    held: list[float] = []

    async def go() -> T:
        service = Service("vendor", f"{vendor.url}/", {"Authorization": f"Token {key}"}, hold=held.append)
        try:
            return await work(service)
        finally:
            await service.aclose()

    return asyncio.run(go()), held


def test_a_reply_is_typed_and_may_tell_more(vendor: Vendor) -> None:
    stored, held = ask(vendor, lambda service: service.ask(Stored, "POST", "/v1/things", body=["a", "b"]))
    assert stored == Stored(id="t1", count=2)
    assert not held
    (request,) = vendor.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/things", ["a", "b"])


def test_query_and_headers_are_sent_and_no_body_where_there_is_none(vendor: Vendor) -> None:
    ask(
        vendor, lambda service: service.ask(Stored, "GET", "/v1/things/t1", query={"page": 2}, headers={"X-Once": "u1"})
    )
    (request,) = vendor.requests
    assert (request.query, request.body, request.headers["x-once"]) == ([("page", "2")], None, "u1")


def test_what_may_not_be_there_is_none(vendor: Vendor) -> None:
    assert ask(vendor, lambda service: service.ask_for(Stored, "GET", "/v1/things/t2"))[0] is None
    assert ask(vendor, lambda service: service.ask_for(Stored, "GET", "/v1/things/t1"))[0] == Stored(id="t1")
    with pytest.raises(ProviderError, match="404") as caught:
        ask(vendor, lambda service: service.ask(Stored, "GET", "/v1/things/t2"))
    assert (caught.value.status, caught.value.transient) == (404, False)


def test_an_unknown_key_is_an_error_without_the_key(vendor: Vendor) -> None:
    with pytest.raises(ProviderError, match=r"401: .*check the key") as caught:
        ask(vendor, lambda service: service.ask(Stored, "GET", "/v1/things/t1"), key="another-key-0123")
    assert caught.value.status == 401
    assert "another-key-0123" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message", "transient"),
    [("page", "its answer", True), ("list", "its answer", False), ("other", "id: Field required", False),
     ("half", "its answer", True), ("nothing", "id: Field required", False)],
)  # fmt: skip
def test_nonsense_is_an_error_that_says_what_was_not_there(
    vendor: Vendor, how: str, message: str, transient: bool
) -> None:
    with pytest.raises(ProviderError, match=message) as caught:
        ask(vendor, lambda service: service.ask(Stored, "GET", f"/odd/{how}"))
    assert caught.value.transient is transient
    assert caught.value.status == 200
    assert "\n" not in str(caught.value)


def test_a_limit_that_is_used_up_holds_everybody_before_the_service_has_to_refuse(vendor: Vendor) -> None:
    vendor.per_minute = 2

    async def thrice(service: Service) -> ProviderError:
        for _ in range(2):
            await service.ask(Stored, "GET", "/v1/things/t1")
        with pytest.raises(ProviderError) as caught:
            await service.ask(Stored, "GET", "/v1/things/t1")
        return caught.value

    error, held = ask(vendor, thrice)
    assert len(held) == 1
    assert 55 < held[0] < 62
    assert error.transient
    assert error.retry_after is not None
    assert 55 < error.retry_after < 62
    assert len(vendor.requests) == 2, "the third was not sent"


def test_a_refusal_carries_what_it_asks_for(vendor: Vendor) -> None:
    vendor.fault = lambda _request: "429"
    with pytest.raises(ProviderError, match="429") as caught:
        ask(vendor, lambda service: service.ask(Stored, "GET", "/v1/things/t1"))
    assert (caught.value.transient, caught.value.retry_after, caught.value.status) == (True, 1.0, 429)


@pytest.mark.parametrize("fault", ["cut", "cut-after"])
def test_a_lost_connection_has_no_status(vendor: Vendor, fault: str) -> None:
    vendor.fault = lambda _request: fault
    with pytest.raises(ProviderError, match="vendor: GET") as caught:
        ask(vendor, lambda service: service.ask(Stored, "GET", "/v1/things/t1"))
    assert (caught.value.transient, caught.value.status) == (True, None)
