"""A run as one file that somebody else can check."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from reports.html import PAGE, write_html
from reports.report import read_report
from reports.share.copying import copy_checkpoint
from reports.share.manifest import CHECKPOINT, MANIFEST, described, manifest_of, parts_of
from reports.share.output import new_file
from reports.share.secrets import Secrets
from reports.store import open_run, read_git
from vocabulary import ConfigurationError

_FILES = ("report.json", "judge_audit.json", "results.jsonl", "retrieved.jsonl", "hypotheses*.jsonl")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def write_bundle(folder: Path, output: Path, *, secrets: Secrets | None) -> int:
    """Pack the run in `folder` into the zip file `output`; how many files are in it.

    The same run gives the same bytes. Raises `ConfigurationError` if the run is not finished, if a file is missing, and
    if one of `secrets` is in it.
    """
    report = read_report(folder)
    if report.run.finished is None:
        raise ConfigurationError(f"run {report.run.id} is not finished: continue it with --lf, then bundle it.")
    found = [path for pattern in _FILES for path in sorted(folder.glob(pattern))]
    if missing := {"results.jsonl", "retrieved.jsonl"} - {path.name for path in found}:
        raise ConfigurationError(f"{folder} has no {min(missing)}: the run's command with --run-id writes it anew.")
    with TemporaryDirectory() as temporary, closing(open_run(folder.parent, folder.name)) as checkpoint:
        copy = Path(temporary, CHECKPOINT)
        copy_checkpoint(checkpoint, copy, secrets.check if secrets else lambda _name, _texts: None)
        if secrets:
            for path in found:
                secrets.check(path.name, parts_of(path))
        page = Path(temporary, PAGE)
        if (folder / PAGE).exists():  # made anew: how much of the results it shows may have been chosen
            write_html(folder, report, to=page)
        files = [*found, *([page] if page.exists() else []), copy]
        manifest = manifest_of(report, tuple(map(described, files)), read_git(Path(__file__).parent))
        with new_file(output) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr(_entry(MANIFEST), manifest.model_dump_json(indent=2) + "\n")
            for path in files:
                with archive.open(_entry(path.name), "w", force_zip64=path.stat().st_size > 1 << 30) as member:
                    for part in parts_of(path):
                        member.write(part)
    return len(files)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type, entry.external_attr, entry.create_system = ZIP_DEFLATED, _MODE, 3
    return entry
