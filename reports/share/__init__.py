"""Runs outside of this suite: tables for other programs, Markdown for pages and CI."""

from reports.share.board import Board, board_page, make_board
from reports.share.bundle import write_bundle
from reports.share.columns import COLUMNS, TEXTS, Column, rows_of
from reports.share.comment import comment, marker
from reports.share.export import csv_lines, json_lines, write_parquet
from reports.share.output import new_file
from reports.share.secrets import Secrets
from reports.share.summary import append_summary, job_summary, newest_failures, summary_file, summary_table
from reports.share.verify import Verification, verify_bundle

__all__ = [
    "COLUMNS",
    "TEXTS",
    "Board",
    "Column",
    "Secrets",
    "Verification",
    "append_summary",
    "board_page",
    "comment",
    "csv_lines",
    "job_summary",
    "json_lines",
    "make_board",
    "marker",
    "new_file",
    "newest_failures",
    "rows_of",
    "summary_file",
    "summary_table",
    "verify_bundle",
    "write_bundle",
    "write_parquet",
]
