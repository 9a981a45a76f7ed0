"""The suite's options: the fields of `BenchmarkConfig` on pytest's command line and in pyproject.toml."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable

import pytest
from pydantic.fields import FieldInfo

from bench.config import BenchmarkConfig, option_name, read_settings
from vocabulary import ConfigurationError

GROUP = "memorybench"
_LATENCIES = [
    f"{figure}.{phase}_ms"
    for phase in ("ingest", "indexing", "search", "answer", "judge")
    for figure in ("p50", "p95", "p99")
]


_NOT_OURS = {"data": "", "strict": "strict"}
"""Settings without an option of the suite, with pytest's own option in its place: two may not have one name."""


def add_options(parser: pytest.Parser) -> None:
    """One group in ``--help``; each option has a variable MEMORYBENCH_… and a pyproject.toml key memorybench_…."""
    group = parser.getgroup(
        GROUP, "memory benchmarks (each also MEMORYBENCH_… in the environment, memorybench_… in a file)"
    )
    for name, field in BenchmarkConfig.model_fields.items():
        several = isinstance(field.get_default(), tuple)
        about = (field.description or "").replace("%", "%%") + (" (repeatable)" if several else "") + _default(field)
        parser.addini(_dest(name), about, type=_ini_type(field), default=None)
        if name in _NOT_OURS:
            continue
        action = "append" if several else "store_true" if field.annotation is bool else "store"
        group.addoption(option_name(name), dest=_dest(name), action=action, default=None, help=about)
    group.addoption(
        "--plan", dest="memorybench_plan", action="store_true", help="say what would be done, and do nothing"
    )
    group.addoption(
        "--show-wrong",
        dest="memorybench_show_wrong",
        type=int,
        default=0,
        metavar="N",
        help="show the whole story of the first N questions that were not answered right",
    )
    group.addoption(
        "--github-summary",
        dest="memorybench_github_summary",
        action="store_true",
        help="append the results to the summary of the job in GitHub Actions (the file GITHUB_STEP_SUMMARY)",
    )
    for name in _LATENCIES:
        about = "a gate where lower is better, as in --max-p95.search_ms=200; also for other phases and percentiles"
        group.addoption(
            f"--max-{name}",
            dest="memorybench_fail_under",
            action="append",
            type=lambda value, name=name: f"{name}={value}",
            metavar="MS",
            help=about if name == "p95.search_ms" else _HIDDEN,
        )
    _add_conformance_options(parser)


_CONFORMANCE = (
    ("sessions", int, 1000, "how many sessions the check about many of them ingests"),
    ("timeout", float, 120.0, "seconds that a call may take in the conformance kit, its retries included"),
    ("grace", float, 5.0, "seconds that a fact may be found late in all checks but the one about that"),
)

_HIDDEN = "==SUPPRESS=="  # argparse.SUPPRESS, by value: pytest's parser hands help texts on


def _add_conformance_options(parser: pytest.Parser) -> None:
    """The options of the conformance kit."""
    group = parser.getgroup("memorybench-conformance", "conformance of a provider (-k conformance)")
    for name, kind, default, about in _CONFORMANCE:
        group.addoption(
            f"--conformance-{name}", type=_positive(kind), default=default, metavar="N", help=f"{about} ({default})"
        )


def _positive(kind: type[int | float]) -> Callable[[str], int | float]:
    def read(text: str) -> int | float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    read.__name__ = f"positive {kind.__name__}"
    return read


def given_options(config: pytest.Config) -> dict[str, object]:
    """What the command line says, by field; what it leaves open is not there."""
    given = {
        name: config.getoption(option, default=None)
        for name in BenchmarkConfig.model_fields
        if (option := _NOT_OURS.get(name, _dest(name)))
    }
    return {
        name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def read_config(config: pytest.Config, remembered: dict[str, object] | None = None) -> BenchmarkConfig:
    """The command line over what is `remembered` over the environment over pyproject.toml over the defaults.

    Raises `pytest.UsageError` with one line for what does not fit.
    """
    in_file = {name: _in_file(config, _dest(name)) for name in BenchmarkConfig.model_fields}
    try:
        return read_settings(
            {**(remembered or {}), **given_options(config)},
            {name: value for name, value in in_file.items() if value not in (None, [], "")},
        )
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error


def check_providers(config: BenchmarkConfig) -> None:
    """Raise `pytest.UsageError` if a name or file of a provider means nothing; only what the names need is imported."""
    from providers import find_provider

    try:
        for name in () if config.answers else config.provider:  # recorded answers are of any provider
            find_provider(name)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error


def _in_file(config: pytest.Config, key: str) -> object:
    try:
        return config.getini(key)
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise pytest.UsageError(f"{key}, in a file or after -o: {error}") from error


def _dest(name: str) -> str:
    return f"memorybench_{name}"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default is False or default == ():
        return ""
    return f" (default: {', '.join(default) if isinstance(default, tuple) else default})"


def _ini_type(field: FieldInfo) -> typing.Literal["args", "bool", "string"] | type[int]:
    """How pytest reads the field from a file: a list, yes or no, a number or a text."""
    annotation = field.annotation
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if isinstance(field.get_default(), tuple):
        return "args"
    if field.annotation is bool:
        return "bool"
    return int if int in kinds else "string"
