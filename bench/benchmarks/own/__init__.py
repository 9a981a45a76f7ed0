"""Own data: the format of a user's data set, what is wrong in one, and its benchmark."""

from bench.benchmarks.own.faults import Fault, faults_of
from bench.benchmarks.own.format import NAME, OwnHaystack, OwnQuestion, OwnSession, dataset_schema
from bench.benchmarks.own.mine import Mine, check_name, open_haystacks
from bench.benchmarks.own.records import read_records
from bench.benchmarks.own.source import Source, find_faults, find_source

__all__ = [
    "NAME",
    "Fault",
    "Mine",
    "OwnHaystack",
    "OwnQuestion",
    "OwnSession",
    "Source",
    "check_name",
    "dataset_schema",
    "faults_of",
    "find_faults",
    "find_source",
    "open_haystacks",
    "read_records",
]
