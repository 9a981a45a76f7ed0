"""``python -m bench draft-questions``: drafts by a model, decisions by a person, then a CSV of questions."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from pathlib import Path

from bench.benchmarks.own import Mine, Source, find_source, open_haystacks
from bench.cli.draft_review import accept_drafts, review, write_drafts
from bench.cli.drafting import Drafting, draft_questions, parts_of
from judges import open_judge
from llms.clients import open_chat, read_options
from vocabulary import ConfigurationError


def draft_command(chosen: Namespace) -> None:
    """Draft with `--model`; without it, or after `--review`, write what was accepted. Raises `MemoryBenchError`."""
    source = find_source(chosen.dataset)
    stem = source.path.resolve() if source.path.is_dir() else source.path.with_suffix("")
    drafts: Path = chosen.drafts or stem.with_name(f"{stem.name}.drafts.csv")
    questions: Path = chosen.to or _questions_beside(source)
    if chosen.model:
        if drafts.exists():
            raise ConfigurationError(f"{drafts} exists. Name a new file with --drafts, or leave --model out.")
        drafting = _draft(chosen, source)
        write_drafts(drafts, drafting.drafts, chosen.model)
        _show(drafting, drafts)
    if chosen.review:
        review(drafts, input, print)
    elif chosen.model:
        print(
            f"decide in its column accept (yes or no), or with: python -m bench draft-questions {source.path} --review"
        )
        print(f"then write the accepted ones with: python -m bench draft-questions {source.path}")
        return
    accepted, undecided = accept_drafts(drafts, questions)
    left = f", {undecided} not decided about" if undecided else ""
    if not accepted:
        raise ConfigurationError(
            f"{drafts}: no draft is accepted{left}. Write yes into the column accept, or --review."
        )
    print(f"{questions}: {accepted} questions accepted{left}")
    asked = source.path if source.path.is_dir() else questions
    print(f"python -m bench check {asked}, then: pytest bench -k mine --dataset {asked}")


def _questions_beside(source: Source) -> Path:
    """Where questions are read with the data set: in its folder, or as a CSV beside its file."""
    if source.path.is_dir():
        return source.path / "drafted.csv"
    return source.path.with_suffix(".drafted.csv" if source.path.suffix.lower() == ".csv" else ".csv")


def _draft(chosen: Namespace, source: Source) -> Drafting:
    chat = open_chat(chosen.model, read_options(chosen.model_option, "answer"))
    judge = open_judge(chosen.judge, read_options(chosen.model_option, "judge")).for_protocol(Mine.protocol)
    found = open_haystacks(source)
    names = chosen.haystack or list(found)
    if unknown := [name for name in names if name not in found]:
        raise ConfigurationError(f"--haystack {unknown[0]}: the data set has {', '.join(found)}.")
    parts = [part for name in names for part in parts_of(name, found[name], chosen.context_tokens, chosen.questions)]
    return asyncio.run(draft_questions(parts, chosen.questions, chat, judge, chosen.in_flight, print))


def _show(drafting: Drafting, drafts: Path) -> None:
    for reason, count in sorted(drafting.dropped.items()):
        print(f"  removed: {count} ({reason})")
    if drafting.errors:
        print(f"  calls that failed: {len(drafting.errors)}; the first: {drafting.errors[0]}")
    usage = drafting.usage
    print(f"  {usage.calls} calls, {usage.input_tokens:,} tokens read, {usage.output_tokens:,} written")
    print(f"{drafts}: {len(drafting.drafts)} drafts")
