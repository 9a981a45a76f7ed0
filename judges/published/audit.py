"""How a judge grades imported answers whose publisher graded them too: by set, by part and by question type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from judges.audit import Graded
from judges.base import Judge
from judges.published.sets import LabelledAnswer, LabelledSet
from reports.metrics import Accuracy, Block, Ratio, cohen, cohen_interval, interval

GradedAnswer = Graded[LabelledAnswer]


class PublishedPart(Block):
    """A part of a labelled set. Intervals take the answers about one conversation for one cluster."""

    name: str
    """"all", "held out", "open" (what is not held out), or a question type."""
    n: int
    errors: int
    """Answers that the judge gave no verdict on: not agreeing, and in none of the other figures."""
    agreed: Accuracy | None
    """Verdicts that are the same as the published one, or as the label of what is wrong on purpose."""
    kappa: Ratio | None
    kappa_ci95: tuple[Ratio, Ratio] | None
    wrong_accepted: Accuracy | None
    """Of the answers that are labelled wrong."""
    right_rejected: Accuracy | None
    """Of the answers that are labelled right."""


class PublishedAudit(Block):
    """One judge on one labelled set."""

    name: str
    judge: str
    protocol: str
    all_wrong: bool
    parts: tuple[PublishedPart, ...]


def audit_published(judge: Judge, labelled: LabelledSet, graded: Sequence[GradedAnswer]) -> PublishedAudit:
    """The figures of `judge` over the answers of a set that it graded."""
    types = dict.fromkeys(one.item.gold.question_type for one in graded)
    parts = {
        "all": list(graded),
        "held out": [one for one in graded if one.item.held_out],
        "open": [one for one in graded if not one.item.held_out],
        **{name: [one for one in graded if one.item.gold.question_type == name] for name in sorted(types)},
    }
    return PublishedAudit(
        name=labelled.name,
        judge=judge.name,
        protocol=judge.protocol,
        all_wrong=labelled.all_wrong,
        parts=tuple(_part(name, of) for name, of in parts.items() if of),
    )


def _part(name: str, graded: Sequence[GradedAnswer]) -> PublishedPart:
    decided = [one for one in graded if one.verdict is not None]
    clusters: dict[str, Counter[tuple[bool, bool]]] = {}
    for one in decided:
        clusters.setdefault(one.item.cluster, Counter())[one.item.right, one.accepted] += 1
    pairs: Counter[tuple[bool, bool]] = sum(clusters.values(), Counter())
    same = [(one, one.verdict is not None and one.accepted == one.item.right) for one in graded]
    return PublishedPart(
        name=name,
        n=len(graded),
        errors=len(graded) - len(decided),
        agreed=_share(same),
        kappa=cohen(pairs).value,
        kappa_ci95=cohen_interval(list(clusters.values())),
        wrong_accepted=_share([(one, one.accepted) for one in decided if not one.item.right]),
        right_rejected=_share([(one, not one.accepted) for one in decided if one.item.right]),
    )


def _share(found: Sequence[tuple[GradedAnswer, bool]]) -> Accuracy | None:
    counts: dict[str, tuple[int, int]] = {}
    for one, true in found:
        right, n = counts.get(one.item.cluster, (0, 0))
        counts[one.item.cluster] = right + true, n + 1
    return interval(counts)


def published_rows(audit: PublishedAudit) -> Iterator[tuple[str, ...]]:
    """A table of `audit`, its heading first."""
    yield "PART", "N", "AGREED", "KAPPA", "WRONG ACCEPTED", "RIGHT REJECTED", "ERRORS"
    for part in audit.parts:
        between = "" if part.kappa_ci95 is None else " [{:.3f}, {:.3f}]".format(*part.kappa_ci95)
        kappa = "-" if part.kappa is None or audit.all_wrong else f"{part.kappa:.3f}{between}"
        shares = _shown(part.wrong_accepted), _shown(part.right_rejected)
        yield part.name, str(part.n), _shown(part.agreed), kappa, *shares, str(part.errors)


def _shown(share: Accuracy | None) -> str:
    return "-" if share is None else "{:.3f} [{:.3f}, {:.3f}]".format(share.value, *share.ci95)


def published_json(audits: Sequence[PublishedAudit], graded: Sequence[GradedAnswer]) -> str:
    """The figures and all verdicts, for ``--json``."""
    items = [
        {
            "id": one.item.id,
            "right": one.item.right,
            "held_out": one.item.held_out,
            "verdict": one.verdict.label if one.verdict else None,
            "explanation": one.verdict.explanation if one.verdict else None,
            "error": f"{type(one.error).__name__}: {one.error}" if one.error else None,
        }
        for one in graded
    ]
    found = {"audits": [audit.model_dump(mode="json") for audit in audits], "items": items}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
