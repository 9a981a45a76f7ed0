"""The README and the pages in docs/ speak of what is there: options, modules, files, headings."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.prepared_python import run_prepared
from tests.repository import ROOT

PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "RELEASING", "SECURITY")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


class Option(NamedTuple):
    """An option as ``pytest --help`` tells of it; `default` is empty where there is none."""

    name: str
    default: str


@pytest.fixture(scope="module")
def help_text() -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    return run_prepared("pytest", "--help", env=environment | {"COLUMNS": "200"}).stdout


def own_options(help_text: str) -> dict[str, Option]:
    """The suite's options; of the family ``--max-p…`` the one that stands for all."""
    group = re.search(r"^memory ?bench.*?:\n(.*?)\n\n", help_text, flags=re.DOTALL | re.MULTILINE | re.IGNORECASE)
    assert group, "the suite has no group of options"
    found = {}
    for entry in re.split(r"\n(?=  --)", "\n" + group[1]):
        name = re.match(r"\s*(--[\w.-]+)", entry)
        of_family = name and name[1].startswith("--max-p") and name[1] != "--max-p95.search_ms"
        if name and not of_family:
            default = re.search(r"\(default: ([^)]+)\)", " ".join(entry.split()))
            found[name[1]] = Option(name[1], default[1] if default else "")
    return found


def table_of_options() -> dict[str, tuple[str, ...]]:
    """The rows of docs/running.md by option (by variable where there is no option): variable, key and default."""
    rows = re.findall(r"^\|(.*)\|(.*)\|(.*)\|(.*)\|.*\|$", TEXTS["docs/running.md"], flags=re.MULTILINE)
    cells = [tuple(cell.strip().strip("`") for cell in row) for row in rows]
    return {
        row[0] or row[1]: row[1:] for row in cells if re.match("--[a-z]", row[0]) or row[1].startswith("MEMORYBENCH")
    }


def test_every_option_is_told_with_its_default(help_text: str) -> None:
    options, message = own_options(help_text), table_of_options()
    assert len(options) > 15
    assert {name for name in message if name.startswith("--")} == {*options, "--strict"}  # which is pytest's own
    shown = {"--show-wrong": "0"}  # its help names no default
    wrong = {
        name: (option.default, message[name][2])
        for name, option in options.items()
        if (option.default or shown.get(name, "")) != message[name][2]
    }
    assert wrong == {}, "the default is, docs/running.md says"


def test_every_option_is_told_with_its_variable_and_key(help_text: str) -> None:
    keys = set(re.findall(r"^  (memorybench_\w+) \(", help_text, flags=re.MULTILINE))
    message = table_of_options()
    assert {key for _variable, key, _default in message.values() if key} == keys
    for name, (variable, key, _default) in message.items():
        if key:
            assert variable == key.upper()
            assert name in (variable, "--" + key.removeprefix("memorybench_").replace("_", "-"))


