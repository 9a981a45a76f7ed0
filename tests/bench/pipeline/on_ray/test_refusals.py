"""What a cluster cannot do is refused in a line, before anything is called."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bench.config import build_benchmark_config
from bench.pipeline import RunSession, check_engine
from tests.bench.plugin.suite import Suite
from vocabulary import ConfigurationError

RECORD = "postgresql+psycopg://nobody:nothing@db.invalid/bench"


def refusal(folder: Path, *, workers: str | None = None, **options: object) -> str:
    asked = {"engine": "ray", "checkpoint_url": RECORD, "runs_dir": folder, **options}
    session = RunSession(build_benchmark_config(**asked), "test")
    with pytest.raises(ConfigurationError) as refused:
        check_engine(session, workers)
    return str(refused.value)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install -e '.[ray]'")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"checkpoint_url": None}, "--checkpoint-url postgresql"),
        ({"checkpoint_url": "sqlite:////tmp/a.sqlite"}, "--checkpoint-url postgresql"),
        ({"shard": "1/2", "run_id": "one"}, "--shard: a cluster divides the run"),
        ({"cache": "steps"}, "--cache: it is a folder"),
        ({"workers": "-n"}, "-n: the cluster has"),
    ],
)
def test_what_a_cluster_cannot_do(tmp_path: Path, options: dict[str, object], says: str) -> None:
    found = refusal(tmp_path, **options)  # type: ignore[arg-type]
    assert says in found
    assert "\n" not in found


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install -e '.[ray]'")
def test_code_that_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere.py").write_text("from providers.baselines.none import NoMemory as Elsewhere\n")
    (tmp_path / "elsewhere.py").write_text(
        "from providers.baselines.bm25 import Bm25\n\nclass Elsewhere(Bm25):\n    name = 'elsewhere'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        found = refusal(tmp_path, provider=["elsewhere:Elsewhere"])
        assert str(tmp_path / "elsewhere.py") in found
        assert "not sent to the nodes" in found
        monkeypatch.chdir(tmp_path)
        check_engine(RunSession(build_benchmark_config(provider=["elsewhere:Elsewhere"], engine="ray",
                                                       checkpoint_url=RECORD, runs_dir=tmp_path), "test"))  # fmt: skip
    finally:
        sys.modules.pop("elsewhere", None)


def test_an_address_where_nothing_listens() -> None:
    cluster = pytest.importorskip("bench.pipeline.on_ray.cluster", reason="needs pip install -e '.[ray]'")
    with pytest.raises(ConfigurationError, match=r"no cluster can be used at 127.0.0.1:1: .* --ray-address HOST:PORT"):
        cluster.connect("127.0.0.1:1")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.pipeline.on_ray.preparing.find_spec", lambda _name: None)
    assert "pip install 'memorybench[ray]'" in refusal(tmp_path)


def test_pytest_ends_with_the_line_and_asks_nothing(suite: Suite) -> None:
    ended = suite.run("bench", "-k", "synthetic", "--engine=ray", f"--checkpoint-url={RECORD}", "-n2")
    assert ended.status == 4
    assert "cannot be used with -n" in ended.output or "needs Ray" in ended.output
    assert not suite.run_ids
