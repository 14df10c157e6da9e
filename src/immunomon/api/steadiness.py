"""Steadiness: which bridge samples break Westgard's rules, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw_steadiness", "judge_steadiness"]


def judge_steadiness(run: str | Path | Run, panel: str | None = None) -> pd.DataFrame:
    """Return the table ``steadiness`` of a run: each value of a bridge sample, judged by Westgard's rules.

    panel: only this one. Raises BadRun, UnknownName.
    """
    opened = find_run(run)
    table = opened.table("steadiness")
    return table if panel is None else table[table["panel"] == opened.known_panel(panel)]


def draw_steadiness(table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Draw the charts of such a table into a folder, one PNG a panel; return the files."""
    from immunomon.plots.quality_control import write_charts

    return write_charts(table, Path(folder))
