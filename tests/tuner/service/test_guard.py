"""Who may do what: tokens, their scopes, other web pages, the rate, the dashboard, and what the log holds."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from net.serving import is_loopback
from tests.reports.store.postgres_server import PASSWORD
from tests.tuner.service.conftest import READ, WRITE, Service, serving, spec, until
from tuner.__main__ import main
from tuner.service import TunerClient, TunerError, guard
from tuner.service.guard import READ_TOKENS, WRITE_TOKENS, Bucket, Tokens
from vocabulary import ConfigurationError


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()}


@pytest.fixture(scope="module")
def http(composed: Service) -> Iterator[httpx.Client]:
    with TunerClient(composed.url, WRITE) as client:
        client.create(spec("s"))
    with httpx.Client(base_url=composed.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/health", {}, 200),
        ("GET", "/ready", {}, 200),
        ("GET", "/v1/studies", {}, 401),
        ("GET", "/v1/openapi.json", {}, 401),
        ("GET", "/v1/nothing", {}, 401),
        ("POST", "/v1/studies/s/ask", {}, 401),
        ("GET", "/v1/studies", bearer("a-token-of-nobody-at-all"), 401),
        ("GET", "/v1/studies", {"Authorization": READ}, 401),
        ("GET", "/v1/studies", {"Authorization": "Basic %%%"}, 401),
        ("GET", "/v1/studies", bearer(READ), 200),
        ("GET", "/v1/studies", basic(READ), 200),
        ("HEAD", "/v1/openapi.json", bearer(READ), 200),
        ("POST", "/v1/studies/s/ask", bearer(READ), 403),
        ("DELETE", "/v1/studies/s", bearer(READ), 403),
        ("POST", "/v1/studies/s/ask", basic(WRITE), 403),
        ("POST", "/v1/studies/s/ask", bearer(WRITE), 201),
        ("GET", "/", {}, 401),
        ("GET", "/dashboard/", basic(READ), 200),
        ("GET", "/static/bundle.js", basic(READ), 200),
        ("GET", "/api/studies", basic(READ), 200),
        ("DELETE", "/api/studies/0", bearer(WRITE), 405),
        ("POST", "/api/studies", bearer(WRITE), 405),
        ("DELETE", "/api/studies/0", {}, 401),
    ],
)
def test_a_request_needs_a_token_for_what_it_does(
    http: httpx.Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = http.request(method, path, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers.get_list("www-authenticate") == ["Bearer", 'Basic realm="memorybench"']
    if status >= 400:
        assert answer.json()["detail"]


def test_a_request_that_is_too_large_is_not_read(http: httpx.Client) -> None:
    for content in (b" " * (2**20 + 1), iter([b"{}"])):
        answer = http.post("/v1/studies/s/ask", headers=bearer(WRITE), content=content)
        assert (answer.status_code, "at most 1 MiB" in answer.text) == (413, True)


def test_the_dashboard_shows_the_studies(http: httpx.Client) -> None:
    shown = http.get("/api/studies", headers=basic(READ)).json()["study_summaries"]
    assert "s" in [one["study_name"] for one in shown]


def test_no_secret_is_in_the_log(composed: Service, http: httpx.Client) -> None:
    for token in (WRITE, "a-mistyped-token-of-mine"):
        http.post("/v1/studies/s/ask", headers=bearer(token), content=b'{"worker": 5}')
        http.get("/v1/studies", headers=basic(token))
    http.get("/v1/studies/the-last", headers=bearer(READ))
    until(lambda: any("GET /v1/studies/the-last" in line for line in composed.log))
    printed = "".join(composed.log)
    assert "POST /v1/studies/s/ask HTTP/1.1" in printed
    hashed = sha256(WRITE.encode()).hexdigest()
    for secret in (READ, WRITE, hashed, "a-mistyped-token-of-mine", "Basic", "Bearer", PASSWORD):
        assert secret not in printed


def test_without_tokens_programs_on_this_machine_are_served_and_web_pages_are_not() -> None:
    with serving("memory") as url, httpx.Client(base_url=url, timeout=60) as client:
        own = url.removeprefix("http://")
        assert client.get("/v1/studies").status_code == 200
        assert client.get("/v1/studies", headers={"Host": "localhost:80"}).status_code == 200
        assert client.get("/v1/studies", headers={"Host": "rebound.example"}).status_code == 403
        body = spec("s").model_dump_json(exclude_unset=True)
        json = {"Content-Type": "application/json"}
        for origin, status in (("http://page.example", 403), (f"http://{own}", 201)):
            answer = client.post("/v1/studies", content=body, headers={**json, "Origin": origin})
            assert answer.status_code == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "memory.example"])
def test_an_address_that_others_reach_needs_a_token(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(WRITE_TOKENS, raising=False)
    assert main(["serve", "--storage", "memory", "--host", host, "--port", "0"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"--host {host}: others reach this address" in printed.err
    assert f"Set {WRITE_TOKENS}" in printed.err
    assert not is_loopback(host)


def test_what_cannot_be_served_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(WRITE_TOKENS, "short")
    assert main(["serve", "--storage", "memory"]) == 2
    assert "has at least 16 characters" in capsys.readouterr().err
    monkeypatch.delenv(WRITE_TOKENS)
    assert main(["serve", "--storage", "memory", "--rate", "-1"]) == 2
    assert main(["serve", "--storage", "memory", "--host", "192.0.2.1", "--rate", "1"]) == 2
    storage = f"journal:{tmp_path / 'studies'}"
    with serving(storage) as url:
        capsys.readouterr()
        port = url.rpartition(":")[2]
        assert main(["serve", "--storage", "memory", "--port", port]) == 2
        assert f"--port {port} cannot be listened to" in capsys.readouterr().err
        assert main(["serve", "--storage", storage, "--port", "0"]) == 2
        assert "is served by another process" in capsys.readouterr().err


def test_a_client_that_asks_too_often_waits_and_loses_nothing() -> None:
    with serving("memory", rate=5) as url:
        with httpx.Client(base_url=url, timeout=60) as impatient:
            refused = next(one for one in iter(lambda: impatient.get("/v1/studies"), None) if one.status_code == 429)
            assert refused.headers["retry-after"] == "1"
            assert impatient.get("/health").status_code == 200
        with TunerClient(url) as patient:
            assert patient.create(spec("s")).name == "s"
        with TunerClient(url, attempts=1) as single, pytest.raises(TunerError, match="too many requests") as caught:
            deque(iter(single.studies, None), maxlen=0)
        assert (caught.value.status, caught.value.retry_after) == (429, 1.0)


def test_a_bucket_fills_with_time_and_is_each_client_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: now[0]))
    bucket = Bucket(2)
    assert [bucket.wait("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert bucket.wait("b") == 0
    now[0] += 1
    assert [bucket.wait("a") for _ in range(3)] == [0, 0, 0.5]
    assert Bucket(0).wait("a") == 0


def test_tokens_are_kept_as_hashes() -> None:
    tokens = Tokens.of({READ_TOKENS: f"{READ} , ", WRITE_TOKENS: WRITE})
    assert [tokens.access(one) for one in (READ, WRITE, "", READ + "x")] == ["read", "write", None, None]
    assert READ not in repr(vars(tokens))
    assert not Tokens.of({})
    with pytest.raises(ConfigurationError, match="at least 16 characters"):
        Tokens.of({READ_TOKENS: "guess"})
