"""What somebody takes out of a study: the settings of a trial as a run accepts them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Literal

from bench import ENVIRONMENT_PREFIX, BenchmarkConfig, option_name
from tuner.evaluation import configure
from tuner.settings import StudySettings
from vocabulary import SettingValue

Format = Literal["command", "toml", "env"]


def export(settings: StudySettings, params: Mapping[str, SettingValue], form: Format) -> str:
    """`params` as a ``pytest bench`` command, as ``[tool.pytest]`` of pyproject.toml, or as environment variables.

    Only what is not the default of a run stands in it.
    """
    config = configure(params, settings.base)
    changed = {
        name: value
        for name, value in config.model_dump(mode="json").items()
        if name not in ("run_id", "runs_dir", "part", "part_seed") and value != _default(name)
    }
    if form == "command":
        options = [part for name, value in changed.items() for part in _options(name, value)]
        return shlex.join(["pytest", "bench", "-k", settings.benchmark, *options])
    if form == "env":
        return "\n".join(
            f"{ENVIRONMENT_PREFIX}{name.upper()}={shlex.quote(_joined(value))}" for name, value in changed.items()
        )
    lines = [f"memorybench_{name} = {json.dumps(value if isinstance(value, list) else str(value))}"
             for name, value in changed.items()]  # fmt: skip
    return "\n".join(["[tool.pytest]", *lines])


def _default(name: str) -> object:
    default = BenchmarkConfig.model_fields[name].get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def _options(name: str, value: object) -> list[str]:
    if name == "data":  # has no option
        return ["-o", f"memorybench_data={value}"]
    if isinstance(value, bool):
        return [option_name(name)] if value else []
    values = value if isinstance(value, list) else [value]
    return [part for one in values for part in (option_name(name), str(one))]


def _joined(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
