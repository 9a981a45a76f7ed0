"""The judge of MemoryAgentBench's FactConsolidation: its official metric as a verdict, without a model."""

from __future__ import annotations

from judges.base import Judge
from judges.content import is_refusal
from reports.metrics import substring_exact_match
from vocabulary import Answer, Gold, Question, Verdict


class SubstringExactMatchJudge(Judge):
    """Correct is an answer that holds the ground truth, as `reports.metrics.substring_exact_match` compares them.

    Where the question cannot be answered, which the metric does not know, declining is correct.
    """

    name = "substring_exact_match"
    protocol = "substring_exact_match/1"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """Grade `answer`; one that declines and does not hold the ground truth is an abstention."""
        del question
        declined = is_refusal(answer.hypothesis)
        if not gold.answerable:
            says = "declines" if declined else "does not decline"
            return Verdict(
                label="correct" if declined else "wrong", explanation=f"It cannot be answered; the answer {says}."
            )
        if substring_exact_match(answer.hypothesis, gold):
            return Verdict(label="correct", explanation="The answer holds the ground truth.")
        return Verdict(
            label="abstained" if declined else "wrong", explanation="The answer does not hold the ground truth."
        )
