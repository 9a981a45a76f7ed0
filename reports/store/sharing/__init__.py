"""One run at several places: which are at work on it, and which of them has which question.

A place is a process that takes questions of a run through the pipeline: a whole invocation, or one of its workers.
Only a run in PostgreSQL has places, in tables that no other database gets.
"""

from reports.store.sharing.batch_rows import BatchRows
from reports.store.sharing.claims import Claims, Wanted
from reports.store.sharing.closing_files import ClosingFiles
from reports.store.sharing.place_limits import PlaceLimits
from reports.store.sharing.presence import Presence, at_work, folder_id

__all__ = ["BatchRows", "Claims", "ClosingFiles", "PlaceLimits", "Presence", "Wanted", "at_work", "folder_id"]
