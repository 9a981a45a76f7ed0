"""The published grades of imported answers beside this run's verdicts, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from reports.report import AgainstPublished, PublishedGrades, Report


def published_lines(report: Report) -> Iterator[str]:
    """What the publisher's grades come to, and how far each judge agrees with them."""
    for result in report.results:
        grades = result.published
        if grades is None or grades.accepted is None:
            continue
        who = f"{result.provider.name} on {result.benchmark.name}"
        yield f"{who}: {_published(grades)}"
        for judge in grades.judges:
            yield f"  {judge.judge}: {_against(judge, all_wrong=grades.all_wrong)}"


def _published(grades: PublishedGrades) -> str:
    assert grades.accepted is not None
    low, high = grades.accepted.ci95
    accepts = "accept" if not grades.all_wrong else "wrongly accept"
    stated = "" if grades.stated is None else f"; stated {grades.stated:.10g}"
    return (
        f"published grades {accepts} {grades.accepted.value:.3f} [{low:.3f}, {high:.3f}] ({grades.accepted.correct:,} "
        f"of {grades.n:,}), mean grade {grades.mean_grade:.10g}{stated}"
    )


def _against(judge: AgainstPublished, *, all_wrong: bool) -> str:
    share = judge.accepted / judge.n if judge.n else 0.0
    kappa = "undefined" if judge.cohen_kappa is None else f"{judge.cohen_kappa:.3f}"
    between = "" if judge.kappa_ci95 is None else " [{:.3f}, {:.3f}]".format(*judge.kappa_ci95)
    agreed = "" if judge.agreed is None else f", agrees on {judge.agreed:.1%}"
    return (
        f"{'wrongly accepts' if all_wrong else 'accepts'} {share:.3f} ({judge.accepted:,} of {judge.n:,}){agreed}, "
        f"kappa {kappa}{between}; {judge.only_published:,} accepted only as published, {judge.only_here:,} only here"
    )
