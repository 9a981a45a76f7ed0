"""How questions are dealt to xdist's workers: contiguous shards, and containers that stay with one worker."""

from bench.plugin.scheduler.controller import Controller, Handed, handed_to, report_refusal
from bench.plugin.scheduler.shards import upcoming_items, worker_number
from bench.plugin.scheduler.shares import begin_shares, groups_file, share_of, write_groups

__all__ = [
    "Controller",
    "Handed",
    "begin_shares",
    "groups_file",
    "handed_to",
    "report_refusal",
    "share_of",
    "upcoming_items",
    "worker_number",
    "write_groups",
]
