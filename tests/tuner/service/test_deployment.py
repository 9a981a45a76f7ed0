"""compose.yaml without containers: its commands on a real PostgreSQL; and what a start does not wait for."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from tests.processes import run
from tests.reports.store.postgres_server import PASSWORD, PostgresServer
from tests.repository import ROOT
from tests.tuner.service.conftest import COMPOSE, serving
from tuner.__main__ import _argument_parser, main
from tuner.service import TunerClient

EIGHT = """
import os, sys
import psycopg  # what all need is imported once
from tuner.service.messages import AskRequest, StudySpec, TellRequest
from tuner.service.studies import Studies
from tuner.storage import close_storage, open_storage, quiet

quiet()
close_storage(open_storage("sqlite://"))
gate, opener = os.pipe()
children = []
for number in range(8):
    child = os.fork()
    if not child:
        os.close(opener)
        os.read(gate, 1)  # all begin when it is closed
        studies = Studies(sys.argv[1])
        studies.create(StudySpec.model_validate_json(sys.argv[2]))
        trial, _ = studies.ask("s", AskRequest(), str(number))
        studies.tell("s", trial.number, TellRequest(values=(float(number),)))
        os._exit(0)
    children.append(child)
os.close(opener)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_compose_names_only_commands_that_there_are() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    assert set(services) == {"postgres", "migrate", "service", "worker"}
    for name in ("migrate", "service", "worker"):
        words = [word.replace("${STUDY-}", "s") for word in services[name]["command"]]
        chosen = _argument_parser().parse_args(words)
        assert chosen.storage == "postgresql+psycopg://tuner@postgres/tuner"
        assert "PGPASSWORD" in services[name]["environment"]
    assert services["service"]["ports"] == ["127.0.0.1:6180:6180"]
    assert "ports" not in services["postgres"]
    assert services["service"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert (ROOT / "Dockerfile").is_file()


@pytest.mark.long
def test_migrate_makes_the_tables_once(server: PostgresServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = server.database()
    for _ in range(2):
        assert main(["migrate", "--storage", url]) == 0
        printed = capsys.readouterr().out
        assert printed == f"{url.replace(':' + PASSWORD, '')} is ready for studies\n"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    assert sa.inspect(engine).has_table("studies")


@pytest.mark.long
def test_eight_processes_begin_at_once_on_an_empty_database(server: PostgresServer) -> None:
    url = server.database()
    spec = '{"name": "s", "sampler": "random", "space": [{"name": "x", "kind": "float", "low": 0, "high": 1}]}'
    run([sys.executable, "-c", EIGHT, url, spec], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT number, state FROM trials ORDER BY number").all()
    assert [tuple(row) for row in rows] == [(number, "COMPLETE") for number in range(8)]


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help")])
def test_help_is_there_before_anything_large_is_imported(arguments: tuple[str, ...]) -> None:
    code = (
        "import resource, sys\nfrom tuner.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert ended.code == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_utime, *sys.modules, file=sys.stderr)"
    )
    ended = run([sys.executable, "-c", code, *arguments], check=True)
    seconds, *modules = ended.stderr.split()
    assert not {"fastapi", "optuna", "uvicorn", "httpx"} & {name.partition(".")[0] for name in modules}
    assert float(seconds) < 0.5


def test_a_client_needs_neither_fastapi_nor_optuna() -> None:
    code = "import sys\nfrom tuner.service import StudySpec, TunerClient\nprint(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run([sys.executable, "-c", code], check=True).stdout.split()}
    assert "httpx" in loaded
    assert not loaded & {"fastapi", "optuna", "uvicorn", "sqlalchemy", "numpy"}


def test_the_way_out_is_named_where_an_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve", "--storage", "memory"]) == 2
    assert "pip install 'memorybench[tuner]'" in capsys.readouterr().err


@pytest.mark.long
def test_the_examples_of_the_page_work() -> None:
    page = (ROOT / "docs" / "tuner-service.md").read_text(encoding="utf-8")
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    with serving("memory") as url, TunerClient(url) as client:
        exec(python.replace("http://127.0.0.1:6180", url), {})
        assert client.study("depths").states == {"COMPLETE": 20}
        assert client.trial("depths", 0).params == {"depth": 50}
        if not (shutil.which("curl") and shutil.which("sh")):
            pytest.skip("the examples for a shell need curl")
        commands = commands.replace("localhost:6180", url).replace("$(uuidgen)", "some-key").replace("-s", "-sf")
        ended = run(["sh", "-ec", commands], check=True)
        assert '"values":[0.71]' in ended.stdout
        assert client.best("reranker").params["depth"] == 50
