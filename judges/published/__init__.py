"""Judges measured on imported answers that carry their publisher's grades."""

from judges.published.audit import PublishedAudit, audit_published, published_json, published_rows
from judges.published.sets import LabelledSet, read_sets

__all__ = ["LabelledSet", "PublishedAudit", "audit_published", "published_json", "published_rows", "read_sets"]
