"""Pages of HTML that stand alone: one file that makes no request to any network."""

from reports.pages.axis import Axis
from reports.pages.charts import Bar, Bars, Dot, Interval, Intervals, Lines, Scatter, Series
from reports.pages.rendering import render, write_page

__all__ = [
    "Axis",
    "Bar",
    "Bars",
    "Dot",
    "Interval",
    "Intervals",
    "Lines",
    "Scatter",
    "Series",
    "render",
    "write_page",
]
