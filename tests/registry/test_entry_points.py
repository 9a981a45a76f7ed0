"""Classes that installed packages declare: found by name beside those of the suite, and refused where names clash."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from judges import open_judge
from providers import find_provider
from registry import declared_names
from registry.declared import declared
from tests.bench.installed import write_metadata
from tests.test_contributing import EXAMPLES
from vocabulary import ConfigurationError, UnknownNameError

POINTS = {
    "memorybench.providers": {
        "shared-words": "lent.shared_words:SharedWords",
        "renamed": "lent.shared_words:SharedWords",
        "broken": "lent.nowhere:Nothing",
        "other-kind": "lent.verbatim:Verbatim",
        "bm25": "lent.shared_words:SharedWords",
        "twice": "lent.shared_words:SharedWords",
    },
    "memorybench.judges": {"verbatim": "lent.verbatim:Verbatim"},
}


@pytest.fixture(autouse=True)
def lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a provider and a judge, and another one that takes a name of it."""
    (tmp_path / "lent").mkdir()
    for name in ("shared_words", "verbatim"):
        (source,) = (text for path, text in EXAMPLES.items() if path.endswith(f"/{name}.py"))
        (tmp_path / "lent" / f"{name}.py").write_text(source, encoding="utf-8")
    write_metadata(tmp_path, "lent", "1.0", POINTS)
    write_metadata(tmp_path, "other", "2.0", {"memorybench.providers": {"twice": "elsewhere:Memory"}})
    monkeypatch.syspath_prepend(str(tmp_path))
    declared.cache_clear()
    yield
    declared.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lent"]:
        del sys.modules[name]


def test_a_declared_class_is_found_by_its_name_and_nothing_is_imported_before() -> None:
    assert "shared-words" in declared_names("providers")
    assert "lent" not in sys.modules
    assert find_provider("shared-words").__module__ == "lent.shared_words"
    assert open_judge("verbatim").protocol == "verbatim/1"
    assert find_provider("none").name == "none", "names that do not clash are as they were"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bm25", "has several meanings: providers of this suite, lent.shared_words:SharedWords of lent. Give each"),
        ("twice", "has several meanings: elsewhere:Memory of other, lent.shared_words:SharedWords of lent. Give each"),
        ("renamed", "is called 'shared-words' by its class (lent.shared_words:SharedWords of lent)"),
        ("broken", "cannot be imported from lent.nowhere:Nothing: No module named 'lent.nowhere'"),
        ("other-kind", "is not a subclass of providers.base.Provider"),
    ],
)
def test_what_is_declared_wrongly_is_refused_when_it_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        find_provider(name)


def test_a_name_of_nothing_lists_declared_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'shared-words'\? Known: .*\bbroken\b.*\bhybrid\b"):
        find_provider("shared-word")
