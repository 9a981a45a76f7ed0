"""The conformance kit: what an adapter must do, checked against the live system. `docs/conformance.md` explains it."""

from __future__ import annotations

import json
from typing import Any  # the plugin: it stands on this package

import pytest

from bench.conformance.checks import CHECKS
from bench.conformance.kit import CARRIER, Kit


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of each check and provider."""
    pairs = [(check, provider) for provider in _kit(metafunc.config).providers for check in CHECKS]
    metafunc.parametrize(("check", "provider"), pairs, ids=[f"{check}-{provider}" for check, provider in pairs])


@pytest.mark.only_by_name("conformance")
def test_conformance(
    check: str,
    provider: str,
    pytestconfig: pytest.Config,
    record_property: pytest.RecordProperty,  # type: ignore[name-defined]  # pytest does not export its type
) -> None:
    """Make one check of one provider."""
    verdict = _kit(pytestconfig).check(check, provider)
    record_property(CARRIER, json.dumps([provider, verdict.model_dump()]))
    if verdict.outcome == "failed":
        pytest.fail(f"{provider} {check}: {verdict.message}", pytrace=False)


def _kit(config: pytest.Config) -> Kit:
    plugin: Any = config.pluginmanager.get_plugin("memorybench")
    return Kit(config, plugin.session)
