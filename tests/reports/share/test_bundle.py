"""A bundle verifies as it was made; whatever is changed in it is found and named, and nothing gets out of it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.__main__ import main
from reports.share import unpacking
from reports.share.secrets import Secrets
from vocabulary import ConfigurationError

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def bundle(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bundle") / "made.zip"
    assert main(["bundle", "made", "--runs-dir", str(made_run.parent), "--output", str(file)]) == 0
    return file


def unpacked(bundle: Path) -> Files:
    with ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(file: Path, files: Mapping[str, bytes], *, hashes: bool = True) -> Path:
    """A bundle of these files; with `hashes`, by somebody who has mended the manifest."""
    manifest = json.loads(files["manifest.json"])
    if hashes:
        manifest["files"] = [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
            if name != "manifest.json"
        ]
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return file


def verified(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str]]:
    capsys.readouterr()
    status = main(["verify", str(file), *options])
    printed = capsys.readouterr()
    return status, (printed.out + printed.err).splitlines()


def test_a_bundle_verifies(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = verified(bundle, capsys)
    assert (status, len(lines)) == (0, 1), lines
    assert lines[0].startswith("verified: run made, ")
    assert lines[0].endswith(" values computed again from 20 questions")
    manifest = json.loads(unpacked(bundle)["manifest.json"])
    assert manifest["command"] == "run_benchmark('synthetic', config)"
    assert manifest["data"][0]["benchmark"] == "synthetic"
    assert {file["name"] for file in manifest["files"]} >= {"report.json", "results.jsonl", "checkpoint.sqlite"}


def test_the_same_run_gives_the_same_bytes(bundle: Path, own_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "again.zip"
    assert main(["html", "made", "--runs-dir", str(own_run.parent), "--results", "1"]) == 0
    assert main(["bundle", "made", "--runs-dir", str(own_run.parent), "--output", str(file)]) == 0
    assert file.read_bytes() == bundle.read_bytes()


def test_a_changed_verdict_is_found(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = unpacked(bundle)
    lines = files["results.jsonl"].splitlines(keepends=True)
    number, line = next((n, line) for n, line in enumerate(lines) if b'"label":"wrong"' in line)
    lines[number] = line.replace(b'"label":"wrong"', b'"label":"right"')
    byte = sum(map(len, lines[:number])) + line.index(b'"label":"wrong"') + len('"label":"')
    files["results.jsonl"] = b"".join(lines)
    status, found = verified(packed(tmp_path / "x.zip", files), capsys)
    assert status == 1
    about = json.loads(line)
    assert found[0] == (
        f"results.jsonl: byte {byte} (line {number + 1}, {about['question_id']} of {about['provider']}): verdict.label "
        'is "right", computed again "wrong"'
    )
    assert found[1] == "differs: run made is not what its bundle says"
    status, found = verified(packed(tmp_path / "y.zip", files, hashes=False), capsys)
    assert status == 1
    assert found[0].startswith(f"results.jsonl: {len(files['results.jsonl'])} bytes with sha256 ")
    assert found[1].startswith(f"results.jsonl: byte {byte} ")


def test_a_changed_figure_is_found(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = unpacked(bundle)
    report = json.loads(files["report.json"])
    before = report["results"][0]["accuracy"]["value"]
    report["results"][0]["accuracy"]["value"] = 0.999
    files["report.json"] = json.dumps(report).encode()
    status, found = verified(packed(tmp_path / "x.zip", files), capsys)
    assert status == 1
    assert found[0] == f"report.json: results[0].accuracy.value is 0.999, computed again {before}"
    report["results"][0]["accuracy"]["value"] = "high"
    files["report.json"] = json.dumps(report).encode()
    status, found = verified(packed(tmp_path / "y.zip", files), capsys)
    assert status == 2
    assert "results.0.accuracy.value" in found[0]


def test_a_key_that_a_newer_version_has_added_is_no_difference(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = unpacked(bundle)
    report = json.loads(files["report.json"])
    del report["run"]["code"]
    files["report.json"] = json.dumps(report).encode()
    lines = [json.loads(line) for line in files["results.jsonl"].splitlines()]
    older = [{key: value for key, value in line.items() if key != "population"} for line in lines]
    files["results.jsonl"] = "".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in older
    ).encode()
    del files["report.html"]
    status, found = verified(packed(tmp_path / "x.zip", files), capsys)
    assert (status, found[1:]) == (0, ["note: report.json is of an older version, which has no run.code"]), found
    del report["results"][0]["by_type"]["temporal"]
    files["report.json"] = json.dumps(report).encode()
    status, found = verified(packed(tmp_path / "y.zip", files), capsys)
    assert (status, found[0][:55]) == (1, "report.json: results[0].by_type.temporal is absent, com"), found


def test_a_changed_checkpoint_is_found(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who changes the verdicts in the checkpoint must change every file that is made from it."""
    files = unpacked(bundle)
    database = tmp_path / "checkpoint.sqlite"
    database.write_bytes(files["checkpoint.sqlite"])
    with closing(sqlite3.connect(database)) as connection, connection:
        changed = """update steps set result = replace(result, '"wrong"', '"correct"') where phase = 'judge'"""
        assert connection.execute(changed).rowcount
    files["checkpoint.sqlite"] = database.read_bytes()
    status, found = verified(packed(tmp_path / "x.zip", files), capsys)
    assert status == 1
    assert any(line.startswith("report.json: results[0].questions.correct is ") for line in found)
    assert any(line.startswith("results.jsonl: byte ") for line in found)


