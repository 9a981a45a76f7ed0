"""Writing what a run leaves behind, so that a half-written file never stands where a good one should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType

from reports.report.audits import AUDITS, Audits, read_audits
from reports.report.build import build_report
from reports.report.conformance import Checked, conformance_of, conformance_path
from reports.report.files.drafts import Draft, json_of, remove_drafts
from reports.report.files.records import record_files, record_paths
from reports.report.gates import Against, Threshold
from reports.report.model import Report
from reports.report.stamp import STAMP, is_current, source_of, stamp_of
from reports.store import ContainerRecord, QuestionRecord, RunRecord, open_run, read_run
from reports.store.sharing import ClosingFiles
from vocabulary import CheckpointError

REPORT = "report.json"


def write_report(folder: Path, report: Report) -> Path:
    """Write ``report.json`` into `folder` and return its path; raises `CheckpointError` if it cannot be."""
    with Draft(folder / REPORT) as draft:
        draft.write(json_of(report, indent=2))
    return folder / REPORT


def write_audits(folder: Path, audits: Audits) -> Path:
    """Write ``judge_audit.json`` into `folder` and return its path; raises `CheckpointError` if it cannot be."""
    with Draft(folder / AUDITS) as draft:
        draft.write(json_of(audits, indent=2))
    return folder / AUDITS


def write_checked(runs_dir: Path, checked: Checked) -> Path:
    """Write what the conformance kit knows of a provider and return the path of the file.

    Raises `CheckpointError` if it cannot be written.
    """
    path = conformance_path(runs_dir, checked.provider.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make {path.parent}: {error.strerror}. Choose another folder with --runs-dir."
        raise CheckpointError(message) from error
    with Draft(path) as draft:
        draft.write(json_of(checked, indent=2))
    return path


def write_run(
    folder: Path,
    run: RunRecord,
    questions: Iterable[QuestionRecord],
    containers: Iterable[ContainerRecord],
    *,
    thresholds: Sequence[Threshold] = (),
    max_errors: int | None = None,
    unmeasured: Mapping[str, str] = MappingProxyType({}),
    against: Against | None = None,
    state: str | None = None,
    besides: Callable[[Path, Report], Path] | None = None,
    shared: ClosingFiles | None = None,
) -> Report:
    """Build the report of `run` and write all its files into `folder`, reading each iterable once.

    With `state`, a hash of all that `questions` and `containers` are read from, files that were made from the same are
    left as they are, and the report is the one that lies there; those that another place has made from the same are
    copied from `shared`. `besides` writes one more file, once the others are there.

    Audits of its judges that were attached before stay attached; what the conformance kit found out about its providers
    is read from beside the folder.

    Raises `CheckpointError` if that cannot be done; each file is then either the former or the new one, whole.
    """
    remove_drafts(folder)
    audits, conformance = read_audits(folder), partial(conformance_of, folder.parent)
    checked = [*map(conformance, run.providers)]
    others = (state, thresholds, max_errors, dict(unmeasured), against, audits, checked)
    source = source_of((run, *others))
    if state is not None and is_current(folder, source):
        return _read_report(folder)

    def make() -> tuple[Report, list[Path]]:
        measured = list(containers)
        with record_files(folder, run, measured) as keep:
            kept = _handing_on(questions, keep)
            report = build_report(
                *(run, kept, measured),
                thresholds=thresholds,
                max_errors=max_errors,
                unmeasured=unmeasured,
                against=against,
            )
            report = report.with_audits(audits).with_conformance(conformance)
        written = [write_report(folder, report), *record_paths(folder)]
        return report, [*written, besides(folder, report)] if besides else written

    if shared is None:
        report, _written = make()
    else:
        at_all_places = run.model_copy(update={"loop_lag_ms_p99": None})  # of those that have ended
        report = _copied_or_made(folder, shared, source_of((at_all_places, *others)), make)
    if state is not None:
        with Draft(folder / STAMP) as draft:
            draft.write(stamp_of(folder, source))
    return report


def _copied_or_made(
    folder: Path, shared: ClosingFiles, source: str, make: Callable[[], tuple[Report, list[Path]]]
) -> Report:
    with shared.turn():
        if not shared.are_kept(source):
            report, written = make()
            with suppress(CheckpointError):  # then each of the others makes its own
                shared.keep(source, written)
            return report
    copied = []
    for name, pieces in groupby(shared.pieces(source), itemgetter(0)):
        with Draft(folder / name) as draft:
            for _name, piece in pieces:
                draft.write_bytes(piece)
        copied.append(name)
    return _read_report(folder) if copied else make()[0]  # the next one to work on the run may have deleted them


def _read_report(folder: Path) -> Report:
    return Report.model_validate_json((folder / REPORT).read_bytes())


def write_recorded(folder: Path) -> Report:
    """Write the files of the run in `folder` from its checkpoint, as far as it is; no gate is judged.

    Raises `CheckpointError` if it cannot be read or they not be written.
    """
    with closing(open_run(folder.parent, folder.name, read_only=True)) as checkpoint:
        return write_run(folder, read_run(checkpoint), checkpoint.question_records(), checkpoint.container_records())


def _handing_on(
    questions: Iterable[QuestionRecord], keep: Callable[[QuestionRecord], None]
) -> Iterator[QuestionRecord]:
    for record in questions:
        keep(record)
        yield record
