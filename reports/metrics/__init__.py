"""The published figures and how they are computed: statistics, retrieval, answers, latency, agreement."""

from reports.metrics.agreement import cohen, cohen_kappa, fleiss, judge_noise
from reports.metrics.answers import AnswerMean
from reports.metrics.cost_figures import Calls, Cost, PhaseCost, Tokens
from reports.metrics.documented import Documented
from reports.metrics.figures import (
    F1,
    Accuracy,
    Block,
    Breakdown,
    Comparison,
    Context,
    Estimate,
    Failure,
    JudgeNoise,
    Latency,
    Milliseconds,
    OfficialAccuracy,
    OfficialRetrieval,
    Outcomes,
    PhaseLatency,
    Questions,
    Ratio,
    RetrievalLevels,
    Sample,
    StepLatency,
)
from reports.metrics.latency import summarise
from reports.metrics.official_accuracy import OFFICIAL_ACCURACY
from reports.metrics.official_retrieval import OFFICIAL_RETRIEVAL
from reports.metrics.prompt_counts import PromptCounts
from reports.metrics.retrieval import (
    FAILED,
    K,
    Level,
    RetrievalMean,
    RetrievalScores,
    Sourced,
    ranking_of,
    score_ranking,
)
from reports.metrics.sample_estimate import Counts, estimate_whole
from reports.metrics.statistics import ExactMean, compare, interval, paired_interval

__all__ = [
    "F1",
    "FAILED",
    "OFFICIAL_ACCURACY",
    "OFFICIAL_RETRIEVAL",
    "Accuracy",
    "AnswerMean",
    "Block",
    "Breakdown",
    "Calls",
    "Comparison",
    "Context",
    "Cost",
    "Counts",
    "Documented",
    "Estimate",
    "ExactMean",
    "Failure",
    "JudgeNoise",
    "K",
    "Latency",
    "Level",
    "Milliseconds",
    "OfficialAccuracy",
    "OfficialRetrieval",
    "Outcomes",
    "PhaseCost",
    "PhaseLatency",
    "PromptCounts",
    "Questions",
    "Ratio",
    "RetrievalLevels",
    "RetrievalMean",
    "RetrievalScores",
    "Sample",
    "Sourced",
    "StepLatency",
    "Tokens",
    "cohen",
    "cohen_kappa",
    "compare",
    "estimate_whole",
    "fleiss",
    "interval",
    "judge_noise",
    "paired_interval",
    "ranking_of",
    "score_ranking",
    "summarise",
]
