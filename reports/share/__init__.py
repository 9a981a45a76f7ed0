"""Runs outside of this suite: tables for other programs, Markdown for pages and CI."""

from reports.share.columns import COLUMNS, TEXTS, Column, rows_of
from reports.share.export import csv_lines, json_lines, write_parquet
from reports.share.output import new_file
from reports.share.summary import append_summary, job_summary, newest_failures, summary_file, summary_table

__all__ = [
    "COLUMNS",
    "TEXTS",
    "Column",
    "append_summary",
    "csv_lines",
    "job_summary",
    "json_lines",
    "new_file",
    "newest_failures",
    "rows_of",
    "summary_file",
    "summary_table",
    "write_parquet",
]
