"""``python -m bench convert``: transcripts to the sessions of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from bench.benchmarks.own import Fault, OwnSession, faults_of
from bench.cli.transcripts import Form, find_form, read_transcript
from vocabulary import ConfigurationError, DataError, DataMissingError


def convert_transcripts(files: Sequence[Path], form: Form | None, haystack: str | None, out: TextIO) -> Iterator[str]:
    """Write a line for each session of `files` to `out`; gives what is to be said of each file.

    A session belongs to `haystack`, or else to what the transcript names as its user, or else to its file's name.
    Raises `DataError` for a file that is no transcript, `DataMissingError` for one that is not there.
    """
    for file in files:
        left_out, sessions, messages = Counter[str](), 0, 0
        try:
            kind = form or find_form(file)
            for written in read_transcript(file, kind, left_out):
                session = _checked(file, sessions + 1, written, haystack)
                print(session.model_dump_json(exclude_none=True), file=out)
                sessions, messages = sessions + 1, messages + len(session.messages)
        except FileNotFoundError as error:
            raise DataMissingError(f"{file}: there is no such file.") from error
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.") from error
        if not sessions:
            raise ConfigurationError(f"{file}: no message was recognized in it as {kind}. --format names another form.")
        yield f"{file}: {sessions:,} sessions, {messages:,} messages ({kind})"
        for what, count in sorted(left_out.items()):
            yield f"  left out: {count:,} {what}"


def _checked(file: Path, number: int, written: dict[str, object], haystack: str | None) -> OwnSession:
    known = {name: value for name, value in written.items() if value is not None}
    known["haystack"] = haystack or known.get("haystack") or file.stem
    try:
        return OwnSession.model_validate(known)
    except ValidationError as error:
        first: Fault = next(faults_of(error, file, number))
        raise DataError(f"{file}: session {number}: {first.field}: {first.message}.") from error
