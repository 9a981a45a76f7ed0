"""Which model a name means, and which names mean none."""

from __future__ import annotations

import os
import sys
from datetime import date

import pytest

from llms import open_answerer
from llms.clients import is_model_name, open_chat, remark, resolve
from llms.clients.names import key_of
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import ConfigurationError, UnknownNameError

KEY = "sk-0123456789abcdef"
VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OLLAMA_API_KEY")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("name", "protocol", "provider", "model", "base_url"),
    [
        ("gpt-6-luna", "openai", "openai", "gpt-6-luna", "https://api.openai.com/v1"),
        ("chatgpt-4o-latest", "openai", "openai", "chatgpt-4o-latest", "https://api.openai.com/v1"),
        ("o3", "openai", "openai", "o3", "https://api.openai.com/v1"),
        ("o4-mini", "openai", "openai", "o4-mini", "https://api.openai.com/v1"),
        ("openai/ft:gpt-4o:mine::7", "openai", "openai", "ft:gpt-4o:mine::7", "https://api.openai.com/v1"),
        ("claude-sonnet-5-5", "anthropic", "anthropic", "claude-sonnet-5-5", "https://api.anthropic.com"),
        ("anthropic/next", "anthropic", "anthropic", "next", "https://api.anthropic.com"),
        *[
            (name, "openai", "google", "gemini-3.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai")
            for name in ("gemini-3.5-flash", "google/gemini-3.5-flash")
        ],
        ("ollama/llama3:8b@http://localhost:11434/v1", "openai", "ollama", "llama3:8b", "http://localhost:11434/v1"),
        ("vllm/org/model@http://host:8000/v1/", "openai", "vllm", "org/model", "http://host:8000/v1"),
        ("anthropic/claude@http://host", "anthropic", "anthropic", "claude", "http://host"),
        ("vllm/m@http://host/v1/chat/completions", "openai", "vllm", "m", "http://host/v1"),
        ("anthropic/claude@http://host/v1/messages", "anthropic", "anthropic", "claude", "http://host"),
    ],
)
def test_forms_of_names(name: str, protocol: str, provider: str, model: str, base_url: str) -> None:
    address = resolve(name)
    assert is_model_name(name)
    assert (address.protocol, address.provider, address.model) == (protocol, provider, model)
    assert address.base_url == base_url
    assert address.key_needed == ("@" not in name)


@pytest.mark.parametrize(
    "name", ["extractive", "my_package.memory:MyAnswerer", "module:Class", "lexical", "gpt", "ollama", "opus", "o"]
)
def test_names_of_classes_are_no_names_of_models(name: str) -> None:
    assert not is_model_name(name)
    with pytest.raises(UnknownNameError):
        resolve(name)


@pytest.mark.parametrize(
    "name", ["ollama/llama3", "openai/", "/gpt-4o", "gpt-4o@http://host/v1", "/m@http://host", "a b/m@http://host"]
)
def test_an_unknown_name_is_told_the_forms(name: str) -> None:
    assert is_model_name(name)
    for opening in (resolve, open_chat, open_answerer):
        with pytest.raises(UnknownNameError, match=r"PROVIDER/NAME@URL.*ollama/llama3@http://localhost:11434/v1"):
            opening(name)


def test_an_answerer_of_no_kind_is_told_of_models_too() -> None:
    with pytest.raises(UnknownNameError, match="extractive") as caught:
        open_answerer("extractve")
    assert "'extractive'?" in str(caught.value)
    assert "PROVIDER/NAME@URL" in str(caught.value)


def test_a_missing_key_is_named_before_anything_is_opened() -> None:
    for name, variable in (
        ("gpt-4o", "set OPENAI_API_KEY in"),
        ("claude-sonnet-5-5", "set ANTHROPIC_API_KEY in"),
        ("gemini-3.5-flash", r"set GEMINI_API_KEY \(or GOOGLE_API_KEY\) in"),
        ("openai/gpt-4o@https://api.openai.com/v1", "set OPENAI_API_KEY in"),
    ):
        with pytest.raises(ConfigurationError, match=variable):
            open_chat(name)
        with pytest.raises(ConfigurationError, match=variable):
            open_answerer(name)


def test_the_first_key_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY + "\n")
    found = key_of(resolve("gemini-3.5-flash"))
    assert found is not None
    assert found.get_secret_value() == KEY  # keys out of files end with a line break
    assert KEY not in repr(found)
    monkeypatch.setenv("GEMINI_API_KEY", KEY[::-1])
    found = key_of(resolve("gemini-3.5-flash"))
    assert found is not None
    assert found.get_secret_value() == KEY[::-1]
    assert key_of(resolve("ollama/llama3@http://localhost:11434/v1")) is None
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    assert key_of(resolve("ollama/llama3@http://localhost:11434/v1")) is not None


