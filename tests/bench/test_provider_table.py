"""What memory systems do by their nature, as the command shows it and as it stands in the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def told(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "bench", "providers", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_table_in_the_docs_is_what_the_providers_say() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8").splitlines()
    begin = page.index(told()[0])
    assert page[begin : begin + len(told())] == told(), "paste what `python -m bench providers` prints"


def test_each_provider_has_a_page_or_is_on_that_of_the_embedded() -> None:
    names = [line.split("`")[1] for line in told()[2:]]
    embedded = (ROOT / "docs" / "providers" / "embedded.md").read_text(encoding="utf-8")
    on_that = set(re.findall(r"^\| `([\w-]+)`", embedded, flags=re.MULTILINE))
    assert [
        name for name in names if name not in on_that and not (ROOT / "docs" / "providers" / f"{name}.md").exists()
    ] == []
    assert "bm25" in on_that


@pytest.mark.parametrize(
    ("name", "line"), [("dense", "| `embedding_batch` | `64` |"), ("none", "none has nothing to set.")]
)
def test_the_settings_of_one(name: str, line: str) -> None:
    assert any(one.startswith(line) for one in told(name))


def test_the_pages_name_every_setting_of_a_service() -> None:
    pages = sorted((ROOT / "docs" / "providers").glob("*.md"))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.stem == "embedded":
            continue
        rows = [re.findall(r"`(\w+)`", row.partition("| |")[0]) for row in told(page.stem)[2:]]
        names = [row[-1] if row[0].endswith("_key") else row[0] for row in rows]  # a key goes by its variable
        assert [name for name in names if name not in text] == [], page.name
