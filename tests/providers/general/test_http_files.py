"""A file that is wrong is refused in one line with its name, the line and the key; no request is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pipeline import provider_settings
from providers import find_provider
from providers.general import EXAMPLES
from providers.general.toml_file import TomlFile
from vocabulary import ConfigurationError

REST = (EXAMPLES / "http" / "rest.toml").read_text()

WRONG = {
    "no TOML": ('base_url = "http', "base_url = http", "", "is not TOML"),
    "no address": ("http://localhost:8080", "localhost", "base_url", "is not an address"),
    "a password in the address": ("http://localhost", "http://me:pass@localhost", "base_url", "password"),
    "an unknown key": ("each = ", "eech = ", "add.eech", "Did you mean 'each'?"),
    "an unknown table": ("[limits]", "[limit]", "limit", "Did you mean 'limits'?"),
    "a missing table": (REST[REST.index("[clear]") : REST.index("[limits]")], "", "clear", "missing"),
    "a missing key": ('text = "text"\n', "", "search.text", "is needed and missing"),
    "a method that is none": ('"PUT"', '"FETCH"', "add.method", "FETCH"),
    "a number as text": ("concurrency = 32", 'concurrency = "32"', "limits.concurrency", "integer"),
    "a limit of nothing": ("concurrency = 32", "concurrency = 0", "limits.concurrency", "greater"),
    "a path to another host": ('"/containers/{container}/search"', '"//other/search"', "search.path", "one slash"),
    "a path that climbs": ('"/containers/{container}/search"', '"/containers/../search"', "search.path", ".."),
    "a query in a path": ('"/containers/{container}/search"', '"/search?q=1"', "search.path", "query"),
    "no JMESPath": ('items = "results"', 'items = "results["', "search.items", "is no JMESPath"),
    "no such placeholder": ("{question.text}", "{question.type}", "search.body.query", "{question.type}"),
    "a placeholder of another request": ("{top_k}", "{session.id}", "search.body.limit", "there is no {session.id}"),
    "code in a placeholder": ("{question.text}", "{question.__class__}", "search.body.query", "question.__class__"),
    "a format in a placeholder": ("{question.text}", "{question.text!r}", "search.body.query", "a placeholder is"),
    "half a placeholder": ("{question.text}", "{question.text", "search.body.query", "brace"),
    "a key in the file": ("[check]", '[headers]\nX-Api-Key = "abc"\n\n[check]', "headers", "looks like a secret"),
    "a key that goes nowhere": ('env = "MEMORY_API_KEY"', 'env = "KEY"\nvalue = "Bearer"', "auth.value", "pattern"),
    "a header that is none": ('"Idempotency-Key"', '"Idempotency Key:"', "add.idempotency_header", "no name"),
    "a loop where there are no messages": (
        '"{question.text}"', '{ each = "message", item = "x" }', "search.body.query.item", "loop over messages",
    ),
    "items to clear and no list": ('[clear]', '[clear]\neach = "item"', "clear.each", "needs [list]"),
    "a setting with a taken name": ("[check]", "[settings]\ntimeout = 3\n\n[check]", "settings.timeout", "no name"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    old, new, key, message = WRONG[name]
    assert old in REST
    file = tmp_path / "mine.toml"
    file.write_text(REST.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        find_provider(f"http:{file}")
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(str(file)), text
    assert f": {key}: " in text or not key, text
    assert message in text, text
    if key and new and "." in key:
        line = int(text.removeprefix(f"{file}:").partition(":")[0])
        shown = file.read_text().splitlines()[line - 1]
        assert shown.strip().startswith((key.split(".")[1], key.split(".")[-1], f"[{key.split('.')[0]}")), (text, shown)


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) >= 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("http:", "http needs a file"),
        ("http:reste", "is no file, and no example. Examples: hindsight, letta, redis-agent-memory, rest."),
        ("mcp:", "mcp needs a file: --provider mcp:FILE.toml. Examples: server-memory."),
        ("http:there/is/none.toml", "there/is/none.toml: there is no such file"),
    ],
)
def test_a_file_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace(".", r"\.")):
        find_provider(name)


@pytest.mark.parametrize("name", ["http", "mcp"])
def test_the_name_alone_can_be_shown_and_not_be_used(name: str) -> None:
    found = find_provider(name)
    with pytest.raises(ConfigurationError, match=f"^provider {name}: it needs a file, as in --provider http:FILE"):
        provider_settings({name: found}, [])


def test_comments_change_no_version_and_anything_else_does(tmp_path: Path) -> None:
    def version(text: str) -> str:
        (tmp_path / "mine.toml").write_text(text)
        return find_provider(f"http:{tmp_path / 'mine.toml'}").version

    assert version(REST) == version(f"# mine\n\n{REST}") == find_provider("http:rest").version
    assert version(REST) != version(REST.replace("poll = 2", "poll = 3"))


def test_the_line_of_a_key_is_found_wherever_it_is_written() -> None:
    text = '[a]\nb = 1\n\n[a.c]\nd.e = 2\n"f g" = 3\n[[a.h]]\ni = 4\n'
    file = TomlFile("f", text, {})
    keys = {("a", "b"): 2, ("a", "c", "d", "e"): 5, ("a", "c", "f g"): 6, ("a", "h", 0, "i"): 8, ("a", "x"): 1}
    assert {key: file.line(key) for key in keys} == keys
    assert file.line(("zz",)) == 1


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMORY_API_KEY", raising=False)
    with pytest.raises(
        ConfigurationError, match=r"rest\.toml:6: auth\.env: set the environment variable MEMORY_API_KEY"
    ):
        find_provider("http:rest").Settings()
    monkeypatch.setenv("MEMORY_API_KEY", "secret-key")
    settings = find_provider("http:rest").Settings()
    assert "secret-key" not in settings.model_dump_json()
