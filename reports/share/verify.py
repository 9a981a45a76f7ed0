"""Checking a bundle: hashes first, then every figure and every line computed again with this suite's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # parsed JSON

from pydantic import ValidationError

from reports.html import PAGE, write_html
from reports.report import Report, Threshold, parse_threshold, why, write_run
from reports.share.differing import ABSENT, count_figures, differing_figures, differing_lines
from reports.share.manifest import CHECKPOINT, Manifest, manifest_of
from reports.share.unpacking import MOST_GB, unpack
from reports.store import Checkpoint, read_git, read_run, read_versions, tables
from vocabulary import ConfigurationError

_MOST = 20
"""Differences of one file that are named."""


@dataclass(frozen=True)
class Verification:
    """What was found: `differences` is empty for a bundle that is what it says."""

    run: str
    questions: int
    figures: int
    differences: tuple[str, ...]
    remarks: tuple[str, ...]


def verify_bundle(path: Path, most_gb: float = MOST_GB) -> Verification:
    """Check a bundle; raises `ConfigurationError` or `CheckpointError` if it cannot be read."""
    with TemporaryDirectory() as temporary:
        given, again = Path(temporary, "given"), Path(temporary, "again")
        given.mkdir()
        again.mkdir()
        manifest, differences = unpack(path, given, most_gb)
        report = _report(given)
        recomputed = _recomputed(report, given, again)
        figures, computed = (json.loads((folder / "report.json").read_bytes()) for folder in (given, again))
        _take(figures, computed)
        whole = json.loads(report.model_dump_json())
        newer = {one.path for one in differing_figures(figures, whole) if one.given == ABSENT}
        found = (one for one in differing_figures(figures, computed) if one.path not in newer)
        differences += [f"report.json: {one}" for one in islice(found, _MOST)]
        for name in sorted({file.name for folder in (given, again) for file in folder.glob("*.jsonl")}):
            differences += [f"{name}: {one}" for one in islice(differing_lines(given / name, again / name), _MOST)]
        differences += _of_manifest(manifest, report)
        remarks = [*_remarks(report, given)]
        if newer:
            remarks.append(f"report.json is of an older version, which has no {', '.join(sorted(newer))}")
        if not differences and (given / PAGE).exists() and (byte := _first_byte(given, again, report)) is not None:
            said = differences if manifest.suite == read_git(Path(__file__).parent) else remarks
            said.append(f"{PAGE}: byte {byte} differs from the page that this version of the suite makes")
        questions = sum(result.questions.selected for result in recomputed.results)
        return Verification(report.run.id, questions, count_figures(figures), tuple(differences), tuple(remarks))


def _report(given: Path) -> Report:
    try:
        return Report.model_validate_json((given / "report.json").read_bytes())
    except ValidationError as error:
        raise ConfigurationError(
            f"report.json cannot be read: {why(error)}. Verify it with the version of the suite that made it."
        ) from error


def _recomputed(report: Report, given: Path, again: Path) -> Report:
    """The files of the run made anew from its checkpoint, in the folder `again`."""
    audits = given / "judge_audit.json"
    if audits.exists():
        (again / audits.name).write_bytes(audits.read_bytes())
    gate = report.gate
    with closing(Checkpoint(tables.sqlite_url(given / CHECKPOINT), report.run.id)) as checkpoint:
        return write_run(
            again,
            read_run(checkpoint),
            checkpoint.question_records(),
            checkpoint.container_records(),
            thresholds=_thresholds(report),
            max_errors=gate.max_errors if gate else None,
            unmeasured={one.benchmark: one.reason for one in gate.unmeasured} if gate else {},
        )


def _thresholds(report: Report) -> list[Threshold]:
    rows = report.gate.thresholds if report.gate else ()
    return [
        parse_threshold(f"{name}={value!r}") for name, value in dict.fromkeys((row.name, row.threshold) for row in rows)
    ]


def _take(given: dict[str, Any], computed: dict[str, Any]) -> None:
    """Take over into `computed` what no answer decides: the conformance kit, and what a baseline holds."""
    for one, other in zip(given["results"], computed["results"], strict=False):
        other["conformance"] = one.get("conformance")
    gate, again = given["gate"], computed["gate"]
    if gate and again and gate.get("against"):
        again |= {name: gate[name] for name in ("baseline", "against", "unmeasured")}
        again["met"] = again["met"] and not gate["unmeasured"] and all(row["met"] for row in gate["against"])


def _first_byte(given: Path, again: Path, report: Report) -> int | None:
    """The first byte of the page that is not as the files in `again` make it."""
    one, other = (given / PAGE).read_bytes(), write_html(again, report).read_bytes()
    if one == other:
        return None
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _of_manifest(manifest: Manifest, report: Report) -> Iterator[str]:
    """What the manifest says otherwise than the report."""
    expected = manifest_of(report, manifest.files, manifest.suite)
    for name in Manifest.model_fields:
        says, is_so = getattr(manifest, name), getattr(expected, name)
        if says != is_so:
            yield f"manifest.json: {name} is {says!r}, and {is_so!r} in report.json"


def _remarks(report: Report, given: Path) -> Iterator[str]:
    made, here = report.run.versions, read_versions()
    pairs = [("MemoryBench", made.memorybench, here.memorybench)]
    pairs += [(name, version, here.packages.get(name, "none")) for name, version in made.packages.items()]
    if other := [f"{name} {was} (here {now})" for name, was, now in pairs if was != now]:
        yield f"made with {', '.join(other)}: another version may compute other figures"
    if any(result.conformance.state != "not checked" for result in report.results):
        yield "results of the conformance kit are taken from the report: they are not computed from answers"
    if report.gate and report.gate.model_dump().get("against"):
        yield "the gate's lines against a baseline are taken from the report: the bundle does not hold the baseline"
    if (given / "judge_audit.json").exists():
        yield "audits of judges are taken from judge_audit.json"
