"""Explore: a panel's cells laid out in a plane, as a page; laid out first where they are not yet."""

from __future__ import annotations

from pathlib import Path

from immunomon.maps.atlas.embed import embed_run
from immunomon.maps.atlas.explorer import Explorer, explore_atlas
from immunomon.runs.journal import Progress
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

__all__ = ["explore_run"]


def explore_run(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    projected: bool = False,
    most: int = 1_000_000,
    study: str | Path | None = None,
    progress: Progress | None = None,
) -> Explorer:
    """Return a panel's atlas as a page to explore, as ``immunomon explore`` writes it.

    panel: default the study's first. projected: the cells that ``immunomon project`` put onto it. most: so many
    cells. Raises BadRun if the atlas is of an earlier state of the run, with the command that renews it.
    """
    opened = find_run(run, study)
    name = opened.known_panel(panel)
    if not opened.has_atlas(name):
        embed_run(opened, name, study=study, progress=progress)
    return explore_atlas(opened, name, projected=projected, most=most, progress=progress)
