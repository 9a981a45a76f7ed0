"""What is known of a judge itself: how it graded answers with known labels. `judges.audit` measures it.

Audits lie beside the report in ``judge_audit.json``, so that they outlive a report that is written anew.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from reports.metrics import Accuracy, Block, Ratio
from vocabulary import CheckpointError

AUDITS = "judge_audit.json"


class Accepted(Block):
    """How many answers of a kind the judge called correct."""

    items: int
    errors: int
    """Those that the judge gave no verdict on."""
    labelled_correct: int
    """Those that it should call correct."""
    accepted: int
    """Those that it did call correct."""
    share: Ratio | None
    """`accepted` by the items that it gave a verdict on; null where there are none."""


class AcceptedShare(Accepted):
    """The same with its 95 % interval."""

    ci95: tuple[Ratio, Ratio] | None


class JudgeAudit(Block):
    """How a judge graded the labelled set that ships with the suite; `docs/judging.md` says what is in it."""

    judge: str
    protocol: str
    """The rules that it graded by."""
    model: str | None
    """Its model as the server named it; null without one."""
    set_sha256: str
    """Hash of the labelled set."""
    items: int
    graded: int
    """Items that it gave a verdict on; the others ended in errors."""
    errors: dict[str, int]
    """By type."""
    accuracy: Accuracy
    """Verdicts that agree with the label, correct or not correct, among ALL items."""
    kappa: Ratio | None
    """Cohen's kappa with the labels, over what was graded; null where it is not defined."""
    vague_accepted: AcceptedShare
    """Deliberately vague wrong answers that it called correct."""
    kinds: dict[str, Accepted]
    """By kind of answer."""


class Audits(Block):
    """What ``judge_audit.json`` holds: one audit for each judge and protocol."""

    audits: tuple[JudgeAudit, ...] = ()

    def of(self, judge: str, protocol: str) -> JudgeAudit | None:
        """The audit of a judge by a protocol, if there is one."""
        return next((one for one in self.audits if (one.judge, one.protocol) == (judge, protocol)), None)

    def with_one(self, audit: JudgeAudit) -> Audits:
        """These with `audit`, in the place of a former one of the same judge and protocol."""
        others = (one for one in self.audits if (one.judge, one.protocol) != (audit.judge, audit.protocol))
        return Audits(audits=(*others, audit))


def read_audits(folder: Path) -> Audits:
    """The audits that were attached to the run in `folder`; raises `CheckpointError` if they cannot be read."""
    path = folder / AUDITS
    if not path.exists():
        return Audits()
    try:
        return Audits.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{path} cannot be read ({why(error)}): delete it, and attach the audits again."
        raise CheckpointError(message) from error


def why(error: OSError | ValidationError) -> str:
    """What is wrong with a file, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    fault = error.errors(include_url=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]