@pytest.mark.long
def test_the_variables_and_keys_are_obeyed() -> None:
    command = ["bench", "-k", "synthetic", "--collect-only", "-p", "no:cacheprovider"]
    by_key = ["-o", "memorybench_in_flight=5", "-o", "memorybench_top_k=9", "-o", "memorybench_provider=none oracle"]
    variables = {"MEMORYBENCH_TOP_K": "7", "MEMORYBENCH_IN_FLIGHT": "6"}
    result = run_prepared("pytest", *command, *by_key, "--in-flight=4", env=os.environ | variables)
    assert "providers none, oracle" in result.stdout
    assert "top-k 7" in result.stdout, "the variable comes before the file"
    assert "4 in flight" in result.stdout, "the command line comes before the variable"


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a page that call pytest, Python or make: indented or fenced lines, and code within text."""
    text = re.sub(r"\\\n\s+", "", text)
    lines = re.findall(r"^ {4}(\S.*)$", text, flags=re.MULTILINE)
    lines += [line for block in re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        plain = re.sub(r"^(- run: |\w+=\S+ )+", "", line.strip())
        if re.match(r"(\.venv/bin/)?(pytest|python|make) ", plain):
            yield shlex.split(plain, comments=True)


@pytest.mark.parametrize("page", TEXTS)
def test_options_in_commands_exist(page: str, help_text: str) -> None:
    known = set(re.findall(r"(?<![\w-])--[a-zA-Z][\w.-]*", help_text))
    for words in commands(TEXTS[page]):
        if "pytest" in words[0] or words[1:3] == ["-m", "pytest"]:
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= known, shlex.join(words)


@pytest.mark.parametrize("page", TEXTS)
def test_modules_and_files_in_commands_exist(page: str) -> None:
    for words in commands(TEXTS[page]):
        if words[1:2] == ["-m"] and "python" in words[0] and (ROOT / words[2].partition(".")[0]).is_dir():
            module = words[2]
            found = importlib.util.find_spec(f"{module}.__main__" if (ROOT / module).is_dir() else module)
            assert found, shlex.join(words)
        for word in words[1:]:
            if word.startswith(("tests/", "docs/")):
                assert (ROOT / word).exists(), shlex.join(words)


@pytest.mark.parametrize("page", TEXTS)
def test_subcommands_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(TEXTS[page]):
        for module in ("bench", "judges", "reports"):
            if words[1:3] != ["-m", module] or len(words) < 4:
                continue
            for subcommand in words[3].split("|"):
                with pytest.raises(SystemExit) as ended:
                    importlib.import_module(f"{module}.__main__").main([subcommand, "--help"])
                shown = capsys.readouterr().out
                assert ended.value.code == 0, shlex.join(words)
                for word in words[4:]:
                    assert not word.startswith("--") or word.partition("=")[0] in shown, shlex.join(words)


@pytest.mark.parametrize("page", TEXTS)
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    targets |= {f"engine-{lock.stem}" for lock in (ROOT / "providers" / "engines").glob("*.lock")}
    for words in commands(TEXTS[page]):
        if words[0] == "make":
            assert words[1] in targets, shlex.join(words)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in slugs, f"{page}: {target}"


def test_commands_are_found_in_every_form() -> None:
    page = "    pytest bench --top-k 3   # why\nsee `DATA=x python -m reports list`\n```yaml\n- run: make bench\n```\n"
    assert list(commands(page)) == [
        ["pytest", "bench", "--top-k", "3"],
        ["make", "bench"],
        ["python", "-m", "reports", "list"],
    ]


def test_readme_is_short_and_begins_with_what_is_needed() -> None:
    readme = TEXTS["README.md"]
    assert len(readme.splitlines()) < 200
    first = "\n".join(readme.splitlines()[:40])
    assert [words for words in commands(first) if words[0] == "make"] == [["make", "bench"], ["make", "test"]]
    assert "```text" in first
    assert "--provider mem0" in first
    assert "--fail-under" in first


@pytest.mark.parametrize("page", TEXTS)
def test_something_leads_to_every_page(page: str) -> None:
    folder, _, name = page.removeprefix("docs/").rpartition("/")
    if not page.startswith("docs/"):
        assert page == "README.md" or f"({page})" in TEXTS["README.md"]
    elif folder:  # the pages of a folder stand on the page of its name, or on its README
        by = TEXTS.get(f"docs/{folder}.md") or TEXTS[f"docs/{folder}/README.md"]
        assert name == "README.md" or f"({folder}/{name})" in by or f"({name})" in by
    else:
        assert page == "docs/index.md" or f"({name})" in TEXTS["docs/index.md"]


def test_the_front_pages_lead_to_each_other() -> None:
    readme, index = TEXTS["README.md"], TEXTS["docs/index.md"]
    assert "(docs/index.md)" in readme
    assert "(decisions/README.md)" in index
