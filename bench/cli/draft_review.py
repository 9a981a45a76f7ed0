"""Drafted questions in a CSV: written for a person, decided about there or in the terminal, and read back."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.benchmarks.own import Fault, OwnQuestion, faults_of
from bench.cli.drafting import Draft
from vocabulary import ConfigurationError, DataError, DataMissingError

_QUESTION = ("haystack", "question", "ground_truth", "type", "evidence", "answerable", "drafted_by")
COLUMNS = ("accept", *_QUESTION, "said")
Row = dict[str, str]

_KEYS = "[a]ccept, [e]dit, [d]rop, [s]kip, [q]uit: "
_EDITED = ("question", "ground_truth", "type", "evidence")


def write_drafts(path: Path, drafts: Sequence[Draft], model: str) -> None:
    """A row for each draft; nothing is accepted yet. Raises `ConfigurationError` where there is such a file already."""
    rows = [
        {
            "accept": "",
            "haystack": draft.haystack,
            "question": draft.question,
            "ground_truth": draft.ground_truth,
            "type": draft.type,
            "evidence": ";".join(draft.evidence),
            "answerable": str(draft.answerable).lower(),
            "drafted_by": model,
            "said": draft.said,
        }
        for draft in drafts
    ]
    if path.exists():
        raise ConfigurationError(
            f"{path} exists. Name a new file with --drafts, or leave --model out to go on with it."
        )
    _write(path, COLUMNS, rows)


def read_drafts(path: Path) -> list[Row]:
    """The rows of a CSV of drafts, which a person may have changed; raises `DataError`, `DataMissingError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except FileNotFoundError as error:
        raise DataMissingError(f"{path}: there are no drafts. --model NAME makes some.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}.") from error
    for number, row in enumerate(rows, start=1):
        if set(COLUMNS) - {"said"} - {*row} or None in row.values():
            raise DataError(f"{path}: row {number}: it needs the columns {', '.join(COLUMNS[:-1])}.")
        if row["accept"].strip().casefold() not in ("", "yes", "no"):
            raise DataError(f"{path}: row {number}: accept: must be yes, no or empty (found {row['accept']!r}).")
    return rows


def review(path: Path, ask: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Go through the drafts that are not decided about; each decision is written before the next is asked for."""
    rows = read_drafts(path)
    waiting = [row for row in rows if not row["accept"].strip()]
    for number, row in enumerate(waiting, start=1):
        say(f"\n{number} of {len(waiting)} · {row['haystack']} · {row['type']} · drafted by {row['drafted_by']}")
        say(f"  question      {row['question']}")
        say(f"  ground truth  {row['ground_truth'] or '(the conversations do not say)'}")
        for line in filter(None, row.get("said", "").splitlines()):
            say(f"  evidence      {line}")
        try:
            key = ask(_KEYS).strip().casefold()[:1]
        except EOFError:
            return
        if key == "q":
            return
        if key == "e":
            for name in _EDITED:
                row[name] = ask(f"{name} [{row[name]}]: ").strip() or row[name]
        if key in ("a", "d", "e"):
            row["accept"] = "no" if key == "d" else "yes"
            _write(path, COLUMNS, rows)


def accept_drafts(drafts: Path, questions: Path) -> tuple[int, int]:
    """Write the accepted drafts as a CSV of questions; how many these are, and how many are not decided about.

    Raises `DataError` for an accepted draft that is no question, `ConfigurationError` where `questions` exists.
    """
    rows = read_drafts(drafts)
    faults = [fault for number, row in enumerate(rows, start=1) for fault in _faults(drafts, number, row)]
    if faults:
        raise DataError("; ".join(map(str, faults[:3])))
    accepted = [row for row in rows if row["accept"].strip().casefold() == "yes"]
    if questions.exists():
        raise ConfigurationError(f"{questions} exists. Name a new file with --to.")
    if accepted:
        _write(questions, _QUESTION, accepted)
    return len(accepted), sum(not row["accept"].strip() for row in rows)


def _faults(path: Path, number: int, row: Row) -> Iterator[Fault]:
    if row["accept"].strip().casefold() != "yes":
        return
    known = {name: row[name].strip() for name in _QUESTION if row[name].strip()}
    evidence = [part.strip() for part in known.get("evidence", "").split(";") if part.strip()]
    try:
        OwnQuestion.model_validate({**known, "evidence": evidence})
    except ValidationError as error:
        yield from faults_of(error, path, number + 1)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, columns, extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
