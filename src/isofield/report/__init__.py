"""Looks at a Scene and its files; knows no system."""

from isofield.report.contents import Contents
from isofield.report.report import write_report

__all__ = ["Contents", "write_report"]
