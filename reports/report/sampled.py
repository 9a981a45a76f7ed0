"""What a report says where a benchmark was not asked whole."""

from __future__ import annotations

from reports.metrics import Counts, Estimate, Sample, estimate_whole
from reports.store import RunRecord, SampleRecord

BY_HAND = "chosen by pytest's own options, such as -k"
RECORDED = "those with a recorded answer, or chosen by pytest's own options"


def sample_of(record: SampleRecord | None, counts: Counts, run: RunRecord) -> Sample | None:
    """The block about a sample; None where the whole benchmark was asked, or where nothing is known of the choice.

    `counts` are of the questions that `run` is about, those of an unfinished run among them.
    """
    shard, second_look_at = run.shard, run.second_look_at
    if record is None:
        return None
    selected = sum(n for clusters in counts.values() for _correct, n in clusters.values())
    questions = sum(record.population.values())
    if selected == questions:
        return None
    description = [record.description] if record.description else []
    by_hand = selected < record.chosen
    if second_look_at:
        description.append(f"what was wrong in run {second_look_at}")
    elif shard is not None:
        description.append(str(shard))
    elif by_hand:
        description.append(BY_HAND if run.answers_from is None else RECORDED)
    estimate, reason = None, None
    if run.until != "judge":
        reason = "nothing was judged"
    elif shard is not None:
        reason = "a shard is no random sample; merge the shards"
    elif second_look_at or by_hand:
        reason = "hand-picked questions are not a random sample; use --sample"
    else:
        estimate, reason = _estimate(record, counts)
    return Sample(
        description=", ".join(description),
        selected=selected,
        questions=questions,
        population=record.population,
        types=record.types,
        clusters=record.clusters,
        drawn=record.drawn,
        estimate=estimate,
        reason=reason,
    )


def _estimate(record: SampleRecord, counts: Counts) -> tuple[Estimate | None, str | None]:
    """The estimate, or why there is none."""
    population = {name: record.population[name] for name in record.types}
    made = estimate_whole(counts, population, record.clusters)
    if isinstance(made, str):
        return None, made
    by_chance = "" if record.drawn else "; the first questions are taken as if they had been drawn by chance"
    return made.model_copy(update={"method": made.method + by_chance}), None
