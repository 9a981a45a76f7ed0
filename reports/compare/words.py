"""A comparison in words: lines for a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from reports.compare.model import Compared, Comparisons, Flips
from reports.differences import Difference
from reports.report import dollars
from reports.show import grid

FLIPS = {
    "right_to_wrong": "right → wrong",
    "wrong_to_right": "wrong → right",
    "right_to_error": "right → error",
    "wrong_to_error": "wrong → error",
    "error_to_right": "error → right",
    "error_to_wrong": "error → wrong",
}
SHOWN = 12
"""How many ids a terminal lists of each kind; JSON, Markdown and HTML have all."""
_NARROW = 100
_STYLES = {"better": "green", "worse": "red"}


def terminal_lines(comparisons: Comparisons, width: int, *, colour: bool = False) -> Iterator[str]:
    """All of it, in lines of at most `width` characters."""
    for place, one in enumerate(comparisons.comparisons):
        if place:
            yield ""
        yield from _fold(f"{title(one)}: {n_words(one)}", width, "")
        for text in left_out_lines(one):
            yield from _fold(text, width)
        yield from _origins(one, width)
        for text in one.warnings:
            yield from _fold(f"warning: {text}", width, "")
        yield ""
        yield from _table([("all", difference) for difference in one.differences], width, colour=colour)
        if one.by_type:
            yield ""
            rows = [(name, difference) for name, part in one.by_type.items() for difference in part]
            yield from _table(rows, width, heading="type", colour=colour)
        for text in notes(one):
            yield from _fold(text, width, "")
        yield ""
        yield from _flips(one.flips, width)
    for text in comparisons.not_compared:
        yield from _fold(f"not compared: {text}", width, "")


def title(one: Compared) -> str:
    """What is compared with what."""
    names = [f"{side.provider} in {' '.join(side.runs)}" for side in (one.second, one.first)]
    return f"{one.benchmark}: {names[0]} against {names[1]} (baseline)"


def n_words(one: Compared) -> str:
    """On how many questions."""
    return f"{one.n} question{'' if one.n == 1 else 's'} that both were asked"


def left_out_lines(one: Compared) -> Iterator[str]:
    """What is not compared."""
    for count, side in ((one.left_out.only_first, one.first), (one.left_out.only_second, one.second)):
        if count:
            yield f"left out: {count} question{'' if count == 1 else 's'} that only {side.runs[0]} has"


def notes(one: Compared) -> Iterator[str]:
    """What explains the table: noise between runs, and what the sample could have shown."""
    for difference in (*one.differences, *(each for part in one.by_type.values() for each in part)):
        if "fewer than" in difference.method:
            yield "2 to 5 haystacks cannot show a difference"
            break
    accuracy = next((each for each in one.differences if each.figure == "accuracy"), None)
    if accuracy is not None:
        for noise, side, runs in zip(accuracy.noise, (one.first, one.second), accuracy.repeats, strict=True):
            if noise is not None:
                between = f"a standard deviation of {noise:.4f} over {runs} runs"
                yield f"run-to-run noise: accuracy of {' '.join(side.runs)} has {between}"
        if accuracy.verdict == "no difference shown" and accuracy.detectable is not None:
            yield f"a change of accuracy by {accuracy.detectable:.3f} would be shown in 80 % of such comparisons"


def number(figure: str, value: float) -> str:
    """A figure's value."""
    if figure == "usd":
        return dollars(value)
    if figure == "context_tokens":
        return f"{value:,.0f}"
    return f"{value:.2f}" if figure.endswith("_ms") else f"{value:.3f}"


def change(difference: Difference) -> str:
    """The change and its interval."""
    digits = {"usd": 5, "context_tokens": 1}.get(difference.figure, 2 if difference.figure.endswith("_ms") else 3)
    text = f"{difference.change:+.{digits}f}"
    if difference.ci95 is None:
        return text
    low, high = difference.ci95
    return f"{text} [{low:+.{digits}f}, {high:+.{digits}f}]"


def p_value(difference: Difference) -> str:
    """The p-value, where there is one."""
    if difference.p_value is None:
        return ""
    return "<0.001" if difference.p_value < 0.001 else f"{difference.p_value:.3f}"


def label(figure: str) -> str:
    """A figure's name, with its unit."""
    if figure in ("usd", "context_tokens"):
        return {"usd": "USD a question", "context_tokens": "context tokens"}[figure]
    statistic, _, phase = figure.removesuffix("_ms").partition(".")
    return f"{phase} {statistic} ms" if figure.endswith("_ms") else figure


