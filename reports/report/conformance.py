"""What the conformance kit found out about providers: a file for each of them, and what later reports say of it.

The files lie in ``conformance`` beside the runs, one for a provider, so that every report that is written there knows
how its providers did. `bench.conformance.kit` asks; nothing is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Literal

from pydantic import JsonValue, ValidationError

from reports.metrics import Block
from reports.report.audits import why
from reports.store import ProviderRecord
from vocabulary import CheckpointError

FOLDER = "conformance"

CheckOutcome = Literal["passed", "failed", "declared"]
_WIDTH = 118


class CheckVerdict(Block):
    """What came of one check."""

    name: str
    outcome: CheckOutcome
    """`declared`: the provider says of itself that it does not do this."""
    message: str
    """What was seen, in words."""
    seconds: float
    """How long the check took, with all its waits."""


class Checked(Block):
    """A file of the conformance kit: all that is known of one provider in one version with one choice of settings."""

    provider: ProviderRecord
    kit: tuple[str, ...]
    """The names of all checks that there were."""
    checked_at: datetime
    """When the last of them was made."""
    checks: tuple[CheckVerdict, ...] = ()

    def with_one(self, verdict: CheckVerdict) -> Checked:
        """The same with `verdict`, in the place of a former one of that check."""
        known = {one.name: one for one in (*self.checks, verdict)}
        order = [*self.kit, *(name for name in known if name not in self.kit)]
        return self.model_copy(update={"checks": tuple(known[name] for name in order if name in known)})

    def of(self, outcome: CheckOutcome) -> list[CheckVerdict]:
        """The checks that ended so."""
        return [one for one in self.checks if one.outcome == outcome]


class FailedCheck(Block):
    """A check that was not met."""

    name: str
    message: str
    """What was expected, what came, and the way out."""


class Conformance(Block):
    """What the conformance kit knows of the provider; `docs/conformance.md` says what each check is about."""

    state: Literal["not checked", "passed", "failed", "incomplete"] = "not checked"
    """`incomplete`: nothing failed, but some checks were not made."""
    checks: int = 0
    """Checks that were made: `passed`, `failed` and `declared` together."""
    passed: int = 0
    failed: int = 0
    declared: int = 0
    """Checks of what the provider says of itself that it does not do."""
    failures: tuple[FailedCheck, ...] = ()
    unchecked: tuple[str, ...] = ()
    """Checks that were not made, by name."""
    checked_at: datetime | None = None
    """Clock field."""
    checked_configuration: str | None = None
    """What was checked, where that was another version or had other settings than this run's."""

    @property
    def summary(self) -> str | None:
        """What must stand beside an accuracy, in words; None where nothing must."""
        if not self.failed:
            return None
        names = ", ".join(one.name for one in self.failures)
        other = f" (checked with {self.checked_configuration})" if self.checked_configuration else ""
        return f"{self.failed} of {self.checks} failed: {names}{other}"


def conformance_path(runs_dir: Path, provider: str) -> Path:
    """Where the verdicts on `provider` are kept."""
    return runs_dir / FOLDER / (re.sub(r"[^A-Za-z0-9._-]+", "-", provider) + ".json")


def read_checked(runs_dir: Path, provider: str) -> Checked | None:
    """What is known of `provider`, None where nothing is; raises `CheckpointError` if it cannot be read."""
    path = conformance_path(runs_dir, provider)
    if not path.is_file():
        return None
    try:
        checked = Checked.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{path} cannot be read ({why(error)}): delete it, and check the provider again."
        raise CheckpointError(message) from error
    return checked if checked.provider.name == provider else None


def conformance_of(runs_dir: Path, provider: ProviderRecord) -> Conformance:
    """What a report says of `provider`; raises `CheckpointError` if its file cannot be read."""
    checked = read_checked(runs_dir, provider.name)
    if checked is None or not checked.checks:
        return Conformance()
    failed = checked.of("failed")
    made = {one.name for one in checked.checks}
    unchecked = tuple(name for name in checked.kit if name not in made)
    return Conformance(
        state="failed" if failed else "incomplete" if unchecked else "passed",
        checks=len(checked.checks),
        passed=len(checked.of("passed")),
        failed=len(failed),
        declared=len(checked.of("declared")),
        failures=tuple(FailedCheck(name=one.name, message=one.message) for one in failed),
        unchecked=unchecked,
        checked_at=checked.checked_at,
        checked_configuration=difference(checked.provider, provider),
    )


def difference(checked: ProviderRecord, used: ProviderRecord) -> str | None:
    """In what the provider that was checked differs from the one that is used, in words; None if it does not."""
    differences = [
        f"{name} {getattr(checked, name) or 'none'}, not {getattr(used, name) or 'none'}"
        for name in ("version", "api")
        if getattr(checked, name) != getattr(used, name)
    ]
    names = sorted({*checked.settings, *used.settings})
    nothing: JsonValue = None
    for name in names:
        then, now = checked.settings.get(name, nothing), used.settings.get(name, nothing)
        if then != now:
            differences.append(f"{name}={then}, not {now}")
    return "; ".join(differences) or None


def verdict_lines(checked: Checked) -> Iterator[tuple[CheckOutcome, str]]:
    """Each check with its verdict in words, in lines of at most 118 characters."""
    widest = max((len(one.name) for one in checked.checks), default=0)
    for one in checked.checks:
        word = one.outcome.upper() if one.outcome == "failed" else one.outcome
        begins = f"{word:8}  {one.name:{widest}}  "
        message = " ".join(one.message.split())
        for line in wrap(
            message, _WIDTH, initial_indent=begins, subsequent_indent=" " * len(begins), break_on_hyphens=False
        ):
            yield one.outcome, line


def headline(checked: Checked) -> str:
    """What came of all checks of a provider, in a line."""
    provider = checked.provider
    counted = [f"{len(found)} {outcome}" for outcome in _OUTCOMES if (found := checked.of(outcome))]
    api = f", {provider.api}" if provider.api else ""
    return f"conformance of {provider.name} (version {provider.version}{api}): {', '.join(counted)}"


_OUTCOMES: tuple[CheckOutcome, ...] = ("passed", "declared", "failed")
