"""Engines that have an environment of their own, in tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from providers.engines import cognee, hindsight
from providers.engines.environments import engine_folder
from providers.engines.shared_server import SharedServer
from providers.engines.supervisor import not_root
from tests.processes import run


def need(engine: str) -> None:
    """Skip the test unless the engine's environment is installed, and can run here."""
    if not (engine_folder(engine) / "bin" / "python").exists():
        pytest.skip(f"{engine} is not installed in an environment of its own: make engine-{engine}")
    if engine == "hindsight" and run([*not_root(), "true"]).returncode:
        pytest.skip("PostgreSQL refuses root, and unshare --user may give root no other name here")


def known_server(engine: str, folder: Path, options: Mapping[str, object]) -> SharedServer:
    """A test's own share of the server in `folder`, as a provider with these options has one."""
    if engine == "cognee":
        variables = cognee.variables(cognee.CogneeSettings.model_validate(options), folder.absolute())
    else:
        variables = hindsight.variables(hindsight.HindsightSettings.model_validate(options))
    return SharedServer(engine, folder, variables)
