"""The suite's options: the fields of `BenchmarkConfig` on pytest's command line and in pyproject.toml."""

from __future__ import annotations

import types
import typing

import pytest
from pydantic.fields import FieldInfo

from bench.config import BenchmarkConfig, build_benchmark_config, option_name
from schema import ConfigurationError

GROUP = "memorybench"
_LATENCIES = [
    f"{figure}.{phase}_ms"
    for phase in ("ingest", "indexing", "search", "answer", "judge")
    for figure in ("p50", "p95", "p99")
]


def add_options(parser: pytest.Parser) -> None:
    """One group in ``--help``; each option has a variable MEMORYBENCH_… and a pyproject.toml key memorybench_…."""
    group = parser.getgroup(
        GROUP, "memory benchmarks (each also MEMORYBENCH_… in the environment, memorybench_… in a file)"
    )
    for name, field in BenchmarkConfig.model_fields.items():
        several = isinstance(field.get_default(), tuple)
        about = (field.description or "").replace("%", "%%") + (" (repeatable)" if several else "") + _default(field)
        if name == "data":  # the folder has an environment variable that says it all, and no option
            parser.addini("memorybench_data", about, default=None)
            continue
        action = "append" if several else "store_true" if field.annotation is bool else "store"
        group.addoption(option_name(name), dest=_dest(name), action=action, default=None, help=about)
        parser.addini(_dest(name), about, type=_ini_type(field), default=None)
    group.addoption(
        "--plan", dest="memorybench_plan", action="store_true", help="say what would be done, and do nothing"
    )
    group.addoption(
        "--show-wrong",
        dest="memorybench_show_wrong",
        type=int,
        default=0,
        metavar="N",
        help="tell the whole story of the first N questions that were not answered right",
    )
    for name in _LATENCIES:
        told = "a gate where lower is better, as in --max-p95.search_ms=200; also for other phases and percentiles"
        group.addoption(
            f"--max-{name}",
            dest="memorybench_fail_under",
            action="append",
            type=lambda value, name=name: f"{name}={value}",
            metavar="MS",
            help=told if name == "p95.search_ms" else _HIDDEN,
        )


_HIDDEN = "==SUPPRESS=="  # argparse.SUPPRESS, by value: pytest's parser hands help texts on


def given_options(config: pytest.Config) -> dict[str, object]:
    """What the command line says, by field; what it leaves open is not there."""
    given = {
        name: config.getoption(_dest(name), default=None) for name in BenchmarkConfig.model_fields if name != "data"
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
    in_file = {name: config.getini(_dest(name)) for name in BenchmarkConfig.model_fields}
    try:
        said = build_benchmark_config(**{**(remembered or {}), **given_options(config)})
        filled = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in in_file.items()
            if value not in (None, [], "") and name not in said.model_fields_set
        }
        return build_benchmark_config(**{**said.model_dump(include=said.model_fields_set), **filled})
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error


def _dest(name: str) -> str:
    return f"memorybench_{name}"


def _default(field: FieldInfo) -> str:
    default = field.get_default()
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
