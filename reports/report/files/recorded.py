"""A run as comparisons need it: from a run's folder, its report.json, or a baseline file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reports.differences import Baseline, BaselineResult, BaselineRun, Marks, mark, pack_result, read_baseline
from reports.report.audits import why
from reports.report.files.lines import RESULTS, RETRIEVED, RetrievedLine, read_file
from reports.report.files.writing import REPORT
from reports.report.model import Report, Result
from reports.store import JudgeRecord, Step, list_runs, newest_run
from vocabulary import CheckpointError, ConfigurationError

PAID = ("answer", "judge")


def find_baseline(text: str, runs_dir: Path) -> Baseline:
    """What `text` names: a run in `runs_dir` (or ``last``), its folder, its report.json, a baseline file.

    ``NAME/PROVIDER`` is one provider of it. Raises `ConfigurationError` if there is no such, or it cannot be read.
    """
    if (found := _find(text, runs_dir)) is not None:
        return found
    name, slash, provider = text.rpartition("/")
    if slash and name and (found := _find(name, runs_dir)) is not None:
        return found.only(provider)
    there = ", ".join(list_runs(runs_dir)[-5:]) if runs_dir.is_dir() else ""
    raise ConfigurationError(
        f"there is no run {text!r} in {runs_dir}, and no such file or folder. Name a run, its folder, its report.json, "
        f"or a file that `python -m reports baseline RUN` made. The latest runs there: {there or 'none'}."
    )


def lasting_name(text: str, runs_dir: Path) -> str:
    """What names the same as `text` later and from another folder: ``last`` is another run by then."""
    if text == "last" and runs_dir.is_dir():
        return newest_run(runs_dir)
    whole, (name, slash, provider) = Path(text).expanduser(), text.rpartition("/")
    if (runs_dir / text).exists() or (name and (runs_dir / name).exists()):
        return text
    if whole.exists():
        return str(whole.absolute())
    part = Path(name).expanduser()
    return f"{part.absolute()}{slash}{provider}" if name and part.exists() else text


def check_baseline(baseline: Baseline) -> None:
    """Make sure that runs may be held against `baseline`: it measured the whole of what it selected.

    Raises `ConfigurationError` otherwise.
    """
    run = baseline.run
    if run.second_look_at:
        raise ConfigurationError(
            f"run {run.id} is a second look at {run.second_look_at}: it asked only what was wrong there, and is no "
            f"baseline. Take {run.second_look_at}."
        )
    if not run.finished:
        raise ConfigurationError(f"run {run.id} is not finished and is no baseline: finish it with --run-id {run.id}.")


def _find(text: str, runs_dir: Path) -> Baseline | None:
    if text == "last" and runs_dir.is_dir():
        return baseline_of(runs_dir / newest_run(runs_dir))
    for path in (runs_dir / text, Path(text).expanduser()):
        if path.is_dir():
            return baseline_of(path)
        if path.is_file():
            return baseline_of(path.parent) if path.name == REPORT else read_baseline(path)
    return None


def baseline_of(folder: Path) -> Baseline:
    """The run in `folder`; raises `ConfigurationError` if its files are not there, or cannot be read."""
    report = read_report(folder)
    try:
        marks = _marks(folder, report)
    except OSError as error:
        message = f"{folder} has no {Path(error.filename or RESULTS).name}: compare needs the file beside {REPORT}."
        raise ConfigurationError(message) from error
    except (ValueError, KeyError, IndexError) as error:
        again = "have it written anew by the run's command with --run-id"
        raise CheckpointError(f"{folder / RESULTS} cannot be read ({error!r}): {again}.") from error
    results = tuple(_result(one, marks[one.provider.name, one.benchmark.name]) for one in report.results)
    run, settings = report.run, report.run.settings
    about = BaselineRun(
        id=run.id, finished=run.finished is not None, second_look_at=settings.second_look_at, until=settings.until,
        top_k=settings.top_k, isolation=settings.isolation, selection=settings.selection, sampled=settings.sampled,
        versions=run.versions, git=run.git, code=run.code, requests=run.requests,
    )  # fmt: skip
    return Baseline(run=about, results=results)


def read_report(folder: Path) -> Report:
    """The report in a run's `folder`.

    Raises `ConfigurationError` if there is none yet, `CheckpointError` if it cannot be read.
    """
    path = folder / REPORT
    if not path.is_file():
        raise ConfigurationError(f"there is no {path}: a run gets its report when pytest ends.")
    try:
        return Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{path} cannot be read ({why(error)}): have it written anew by the run's command with --run-id."
        raise CheckpointError(message) from error


def _result(result: Result, marks: list[Marks]) -> BaselineResult:
    judge = JudgeRecord(name=result.judge.name, protocol=result.judge.protocol, model=result.judge.model)
    each = (JudgeRecord(name=one.name, protocol=one.protocol, model=one.model) for one in result.judges)
    retrieval, benchmark = result.retrieval, result.benchmark
    return pack_result(
        marks, provider=result.provider, conformance=result.conformance.summary, benchmark=benchmark.name,
        variant=benchmark.variant, sha256=benchmark.sha256, answering_model=result.answering_model,
        answering_model_version=result.answering_model_details.version, answer_prompt=result.answer_prompt,
        judge=judge, judges=tuple(each), judged=result.accuracy is not None, types=benchmark.types,
        judge_repeats=max((len(one.by_repeat) for one in result.judges), default=0) or 1,
        levels=tuple(level for level in ("message", "session") if getattr(retrieval, level) is not None),
    )  # fmt: skip


def _marks(folder: Path, report: Report) -> dict[tuple[str, str], list[Marks]]:
    retrieved = [RetrievedLine.model_construct(**_sources(line)) for line in read_file(folder / RETRIEVED)]
    found: dict[tuple[str, str], list[Marks]] = defaultdict(list)
    share = _shares(folder, report)
    for line in _lines(folder):
        steps = [Step.model_validate(step) for step in line["steps"]]
        results = None if line["results"] is None else [retrieved[number] for number in line["results"]]
        pair = line["provider"], line["benchmark"]
        found[pair].append(
            mark(
                line["question_id"], line["question_type"], line["cluster"], line["outcome"],
                answerable=line["answerable"], groups=line["groups"],
                evidence={"message": line["evidence_messages"], "session": line["evidence_sessions"]},
                results=results, steps=steps, context_tokens=line["context_tokens"],
                usd=_usd(steps, share[pair]) if pair in share else None,
            )
        )  # fmt: skip
    return found


def _sources(line: str) -> dict[str, Any]:  # Any: parsed JSON
    parsed = json.loads(line)
    return {"message_ids": tuple(parsed["message_ids"]), "session_ids": tuple(parsed["session_ids"])}


def _shares(folder: Path, report: Report) -> dict[tuple[str, str], dict[str, float]]:
    """Dollars a token by phase, where the price of a result is known: what a phase cost over what it used."""
    costs = {
        (one.provider.name, one.benchmark.name): {phase: part.usd for phase, part in one.cost.by_phase.items()}
        for one in report.results
        if one.cost is not None and one.cost.usd is not None
    }
    if not costs:
        return {}
    used: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in _lines(folder):
        for phase, tokens in _tokens(Step.model_validate(step) for step in line["steps"]):
            used[line["provider"], line["benchmark"]][phase] += tokens
    return {
        pair: {phase: (usd or 0.0) / used[pair][phase] for phase, usd in by_phase.items() if used[pair][phase]}
        for pair, by_phase in costs.items()
    }


def _tokens(steps: Iterable[Step]) -> Iterator[tuple[str, int]]:
    for step in steps:
        if step.phase in PAID and step.usage is not None and step.attempts:
            yield step.phase, step.usage.input_tokens + step.usage.output_tokens


def _usd(steps: list[Step], share: Mapping[str, float]) -> float:
    return sum(share.get(phase, 0.0) * tokens for phase, tokens in _tokens(steps))


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in read_file(folder / RESULTS))
