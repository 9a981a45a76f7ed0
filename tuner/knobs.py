"""Parameters that change nothing: found on a small sample before a search spends its trials on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuner.evaluation import TrialMetrics
from tuner.objectives import cutoff_of
from tuner.settings import StudySettings
from tuner.spaces import Parameter
from vocabulary import SettingValue

SAMPLE = 40
"""Questions of the tune part that each value is tried on."""

Params = Mapping[str, SettingValue]


def dead_parameters(
    settings: StudySettings, measure: Callable[[Params, str], TrialMetrics], note: Callable[[str], None]
) -> dict[str, str]:
    """The parameters whose ends give the same results and answers as the defaults, each with the words for it.

    Where every objective and constraint looks at the first k places of a ranking, what is below them does not count.
    A parameter that only matters at certain values of others is tried at these. `measure` runs settings over `SAMPLE`
    questions of the tune part, under a name of its own; what it raises is raised.
    """
    space, dead = settings.parameters, {}
    tried: dict[str, object] = {}

    def outcome(params: Params) -> object:
        key = repr(sorted(params.items()))
        if key not in tried:
            tried[key] = _seen(measure(params, f"knob-{len(tried):02d}"), settings)
        return tried[key]

    for parameter in space:
        note(f"does {parameter.name} matter?")
        base = dict(space.defaults)
        for name, values in parameter.active_if.items():
            base[name] = values[0]
        base[parameter.name] = parameter.default
        reference = outcome(base)
        if all(outcome({**base, parameter.name: value}) == reference for value in parameter.ends()):
            dead[parameter.name] = _words(parameter)
    return dead


def _seen(done: TrialMetrics, settings: StudySettings) -> object:
    """What of a run the objectives may depend on, but for times."""
    cutoffs = [cutoff_of(metric) for metric in settings.figures]
    known = [k for k in cutoffs if k is not None]
    deepest = max(known) if len(known) == len(cutoffs) else None
    return [(one.question, one.found[0][:deepest], one.found[1], one.values.get("accuracy")) for one in done.scores]


def _words(parameter: Parameter) -> str:
    tried = ", ".join(str(value) for value in parameter.ends())
    return f"{tried} give what the default {parameter.default} gives, on up to {SAMPLE} questions of the tune part"
