"""Limits on the calls to services: one process adapts, workers share files, places share their database."""

from net.limits.in_folder import Schedule, SharedSlots
from net.limits.limiter import LONGEST_PAUSE_SECONDS, AdaptiveLimit, Limiter
from net.limits.over_places import OverPlaces
from net.limits.run_limits import ALL, Booked, Demand, Division, RunLimits

__all__ = [
    "ALL",
    "LONGEST_PAUSE_SECONDS",
    "AdaptiveLimit",
    "Booked",
    "Demand",
    "Division",
    "Limiter",
    "OverPlaces",
    "RunLimits",
    "Schedule",
    "SharedSlots",
]
