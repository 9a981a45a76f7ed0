"""From a template to a file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vocabulary import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = _TEMPLATES / "page.css"


def render(template: Path, *, styles: Sequence[Path] = (), scripts: Sequence[Path] = (), **values: object) -> str:
    """The page that `template` gives with `values`, all of which are escaped.

    A template extends ``page.html.j2`` and may import ``charts.html.j2``. A name that it uses and `values` lacks raises
    `jinja2.UndefinedError`. The page allows its own style sheet, to which `styles` are added, its own script, which is
    all `scripts` in their order, and nothing else: no request. The block ``data`` stands before the script.
    """
    style, script = (
        "".join(file.read_text(encoding="utf-8") for file in files) for files in ((_STYLE, *styles), scripts)
    )
    page = _environment(template.parent).get_template(template.name)
    return page.render(style=style, script=script, **values)


@cache  # compiling a template takes longer than rendering it
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=select_autoescape(("html", "j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["digest"] = _digest
    return environment


def write_page(file: Path, text: str) -> None:
    """Write `text`; a reader sees the old page or the new one, never a part. Raises `OSError`."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


def _digest(text: str) -> str:
    """What a Content-Security-Policy names an inline style or script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _visible(value: object) -> object:
    """A value without controls that hide or reorder text; what is markup already came through here."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
