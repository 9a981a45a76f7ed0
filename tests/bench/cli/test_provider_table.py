"""What memory systems do by their nature, as the command shows it and as it stands in the docs."""

from __future__ import annotations

import re

import pytest

from bench.__main__ import main
from tests.repository import ROOT


class Command:
    """``python -m bench providers`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str, columns: int = 80) -> list[str]:
        self._monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["providers", *arguments]) == 0
        return self._capsys.readouterr().out.splitlines()


@pytest.fixture
def message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def test_the_table_in_the_docs_is_what_the_providers_say(message: Command) -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8").splitlines()
    table = message("--markdown")
    begin = page.index(table[0])
    assert page[begin : begin + len(table)] == table, "paste what `python -m bench providers --markdown` prints"


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_gets_a_table_that_fits(message: Command, columns: int) -> None:
    lines = message(columns=columns)
    assert max(map(len, lines)) <= columns
    assert not any("|" in line or "`" in line or "…" in line for line in lines)
    names = [line.split("`")[1] for line in message("--markdown")[2:]]
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == names
    assert ("honours top-k" in lines[0]) == (columns == 140)
    assert max(map(len, message("mem0", columns=columns))) <= columns


def test_each_provider_has_a_page_or_is_on_that_of_the_embedded(message: Command) -> None:
    names = [line.split("`")[1] for line in message("--markdown")[2:]]
    embedded = (ROOT / "docs" / "providers" / "embedded.md").read_text(encoding="utf-8")
    on_that = set(re.findall(r"^\| `([\w-]+)`", embedded, flags=re.MULTILINE))
    assert [
        name for name in names if name not in on_that and not (ROOT / "docs" / "providers" / f"{name}.md").exists()
    ] == []
    assert "bm25" in on_that


@pytest.mark.parametrize(
    ("name", "line"), [("dense", "| `embedding_batch` | `64` |"), ("none", "none has nothing to set.")]
)
def test_the_settings_of_one(message: Command, name: str, line: str) -> None:
    assert any(one.startswith(line) for one in message(name, "--markdown"))


def test_the_pages_name_every_setting_of_a_service(message: Command) -> None:
    pages = sorted((ROOT / "docs" / "providers").glob("*.md"))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.stem == "embedded":
            continue
        rows = [re.findall(r"`(\w+)`", row.partition("| |")[0]) for row in message(page.stem, "--markdown")[2:]]
        names = [row[-1] if row[0].endswith("_key") else row[0] for row in rows]  # a key goes by its variable
        assert [name for name in names if name not in text] == [], page.name
