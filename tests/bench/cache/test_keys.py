"""What is in the key of a step: two runs with different data never share one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from bench.base import BenchmarkInfo
from bench.cache import CachedStore, StepCache, ingest_identity
from bench.cache.keys import source_of
from bench.pipeline.provider_options import recorded_settings
from providers import Provider, ProviderSettings
from reports.store import ProviderRecord
from tests.subjects.watched import Watched
from vocabulary import Tunable


class Chosen(ProviderSettings):
    chunk: int = 100
    weight: Annotated[float, Tunable(low=0, high=1, changes="search")] = 0.5
    depth: Annotated[int, Tunable(low=1, high=9)] = 3
    api_key: SecretStr = Field(SecretStr(""), exclude=True)
    timeout: float = Field(1.0, exclude=True)


class Configured(Watched):
    Settings = Chosen


NAMES = {"name": st.sampled_from(["configured", "other"]), "version": st.sampled_from("12")}
RECORDS = st.fixed_dictionaries({**NAMES, "api": st.sampled_from(["", "v3"])})
SETTINGS = st.fixed_dictionaries(
    {
        "chunk": st.integers(1, 3), "weight": st.sampled_from([0.1, 0.9]), "depth": st.integers(1, 2),
        "api_key": st.sampled_from(["", "one", "two"]), "timeout": st.sampled_from([1.0, 2.0]),
    }
)  # fmt: skip
DATA = st.fixed_dictionaries(
    {"name": st.sampled_from("ab"), "variant": st.sampled_from(["", "s"]), "sha256": st.sampled_from(["0", "1"])}
)
NO_MATTER = ("weight", "timeout")


def holder(record: dict[str, str], settings: dict[str, object], data: dict[str, str]) -> str:
    chosen = Chosen.model_validate(settings)
    made = ProviderRecord(**record, settings=recorded_settings(chosen))
    identity = ingest_identity(made, Configured, chosen)
    info = BenchmarkInfo(**data, verified=True, licence="", citation="")
    cache: StepCache = None  # type: ignore[assignment]  # a name needs none
    return CachedStore(cache, made.name, "store", identity).holder(info)


@given(st.tuples(RECORDS, SETTINGS, DATA), st.tuples(RECORDS, SETTINGS, DATA))
def test_containers_are_shared_by_those_alone_who_would_fill_them_alike(
    one: tuple[dict[str, str], dict[str, object], dict[str, str]],
    other: tuple[dict[str, str], dict[str, object], dict[str, str]],
) -> None:
    def matters(parts: tuple[dict[str, str], dict[str, object], dict[str, str]]) -> object:
        return parts[0], {name: value for name, value in parts[1].items() if name not in NO_MATTER}, parts[2]

    assert (holder(*one) == holder(*other)) == (matters(one) == matters(other))


def test_the_code_of_a_participant_is_part_of_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = tmp_path / "keyed_package", tmp_path / "keyed_module.py"
    package.mkdir()
    text = "from tests.subjects.watched import Watched\nclass Mine(Watched):\n    pass\n"
    for file in (package / "__init__.py", package / "memory.py", package / "words.py", module, tmp_path / "beside.py"):
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def found(name: str) -> type[Provider]:
        for known in [one for one in sys.modules if one.startswith("keyed_")]:
            monkeypatch.delitem(sys.modules, known)
        made: type[Provider] = getattr(__import__(name, fromlist=["Mine"]), "Mine")  # noqa: B009  found by its name
        return made

    changes: list[tuple[str, Path]] = [
        ("keyed_package.memory", package / "memory.py"), ("keyed_package.memory", package / "words.py"),
        ("keyed_module", module), ("keyed_module", tmp_path / "beside.py"),
    ]  # fmt: skip
    for name, file in changes:
        before = source_of(found(name))
        assert source_of(found(name)) == before
        file.write_text(f"{file.read_text()}# changed\n")
        assert source_of(found(name)) != before, file
    assert source_of(found("keyed_module")) != source_of(Watched)
