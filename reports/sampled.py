"""What a report says where a benchmark was not asked whole."""

from __future__ import annotations

from reports.figures import Estimate, Sample
from reports.records import SampleRecord
from reports.sample_estimate import Counts, estimate_whole

BY_HAND = "chosen by pytest's own options, such as -k"


def sample_of(
    record: SampleRecord | None, counts: Counts, *, judged: bool, second_look_at: str | None
) -> Sample | None:
    """The block about a sample; None where the whole benchmark was asked, or where nothing is known of the choice.

    `counts` are of the questions that the run is about, those of an unfinished run among them.
    """
    if record is None:
        return None
    selected = sum(n for clusters in counts.values() for _correct, n in clusters.values())
    questions = sum(record.population.values())
    if selected == questions:
        return None
    told = [record.told] if record.told else []
    by_hand = selected < record.chosen
    if second_look_at:
        told.append(f"what was wrong in run {second_look_at}")
    elif by_hand:
        told.append(BY_HAND)
    estimate, reason = None, None
    if not judged:
        reason = "nothing was judged"
    elif second_look_at or by_hand:
        reason = "questions that were picked say nothing about those that were not: --sample draws some by chance"
    else:
        estimate, reason = _estimate(record, counts)
    return Sample(
        told=", ".join(told),
        selected=selected,
        questions=questions,
        population=record.population,
        types=record.types,
        estimate=estimate,
        reason=reason,
    )


def _estimate(record: SampleRecord, counts: Counts) -> tuple[Estimate | None, str | None]:
    """The estimate, or why there is none."""
    population = {name: record.population[name] for name in record.types}
    made = estimate_whole(counts, population, record.clusters)
    if made.value is None or made.ci95 is None:
        return None, made.method
    by_chance = "" if record.drawn else "; the first questions are taken as if they had been drawn by chance"
    return Estimate(value=made.value, ci95=made.ci95, n=made.n, method=made.method + by_chance), None
