"""report.html: a run as one page that a browser opens from disk, without network.

Its scripts take their data from one object, a source, so that a server can give them another.
"""

from reports.html.writing import PAGE, RESULTS_KEPT, write_html

__all__ = ["PAGE", "RESULTS_KEPT", "write_html"]
