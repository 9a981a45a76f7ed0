"""``python -m reports serve``: the runs of a folder as a site to be read, and live pages of those that go on."""

from reports.serve.serving import serve
from reports.serve.site import build_site

__all__ = ["build_site", "serve"]
