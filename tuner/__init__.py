"""Better settings for a memory system: a search with Optuna whose measure is this suite, and an honest verdict."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.evaluation import TrialMetrics, TrialOptions, evaluate


def __getattr__(name: str) -> object:
    """Import the pipeline when a trial is run: a mistyped option does not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import tuner.evaluation

    return getattr(tuner.evaluation, name)


__all__ = ["TrialMetrics", "TrialOptions", "evaluate"]