@pytest.mark.parametrize("bad", [f"{KEY}\nX-Other: 1", f"{KEY} {KEY}", f"{KEY}é"])
def test_a_key_that_cannot_be_sent_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", bad)
    with pytest.raises(ConfigurationError, match="the key in OPENAI_API_KEY") as caught:
        open_chat("gpt-4o")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address", [f"http://me:{KEY}@host/v1", f"http://host/v1?key={KEY}", f"http://{KEY}@host", f"http://host/v1#{KEY}"]
)
def test_secrets_in_an_address_are_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="OLLAMA_API_KEY") as caught:
        resolve(f"ollama/m@{address}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("address", ["", "localhost:11434", "ftp://host", "http://", "http://host:port/v1"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ollama/m: its address .* is not an address"):
        resolve(f"ollama/m@{address}")


def test_who_sells_a_model() -> None:
    assert resolve("gpt-4o").priced_by == "openai"
    assert resolve("openrouter/org/m@https://openrouter.ai/api/v1").priced_by == "openrouter"
    assert resolve("openai/gpt-4o@https://api.openai.com/v1").priced_by == "openai"
    assert resolve("openai/gpt-4o@http://localhost:8000/v1").priced_by is None


def test_what_is_said_of_a_model_near_or_past_its_end() -> None:
    assert resolve("gpt-4o-mini").shutdown == date(2027, 1, 14)
    assert remark("gpt-4o-mini", date(2026, 9, 1)) is None
    said = remark("gpt-4o-mini", date(2026, 11, 20))
    assert said is not None
    assert "will be shut down by openai on 2027-01-14" in said
    said = remark("openai/gpt-4o-mini", date(2027, 1, 14))
    assert said is not None
    assert "past the shutdown date" in said
    assert remark("gpt-6-luna", date(2030, 1, 1)) is None
    assert remark("vllm/gpt-4o-mini@http://localhost:8000/v1", date(2030, 1, 1)) is None


def test_the_sdks_are_not_imported_before_the_first_request() -> None:
    message = (
        "import sys; from llms.clients import open_chat; open_chat('gpt-6-luna'); open_chat('claude-sonnet-5-5'); "
        "print(*sys.modules)"
    )
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    ran = run_process([sys.executable, "-c", message], cwd=ROOT, env=environment, check=True)
    assert not {"openai", "anthropic", "httpx2", "aiohttp"} & set(ran.stdout.split())


@pytest.mark.parametrize(
    ("name", "protocol", "provider", "model"),
    [
        ("workers/@cf/meta/llama@http://host/v1", "openai", "workers", "@cf/meta/llama"),
        ("vertex/claude-sonnet-4-5@20250929@https://host/v1", "openai", "vertex", "claude-sonnet-4-5@20250929"),
        ("lmstudio/qwen3-8b@q4_k_m@http://host/v1", "openai", "lmstudio", "qwen3-8b@q4_k_m"),
        ("Anthropic/claude@http://host/v1", "anthropic", "anthropic", "claude"),
        ("OpenAI/gpt-4o@http://host/v1", "openai", "openai", "gpt-4o"),
    ],
)
def test_a_name_is_split_at_its_address(name: str, protocol: str, provider: str, model: str) -> None:
    address = resolve(name)
    assert (address.name, address.protocol, address.provider, address.model) == (name, protocol, provider, model)
    assert address.base_url.endswith("://host/v1")


AZURE = "https://res.openai.azure.com"


@pytest.mark.parametrize(
    ("name", "base_url", "query"),
    [
        (f"azure/dep@{AZURE}", f"{AZURE}/openai/v1", ()),
        (f"azure/dep@{AZURE}/openai/v1/", f"{AZURE}/openai/v1", ()),
        (f"openai/gpt-4o@{AZURE}/openai/v1", f"{AZURE}/openai/v1", ()),
        ("openai/m@https://res.openai.azure.us/openai/v1", "https://res.openai.azure.us/openai/v1", ()),
        (
            f"azure/gpt-4o@{AZURE}/openai/deployments/dep/chat/completions?api-version=2025-01-01-preview",
            f"{AZURE}/openai/deployments/dep",
            (("api-version", "2025-01-01-preview"),),
        ),
        (
            "azure/gpt-4o@http://proxy/openai/deployments/dep",
            "http://proxy/openai/deployments/dep",
            (("api-version", "2024-10-21"),),
        ),
    ],
)
def test_the_addresses_of_azure(name: str, base_url: str, query: tuple[tuple[str, str], ...]) -> None:
    address = resolve(name)
    assert address.azure
    assert (address.protocol, address.base_url, address.query) == ("openai", base_url, query)


@pytest.mark.parametrize("query", [f"api-key={KEY}", f"api-version=1&key={KEY}", f"api-version={KEY} "])
def test_nothing_but_a_version_is_taken_from_a_query(query: str) -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY") as caught:
        resolve(f"azure/m@{AZURE}/openai/deployments/dep?{query}")
    assert KEY not in str(caught.value)
