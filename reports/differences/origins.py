"""What two runs were made with, where it is not the same: said before any difference of their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from reports.differences.baseline import Baseline, BaselineResult
from reports.store import JudgeRecord

NONE = "-"


class Changed(NamedTuple):
    """Something that is not the same in the first run and in the second."""

    subject: str
    first: str
    second: str


def barriers_between(first: BaselineResult, second: BaselineResult) -> list[Changed]:
    """Why two results on a benchmark cannot be compared: other data, or another judge."""
    pairs = [("data", f"{first.variant} {first.sha256}", f"{second.variant} {second.sha256}")]
    if first.judged and second.judged:
        pairs.append(
            ("judge", judges_text(first.judges or (first.judge,)), judges_text(second.judges or (second.judge,)))
        )
    return [Changed(*pair) for pair in pairs if pair[1] != pair[2]]


def changes_between(first: tuple[Baseline, BaselineResult], second: tuple[Baseline, BaselineResult]) -> list[Changed]:
    """All else that differs between two results: settings, prompts, models, versions, code."""
    before, after = dict(_origins(*first)), dict(_origins(*second))
    names = dict.fromkeys((*before, *after))
    pairs = ((name, before.get(name, NONE), after.get(name, NONE)) for name in names)
    return [Changed(*pair) for pair in pairs if pair[1] != pair[2]]


def judges_text(judges: tuple[JudgeRecord, ...]) -> str:
    """Judges with their rules, in words."""
    return ", ".join(sorted(" ".join(part for part in (one.name, one.protocol, one.model) if part) for one in judges))


def _origins(run: Baseline, result: BaselineResult) -> Iterator[tuple[str, str]]:
    about, provider = run.run, result.provider
    yield "questions", about.sampled or "all"
    yield "until", about.until
    yield "top-k", str(about.top_k)
    yield "isolation", about.isolation
    yield "provider", f"{provider.name} {provider.version} {provider.api}".rstrip()
    yield from _settings("setting", provider.settings)
    yield "conformance", result.conformance or NONE
    yield "answering model", f"{result.answering_model} {result.answering_model_version}".rstrip()
    yield "answer prompt", result.answer_prompt or NONE
    yield "judge repeats", str(result.judge_repeats)
    for request in about.requests:
        yield from _settings(f"requests of {request.role} {request.name}", {**request.options, **(request.form or {})})
    if about.git is not None:
        yield "commit", about.git.commit[:12] + (" with changes" if about.git.dirty else "")
    for subject, commit in about.code.items():
        if subject != "the suite":
            yield f"code of {subject}", commit
    yield "memorybench", about.versions.memorybench
    yield "python", about.versions.python
    yield "platform", about.versions.platform
    for package, version in about.versions.packages.items():
        yield f"package {package}", version


def _settings(what: str, values: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield f"{what} {name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
