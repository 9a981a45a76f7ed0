"""Axes and pages: round values beside a chart, a page that allows its own style and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import jinja2
import pytest

from reports.pages import Axis, Bar, Dot, Scatter, render, write_page


@pytest.mark.parametrize(
    ("values", "whole", "expected"),
    [
        ([0.0, 1.0], False, ["0.0", "0.5", "1.0"]),
        ([0.61, 0.64], False, ["0.61", "0.62", "0.63", "0.64"]),
        ([0, 3], True, ["0", "1", "2", "3"]),
        ([0, 60], True, ["0", "20", "40", "60"]),
        ([-150.0, 20.0], False, ["-150", "-100", "-50", "0"]),
    ],
)
def test_an_axis_has_round_values(values: list[float], whole: bool, expected: list[str]) -> None:
    axis = Axis.over(values, 0, 100, whole=whole)
    assert [text for text, _ in axis.ticks] == expected
    assert all(0 <= place <= 100 for _, place in axis.ticks)


@pytest.mark.parametrize("values", [[], [0.5], [0.0, 0.0], [float("inf")]])
def test_an_axis_exists_for_any_values(values: list[float]) -> None:
    axis = Axis.over(values, 100, 0)
    assert axis.ticks
    assert 0 <= axis.at(values[0] if values else 0.0) <= 100


def test_a_line_goes_in_steps() -> None:
    chart = Scatter("t", "d", "x", "y", [Dot(0, 0, "", ""), Dot(1, 1, "", "")], line=[(0, 0), (1, 1)], stepped=True)
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+", chart.path)


def test_a_long_name_is_cut() -> None:
    assert Bar("a-name-that-is-much-too-long", 1.0).shown == "a-name-that-is-much…"


def test_a_page_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    template = tmp_path / "x.html.j2"
    template.write_text('{% extends "page.html.j2" %}{% block content %}{{ text }}{% endblock %}')
    page = render(template, text="<i>")
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; " in page
    assert "&lt;i&gt;" in page
    with pytest.raises(jinja2.UndefinedError):
        render(template)


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, "old")
    write_page(file, "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("page.html", "new")]
