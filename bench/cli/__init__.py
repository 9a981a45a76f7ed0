"""What ``python -m bench`` does beside running: catalogue, tables, clearing, importing."""

from bench.cli.caching import cache_lines
from bench.cli.catalogue import describe_benchmark, list_benchmarks
from bench.cli.checking import check_dataset
from bench.cli.clearing import clear_run
from bench.cli.converting import convert_transcripts
from bench.cli.example import write_example
from bench.cli.importing import ImportRequest, import_answers
from bench.cli.provider_check import check_provider
from bench.cli.provider_table import markdown, provider_rows, provider_settings_table, terminal_table

__all__ = [
    "ImportRequest",
    "cache_lines",
    "check_dataset",
    "check_provider",
    "clear_run",
    "convert_transcripts",
    "describe_benchmark",
    "import_answers",
    "list_benchmarks",
    "markdown",
    "provider_rows",
    "provider_settings_table",
    "terminal_table",
    "write_example",
]
