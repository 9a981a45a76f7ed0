"""``--answers RUN``: what a run that only judges takes from there, and which options have no use in it."""

from __future__ import annotations

from bench.config import BenchmarkConfig, option_name
from bench.published import RecordedAnswers
from vocabulary import ConfigurationError

_NO_USE = (
    *("provider_option", "answering_model", "answer_prompt", "context_tokens", "abstain_below", "abstain_gap"),
    *("top_k", "isolation", "as_of", "until"),
)


def only_judging(config: BenchmarkConfig, recorded: RecordedAnswers, run_id: str) -> BenchmarkConfig:
    """`config` for judging the `recorded` answers: its providers are theirs, and the run is named by its id.

    Raises `ConfigurationError` for options that would change what is not done again.
    """
    given = config.model_dump(include={*_NO_USE}, exclude_defaults=True)
    if config.retry_from not in (None, "judge"):
        given["retry_from"] = config.retry_from
    for name, value in given.items():
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
        raise ConfigurationError(
            f"{option_name(name)} {shown} has no use with --answers {config.answers}: its answers are recorded, and "
            "only judged. Leave one of the two out."
        )
    if run_id == recorded.run.id:
        raise ConfigurationError(
            f"--answers {config.answers}: run {run_id} holds these answers; its verdicts go into another --run-id."
        )
    chosen = config.provider if config.provider != _default_provider() else None
    names = tuple(record.name for record in recorded.providers(chosen))
    answers = recorded.run.id if recorded.folder.parent == config.runs_dir else str(recorded.folder.absolute())
    return config.model_copy(update={"provider": names, "answers": answers})


def _default_provider() -> object:
    return BenchmarkConfig.model_fields["provider"].default
