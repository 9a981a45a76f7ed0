"""How providers speak HTTP, against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from net.failures import EXCERPT_CHARACTERS, request_errors
from net.http import open_client
from net.retry_after import retry_after_seconds
from vocabulary import ConfigurationError, ProviderError

if TYPE_CHECKING:
    import httpx

KEY = "sk-0123456789abcdef"


class Handler(BaseHTTPRequestHandler):
    """Answers what the request's body asks for: {"status", "headers", "body"} or {"do": …}."""

    protocol_version = "HTTP/1.1"
    released: threading.Event

    def do_POST(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if wish.get("do") == "wait":
            self.released.wait(30)
        if wish.get("do") == "garbage":
            self.wfile.write(b"what is HTTP?\r\n\r\n")
        if wish.get("do"):
            self.close_connection = True
            return
        seen = {name.lower(): value for name, value in self.headers.items()}
        body = (wish.get("body") or json.dumps({"path": self.path, "headers": seen})).encode()
        self.send_response(wish["status"])
        for name, value in {"Content-Length": str(len(body)), **wish.get("headers", {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that the library calls it by
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    Handler.released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def talk(
    address: str, use: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]], timeout: float = 10
) -> httpx.Response:
    async def run() -> httpx.Response:
        client = open_client(address, headers={"Authorization": f"Bearer {KEY}"}, timeout=timeout, connections=8)
        try:
            with request_errors("example", ProviderError):
                response = await use(client)
                response.raise_for_status()
                return response
        finally:
            await client.aclose()

    return asyncio.run(run())


def fault(address: str, path: str = "/v1/search", timeout: float = 10, **wish: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        talk(address, lambda client: client.post(path, json=wish), timeout)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__cause__)
    return caught.value


def test_what_is_sent_arrives(address: str) -> None:
    seen = talk(f"{address}/api", lambda client: client.post("/v1/search", json={"status": 200})).json()
    assert seen["path"] == "/api/v1/search"
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"


def test_many_calls_are_in_flight_at_once_and_more_than_there_are_connections(address: str) -> None:
    async def run() -> list[int]:
        client = open_client(address, connections=4)
        replies = await asyncio.gather(*(client.post("/", json={"status": 200}) for _ in range(40)))
        await client.aclose()
        return [reply.status_code for reply in replies]

    assert asyncio.run(run()) == [200] * 40


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_statuses_that_pass(address: str, status: int) -> None:
    error = fault(address, status=status, body="come back later")
    assert error.transient
    assert error.retry_after is None
    assert f"example: POST {address}/v1/search answered {status}" in str(error)
    assert "come back later" in str(error)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422])
def test_statuses_that_stay(address: str, status: int) -> None:
    error = fault(address, status=status, body='{"detail":\n  "no such memory"}')
    assert not error.transient
    assert str(status) in str(error)
    assert '{"detail": "no such memory"}' in str(error)  # on one line


def test_an_account_that_is_used_up_is_not_waited_for(address: str) -> None:
    body = json.dumps({"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}})
    error = fault(address, status=429, body=body, headers={"Retry-After": "2"})
    assert not error.transient
    assert str(error).endswith(
        "answered 429: You exceeded your quota. (the account has nothing left: waiting does not help)"
    )


def test_a_refusal_without_a_body_is_named(address: str) -> None:
    assert str(fault(address, status=503, body=" ")).endswith("answered 503: Service Unavailable")


def test_the_key_is_never_shown_even_if_the_service_quotes_it(address: str) -> None:
    body = f"Incorrect key {KEY}. " + "x" * 2000
    error = fault(address, path=f"/v1?api_key={KEY}&user=me", status=401, body=body)
    assert "Incorrect key ***." in str(error)
    assert "check the key" in str(error)
    assert len(str(error)) < EXCERPT_CHARACTERS + 200
    # A key that the end of the excerpt would cut in two is not shown by half.
    body = "x" * (EXCERPT_CHARACTERS - 10) + KEY
    assert KEY[:5] not in str(fault(address, status=400, body=body))


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="holds a user, a password or a query") as caught:
        open_client(f"https://me:{KEY}@host/api")
    assert KEY not in str(caught.value)


def test_a_body_that_was_not_read_is_no_trouble(address: str) -> None:
    async def stream(client: httpx.AsyncClient) -> httpx.Response:
        async with client.stream("POST", "/", json={"status": 503, "body": "busy"}) as response:
            response.raise_for_status()
        return response

    with pytest.raises(ProviderError, match="answered 503") as caught:
        talk(address, stream)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
    ],
)
def test_how_long_to_wait_is_read(address: str, headers: dict[str, str], seconds: float | None) -> None:
    assert fault(address, status=429, headers=headers).retry_after == seconds


def test_a_date_to_wait_for_is_so_many_seconds_away() -> None:
    assert retry_after_seconds({"retry-after": formatdate(time.time() + 90, usegmt=True)}) == pytest.approx(90, abs=3)


def test_a_refused_connection_passes() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = fault(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert error.transient
    assert "Cannot connect to host 127.0.0.1" in str(error)


def test_a_service_that_does_not_answer_in_time_passes(address: str) -> None:
    error = fault(address, timeout=0.1, do="wait")
    assert error.transient
    assert "Timeout" in str(error)


@pytest.mark.parametrize("what", ["drop", "garbage"])
def test_a_connection_that_breaks_passes(address: str, what: str) -> None:
    error = fault(address, path=f"/v1/search?api_key={KEY}", do=what)
    assert error.transient
    assert f"example: POST {address}/v1/search failed" in str(error)


def test_an_answer_that_ends_too_early_passes(address: str) -> None:
    error = fault(address, status=200, body="half", headers={"Content-Length": "8", "Connection": "close"})
    assert error.transient


def test_what_is_no_fault_of_the_service_is_let_through() -> None:
    with pytest.raises(KeyError), request_errors("example", ProviderError):
        raise KeyError


@pytest.mark.parametrize("base", ["", "host", "localhost:8000", "ftp://host"])
def test_an_address_that_is_none_is_named(base: str) -> None:
    with pytest.raises(ConfigurationError, match=f"base address {base!r}"):
        open_client(base)


@pytest.mark.parametrize("value", [f"Bearer {KEY}\n", f"Bearer {KEY}\r\nX-Other: 1", "Bearer kéy"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(value: str) -> None:
    with pytest.raises(ConfigurationError, match="header 'Authorization'") as caught:
        open_client("http://host", headers={"Authorization": value})
    assert KEY not in str(caught.value)
