"""What a search may change, and between what: as settings declare it, and as a command narrows it."""

from tuner.spaces.narrowing import narrow, parse
from tuner.spaces.space import PRESETS, Kind, Parameter, Preset, Space, space_of

__all__ = ["PRESETS", "Kind", "Parameter", "Preset", "Space", "narrow", "parse", "space_of"]