def test_added_missing_and_swapped_files_are_found(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = unpacked(bundle)
    added = packed(tmp_path / "added.zip", files)
    with ZipFile(added, "a") as archive:
        archive.writestr("extra.txt", "more")
    assert verified(added, capsys) == (
        1,
        ["extra.txt: not in the manifest", "differs: run made is not what its bundle says"],
    )
    name = "hypotheses-bm25-synthetic.jsonl"
    status, found = verified(packed(tmp_path / "less.zip", {k: v for k, v in files.items() if k != name}), capsys)
    assert (status, found[0]) == (1, f"{name}: missing")
    more = {**files, "hypotheses-mine.jsonl": b"{}\n"}
    status, found = verified(packed(tmp_path / "more.zip", more), capsys)
    assert (status, found[0]) == (1, "hypotheses-mine.jsonl: should not exist: nothing like it is computed")
    page = {**files, "report.html": files["report.html"].replace(b"</main>", b"<p>0.99</p></main>")}
    status, found = verified(packed(tmp_path / "page.zip", page), capsys)
    assert status == 1
    assert re.match(r"report\.html: byte \d+ differs from the page that this version of the suite makes", found[0])
    manifest = json.loads(files["manifest.json"])
    manifest["command"] = "pytest bench --provider mine"
    files["manifest.json"] = json.dumps(manifest).encode()
    status, found = verified(packed(tmp_path / "command.zip", files), capsys)
    assert status == 1
    assert found[0].startswith("manifest.json: command is 'pytest bench --provider mine', and ")


def named(name: str) -> Callable[[Files], Files]:
    return lambda files: {**files, name: b"x"}


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: {key: data for key, data in files.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (named("../outside"), "names in a bundle have no folders"),
        (named("/tmp/outside"), "names in a bundle have no folders"),
        (named("inner/file"), "names in a bundle have no folders"),
        (named("..\\outside"), "names in a bundle have no folders"),
        (named(".hidden\n"), ".name: String should match"),
        (without("checkpoint.sqlite"), "has no checkpoint.sqlite"),
        (without("results.jsonl"), "has no results.jsonl"),
        (lambda files: {**files, "bomb": bytes(80 << 20)}, "that is no bundle of a run"),
        (lambda files: files | {f"f{n}": b"" for n in range(600)}, "a bundle has at most 500"),
        (lambda files: {**files, "checkpoint.sqlite": b"no database" * 1000}, "cannot be"),
    ],
    ids=["up", "absolute", "folder", "backslash", "hidden", "no checkpoint", "no results", "bomb", "many", "database"],
)
def test_what_must_not_be_unpacked_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Files], Files], said: str
) -> None:
    status, found = verified(packed(tmp_path / "x.zip", change(unpacked(bundle))), capsys)
    assert (status, len(found)) == (2, 1), found
    assert said in found[0]
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_what_is_read_as_a_whole_is_small(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("manifest.json", "report.json"):
        with monkeypatch.context() as patch:
            patch.setitem(unpacking._LARGEST, name, 1000)
            status, found = verified(bundle, capsys)
        assert status == 2
        assert f"has a {name} of " in found[0]


def test_what_is_no_bundle_is_one_line(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = bundle.read_bytes()
    empty = io.BytesIO()
    with ZipFile(empty, "w"):
        pass
    for data in (b"", b"no zip", whole[: len(whole) // 2], empty.getvalue()):
        file = tmp_path / "x.zip"
        file.write_bytes(data)
        status, found = verified(file, capsys)
        assert (status, len(found)) == (2, 1), found
    assert verified(tmp_path / "absent.zip", capsys)[0] == 2
    status, found = verified(bundle, capsys, "--max-gb", "0.0001")
    assert status == 2
    assert "--max-gb" in found[0]


def test_any_flipped_byte_is_noticed(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = bundle.read_bytes()
    file = tmp_path / "x.zip"
    for place in range(200, len(whole) - 700, len(whole) // 6):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        assert verified(file, capsys)[0] in (1, 2), place


def test_a_bundle_holds_no_secret(
    own_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["bundle", "made", "--runs-dir", str(own_run.parent), "--output", str(tmp_path / "x.zip")]
    with closing(sqlite3.connect(own_run / "checkpoint.sqlite")) as connection, connection:
        connection.execute("update invocations set command = command || ' --key s3cret-\"value\"'")
    monkeypatch.setenv("MY_API_KEY", 's3cret-"value"')
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "invocations holds the value of MY_API_KEY" in error
    assert "s3cret" not in error
    assert not (tmp_path / "x.zip").exists()
    assert main([*arguments, "--anyway"]) == 0
    monkeypatch.delenv("MY_API_KEY")
    with (own_run / "results.jsonl").open("a") as file:
        file.write('{"url": "postgresql://me:hunter22@db/x"}\n')
    assert main(arguments) == 2
    assert "results.jsonl holds what looks like a key or a password" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["sk-proj-" + "a1B2" * 8, "ghp_" + "x" * 36, "AKIA" + "A" * 16, "-----BEGIN RSA PRIVATE KEY-----"]
)
def test_keys_are_known_by_their_shape(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"looks like a key.*byte 1048570") as caught:
        Secrets({}).check("it", [b"x" * 1048570 + text[:6].encode(), text[6:].encode()])
    assert text not in str(caught.value)
    Secrets({"TOKEN": "short", "PATH": "/usr/bin/x"}).check("it", [b"short /usr/bin/x postgresql://me:***@db"])


def test_a_run_that_is_not_finished_is_not_bundled(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads((own_run / "report.json").read_bytes())
    report["run"]["finished"] = None
    (own_run / "report.json").write_text(json.dumps(report))
    assert main(["bundle", "made", "--runs-dir", str(own_run.parent)]) == 2
    assert "run made is not finished" in capsys.readouterr().err


def test_a_run_in_postgresql_is_bundled_with_a_checkpoint_of_its_own(
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORYBENCH_CHECKPOINT_URL", postgres_url)
    options = build_benchmark_config(
        runs_dir=tmp_path, run_id="made", checkpoint_url=postgres_url, synthetic_sessions=10, synthetic_questions=10
    )
    run_benchmark(options, "synthetic")
    files = []
    for name in ("one.zip", "two.zip"):
        assert main(["bundle", "made", "--runs-dir", str(tmp_path), "--output", str(tmp_path / name)]) == 0
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    monkeypatch.delenv("MEMORYBENCH_CHECKPOINT_URL")
    assert verified(tmp_path / "one.zip", capsys)[0] == 0
