"""Looks at a Scene and its files; knows no system."""

from isofield.report.report import Contents, write_report

__all__ = ["Contents", "write_report"]
