"""Hook of mkdocs: reference pages, generated from options, settings and the report's schema for each build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # a JSON Schema is what pydantic makes of it

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "bench": ("list", "describe", "providers", "download", "clear"),
    "reports": (
        *(
            "list",
            "status",
            "show-failures",
            "compare",
            "baseline",
            "export",
            "summary",
            "comment",
            "board",
            "bundle",
            "verify",
        ),
        "schema",
    ),
    "judges": ("audit",),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, lines in (("options", options()), ("settings", settings()), ("schema", schema())):
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines) + "\n"))
    return files


def options() -> Iterator[str]:
    """The suite's options of pytest, and the commands beside it, as their ``--help`` shows them."""
    yield from (
        "# Options and commands",
        "",
        "Variables, configuration keys and defaults: [running](../running.md).",
        "",
    )
    pytest_help = help_of("pytest")
    for title, group in re.findall(
        r"^((?:memory benchmarks|conformance of)[^\n]*):\n(.*?)\n\n", pytest_help, re.MULTILINE | re.DOTALL
    ):
        yield from (f"## pytest: {title.partition(' (')[0]}", "", "```text", group, "```", "")
    for module, commands in COMMANDS.items():
        yield from (f"## python -m {module}", "")
        for command in commands:
            yield from ("```text", help_of(module, command).rstrip(), "```", "")


def help_of(*arguments: str) -> str:
    """What ``python -m … --help`` prints."""
    command = [sys.executable, "-m", *arguments, "--help"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    return subprocess.run(
        command, cwd=ROOT, env=environment | {"COLUMNS": "110"}, capture_output=True, text=True, check=True
    ).stdout


def settings() -> Iterator[str]:
    """What can be set about each provider."""
    sys.path.insert(0, str(ROOT))  # the repository installs no packages
    from bench.cli import markdown, provider_settings_table
    from providers import Provider
    from registry import known_classes

    yield from (
        "# Provider settings",
        "",
        "`--provider-option NAME=VALUE` or `--provider-option PROVIDER.NAME=VALUE`.",
        "",
    )
    for name, provider in sorted(known_classes(Provider, "providers").items()):
        yield from (f"## {name}", "", *provider_settings_table(provider, markdown), "")


def schema() -> Iterator[str]:
    """The report's JSON Schema as tables, an object each."""
    report = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    yield from ("# Schema of report.json", "", "The [JSON Schema](../report.schema.json) as tables.", "")
    for name, definition in ("Report", report), *sorted(report["$defs"].items()):
        if "properties" in definition:
            yield from (
                f"## {name}",
                "",
                cell(definition.get("description", "")),
                "",
                "| key | type | |",
                "|---|---|---|",
            )
            for key, value in definition["properties"].items():
                yield f"| `{key}` | {kind(value)} | {cell(value.get('description', ''))} |"
            yield ""


def cell(text: str) -> str:
    """`text` in one line that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def kind(value: dict[str, Any]) -> str:
    """The type of a property, with a link where it is an object of its own."""
    if reference := value.get("$ref"):
        name = reference.rpartition("/")[2]
        return name if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if choices := value.get("anyOf") or value.get("allOf"):
        return " or ".join(kind(choice) for choice in choices)
    if "enum" in value or "const" in value:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {kind(value['items'])}" if "items" in value else "list"
    if isinstance(values := value.get("additionalProperties"), dict):
        return f"object of {kind(values)} by name"
    return str(value.get("type", "any"))
