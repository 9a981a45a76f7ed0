"""LoCoMo through ``http``, and two services by two files in one run."""

from __future__ import annotations

from pathlib import Path

from providers.general import EXAMPLES
from tests.bench.plugin.suite import SMALL, Suite
from tests.perf.asked_directly import compare, rest_search
from tests.providers.general.memory_server import sometimes
from tests.providers.general.rest_server import RestServer
from tests.providers.hosted.vendors.vendor_server import serving_vendor

KEY = {"MEMORY_API_KEY": "a-key"}


def test_two_conversations_are_found_as_the_server_itself_finds_them(suite: Suite, data_folder: Path) -> None:
    with serving_vendor(RestServer(ready_after=0.05, fault=sometimes(0.02))) as server:
        asked = ("bench", "-k", "locomo and (conv-26 or conv-30)", "--until=search", "--run-id=two", "-n2")
        given = ("--provider=http:rest", f"--provider-option=base_url={server.url}")
        ended = suite.run(*asked, *given, **KEY, MEMORYBENCH_DATA=str(data_folder))
        server.fault = lambda _request: None
        compared = compare(suite.runs / "two", rest_search(server))
        stored = {(name, one.fields["session"]) for name, kept in server.kept.items() for one in kept.values()}
    assert compared.recall == compared.direct > 0.5, ended.output
    assert (compared.questions, compared.different) == (304, [])
    assert (len(server.kept), len(stored)) == (2, 38)
    assert server.searches_too_early == 0
    assert server.faults
    assert not server.doubles


def test_two_files_are_two_providers_with_names_and_settings_of_their_own(suite: Suite, tmp_path: Path) -> None:
    rest = (EXAMPLES / "http" / "rest.toml").read_text()
    with serving_vendor(RestServer(ready_after=0.0)) as one, serving_vendor(RestServer(ready_after=0.0)) as two:
        names = []
        for name, server in (("one", one), ("two", two)):
            file = tmp_path / f"{name}.toml"
            file.write_text(rest.replace("http://localhost:8080", server.url))
            names.append(f"http:{file}")
        asked = ("bench", "-k", "synthetic", *SMALL, "--until=search", "--run-id=both")
        suite.run(*asked, *(f"--provider={name}" for name in names), f"--provider-option={names[1]}.timeout=5", **KEY)
    sections = suite.report("both")["results"]
    assert [section["provider"]["name"] for section in sections] == names
    assert len({section["provider"]["version"] for section in sections}) == 2
    assert sections[0]["retrieval"] == sections[1]["retrieval"]
    assert sections[0]["retrieval"]["message"]["recall"]["10"] > 0.5
    assert [len(server.kept) for server in (one, two)] == [1, 1]
    assert "a-key" not in (suite.runs / "both" / "report.json").read_text()
