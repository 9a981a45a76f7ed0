"""Pages of HTML that stand alone: one file, no script, no request to any network."""

from reports.pages.axis import Axis
from reports.pages.charts import Bar, Bars, Dot, Scatter
from reports.pages.rendering import render, write_page

__all__ = ["Axis", "Bar", "Bars", "Dot", "Scatter", "render", "write_page"]
