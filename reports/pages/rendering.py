"""From a template to a file."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = _TEMPLATES / "page.css"


def render(template: Path, **values: object) -> str:
    """The page that `template` gives with `values`, all of which are escaped.

    A template extends ``page.html.j2`` and may import ``charts.html.j2``. A name that it uses and `values` lacks raises
    `jinja2.UndefinedError`. The page allows its own style sheet and nothing else: no script, no request.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, _TEMPLATES]),
        autoescape=select_autoescape(("html", "j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template.name).render(style=style, style_digest=digest, **values)


def write_page(file: Path, text: str) -> None:
    """Write `text`; a reader sees the old page or the new one, never a part. Raises `OSError`."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
