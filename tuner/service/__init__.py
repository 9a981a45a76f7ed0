"""Studies over HTTP, for programs that are not Python or run elsewhere: ``python -m tuner serve``, and its clients."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.service.calls import TunerError
    from tuner.service.client import AsyncTunerClient, TunerClient
    from tuner.service.messages import ObjectiveSpec, ParameterSpec, StudyRecord, StudySpec, StudySummary, TrialRecord
    from tuner.service.serving import serve

_HOMES = {"TunerError": "calls", "AsyncTunerClient": "client", "TunerClient": "client", "serve": "serving"}


def __getattr__(name: str) -> object:
    """Import a part when it is used: a client needs neither FastAPI nor Optuna."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'messages')}"), name)


__all__ = [
    "AsyncTunerClient",
    "ObjectiveSpec",
    "ParameterSpec",
    "StudyRecord",
    "StudySpec",
    "StudySummary",
    "TrialRecord",
    "TunerClient",
    "TunerError",
    "serve",
]