def _origins(one: Compared, width: int) -> Iterator[str]:
    if not one.changed:
        yield "nothing else differs between the runs: same data, judge, models, prompts, settings, versions and code"
        return
    several = one.first.runs != one.second.runs
    yield "what differs between the runs" if several else "what differs"
    rows = [
        (
            "",
            one.first.runs[0] if several else one.first.provider,
            one.second.runs[0] if several else one.second.provider,
        )
    ]
    rows += [
        (f"{changed.subject}{' (NOT COMPARABLE)' if changed.barrier else ''}", changed.first, changed.second)
        for changed in one.changed
    ]
    yield from (f"  {line}" for line in grid(rows, width - 2, wrapped=(1, 2)))


def _table(
    rows: Sequence[tuple[str, Difference]], width: int, *, heading: str = "", colour: bool = False
) -> Iterator[str]:
    headings = [*([heading] if heading else []), "figure", "n", "baseline", "now", "change [95 %]", "p", ""]
    cells = [
        [
            *([name] if heading else []),
            label(each.figure),
            str(each.n),
            number(each.figure, each.first),
            number(each.figure, each.second),
            change(each),
            p_value(each),
            "no difference shown" if each.verdict == "no difference shown" and width >= _NARROW else _short(each),
        ]
        for name, each in rows
    ]
    if heading:
        cells = [
            ["" if place and cells[place - 1][0] == row[0] else row[0], *row[1:]] for place, row in enumerate(cells)
        ]
    first = 1 if heading else 0
    if width < _NARROW:
        headings, *cells = ([*row[: first + 5], row[-1]] for row in [headings, *cells])
    styles = ["bold", *(_STYLES.get(each.verdict, "") for _, each in rows)] if colour else []
    right = {first + 1, first + 2, first + 3}
    yield from grid([headings, *cells], width, right=right, flexible=(0,), styles=styles)


def _short(difference: Difference) -> str:
    return "not shown" if difference.verdict == "no difference shown" else difference.verdict


def _flips(flips: Flips, width: int) -> Iterator[str]:
    lists = {words: getattr(flips, name) for name, words in FLIPS.items() if getattr(flips, name)}
    if not lists:
        yield "no verdict changed"
    for words, ids in lists.items():
        more = f" … {len(ids) - SHOWN} more (--json lists all)" if len(ids) > SHOWN else ""
        yield from _fold(f"{words} ({len(ids)}): {' '.join(ids[:SHOWN])}{more}", width, "")


def _fold(text: str, width: int, indent: str = "  ") -> list[str]:
    return wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def markdown_lines(comparisons: Comparisons) -> Iterator[str]:
    """All of it as Markdown, for a comment or a note."""
    for one in comparisons.comparisons:
        yield f"### {_escaped(title(one))}"
        yield ""
        yield f"{n_words(one).capitalize()}."
        for text in (*left_out_lines(one), *(f"warning: {text}" for text in one.warnings)):
            yield f"- {_escaped(text)}"
        if one.changed:
            yield ""
            yield "| differs | baseline | now |"
            yield "|---|---|---|"
            for changed in one.changed:
                subject = f"**{changed.subject}: not comparable**" if changed.barrier else changed.subject
                yield f"| {_escaped(subject)} | {_escaped(changed.first)} | {_escaped(changed.second)} |"
        yield ""
        yield "| part | figure | n | baseline | now | change [95 %] | p | |"
        yield "|---|---|--:|--:|--:|---|--:|---|"
        whole = [("all", difference) for difference in one.differences]
        for name, each in [*whole, *((name, each) for name, part in one.by_type.items() for each in part)]:
            values = f"{number(each.figure, each.first)} | {number(each.figure, each.second)} | {change(each)}"
            verdict = each.verdict if each.verdict == "no difference shown" else f"**{each.verdict}**"
            yield f"| {_escaped(name)} | {label(each.figure)} | {each.n} | {values} | {p_value(each)} | {verdict} |"
        for text in notes(one):
            yield ""
            yield f"{text[0].upper()}{text[1:]}."
        for name, words in FLIPS.items():
            if ids := getattr(one.flips, name):
                yield ""
                listed = " ".join(f"`{_escaped(each)}`" for each in ids)
                yield f"<details><summary>{words}: {len(ids)}</summary>\n\n{listed}\n\n</details>"
        yield ""
    for text in comparisons.not_compared:
        yield f"Not compared: {_escaped(text)}."


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
