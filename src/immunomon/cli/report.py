"""The body of ``immunomon report``: a run folder becomes one HTML page."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from immunomon.outputs.report import write_report

__all__ = ["report"]


def report(run: Path, out: Path | None = None, open_browser: bool = False) -> int:
    """Write the report of a run folder, say where it is, and return the exit code 0.

    Raises BadSpec if the folder is not a run's.
    """
    page = write_report(run, out)
    sys.stdout.write(f"{page}\n")
    if open_browser:
        webbrowser.open(page.resolve().as_uri())
    return 0
