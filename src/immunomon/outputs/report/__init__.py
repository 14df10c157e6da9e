"""The report: a run folder as one HTML page that needs nothing but a browser."""

from immunomon.outputs.report.page import write_report

__all__ = ["write_report"]
