"""Gate files without a study, by a strategy: a row per file and population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunomon.cytometry.specs.dated import dated_lines
from immunomon.runs.files import COLUMNS, Row, alike_once, gate_files
from immunomon.runs.jobs import default_jobs
from immunomon.runs.named import find_gates, read_compensation
from immunomon.study.model.fcs import AS_JUDGED, Reading
from immunomon.study.model.strategy import GatingStrategy

if TYPE_CHECKING:
    from immunomon.runs.journal import Progress

__all__ = ["COLUMNS", "GatedTable", "Row", "alike_once", "gate_by_strategy", "is_workspace_file"]


@dataclass(frozen=True)
class GatedTable:
    """Files that were gated: a row per file and population, why files failed, and what is to be said.

    notes: what was repaired, not compensated, left out and not placed. warnings: what is dated in the strategy.
    """

    rows: list[Row]
    failures: list[str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def gate_by_strategy(
    strategy: str | Path,
    files: Sequence[str | Path],
    *,
    panel: str | Path | None = None,
    compensation: str | Path = "file",
    reading: Reading = AS_JUDGED,
    memberships: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> GatedTable:
    """Gate files by a strategy or by Gating-ML, as ``immunomon gate`` does; return the table.

    strategy: a file, or the name of a shipped one. panel: default the strategy's. memberships: a folder for which event
    is in which population. jobs: files at once; default: as many as there are processors. Raises BadSpec, BadSpillover;
    a file that cannot be gated is a failure.
    """
    declared, using, path = find_gates(strategy, panel)
    notes: list[str] = []
    rows, failures = gate_files(
        [Path(file) for file in files],
        declared,
        panel=using,
        compensation=read_compensation(compensation, using),
        reading=reading,
        memberships=None if memberships is None else Path(memberships),
        jobs=jobs or default_jobs(),
        progress=progress,
        say_note=notes.append,
    )
    warnings = dated_lines(path) if isinstance(declared, GatingStrategy) else ()
    return GatedTable(rows, failures, tuple(notes), tuple(warnings))


def is_workspace_file(path: str | Path) -> bool:
    """Say whether a file is the workspace of another program, judged by its contents; the name of a strategy is not."""
    file = Path(path)
    if file.suffix.lower() in ("", ".yaml", ".yml") or not file.is_file():
        return False
    # Readers of other programs' files take longer to import than one file to gate.
    from immunomon.cytometry.formats.workspaces import is_workspace

    return is_workspace(file)
