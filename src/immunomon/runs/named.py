"""Panels, strategies, matrices and runs by file or by name, as a person has them at hand."""

from __future__ import annotations

from pathlib import Path

from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import ImmunomonError
from immunomon.runs.opened import Run, open_run
from immunomon.runs.prepared import Compensation
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel

__all__ = ["find_gates", "find_run", "read_compensation", "read_panel", "read_strategy"]


def read_panel(named: str | Path) -> Panel:
    """Return a panel from its file, or the shipped one of this name; raises BadSpec with every problem.

    >>> read_panel("treg").marker("CD25").detector
    'PE-A'
    """
    path = Path(named)
    return load_panel(path if path.is_file() else find_panel(str(named)))


def read_strategy(named: str | Path, panel: Panel | None = None) -> GatingStrategy:
    """Return a gating strategy from its file, or the shipped one of this name; raises BadSpec with every problem.

    panel: its axes are looked up in this panel, too.

    >>> read_strategy("treg", read_panel("treg")).ids[-1]
    'treg_activated'
    """
    path = Path(named)
    return load_strategy(path if path.is_file() else find_strategy(str(named)), methods=GATE_METHODS, panel=panel)


def read_compensation(named: str | Path, panel: Panel | None = None) -> Compensation:
    """Return which matrix to use: ``file`` (a file's own), ``none``, or a CSV matrix by its path; raises BadSpillover.

    panel: tells the detectors of a matrix that names markers.

    >>> read_compensation("none").from_file
    False
    """
    if str(named) == "file":
        return Compensation()
    matrix = None if str(named) == "none" else read_matrix_csv(Path(named), () if panel is None else (panel,))
    return Compensation(from_file=False, matrix=matrix)


def find_run(run: str | Path | Run, study: str | Path | None = None) -> Run:
    """Return a run that is opened already, or open the one in a folder; raises BadRun if there is none."""
    return run if isinstance(run, Run) else open_run(run, study)


def find_gates(
    named: str | Path, panel: str | Path | None = None
) -> tuple[GatingStrategy | PlacedStrategy, Panel | None, Path]:
    """Return a strategy by its file or name, the panel it is used with, and its file; raises BadSpec.

    named: a strategy, or the gates of another program (Gating-ML), judged by the file's contents. panel: a file or a
    name; None for the one that the strategy names, if it can be found.

    >>> [str(part.name) for part in find_gates("treg")]
    ['treg', 'treg', 'treg.yaml']
    """
    path = Path(named) if Path(named).is_file() else find_strategy(str(named))
    declared = _declared(path)
    hint = declared.panel if isinstance(declared, GatingStrategy) else None
    return declared, _panel_of(panel or hint, path, required=panel is not None), path


def _declared(path: Path) -> GatingStrategy | PlacedStrategy:
    if path.suffix.lower() not in (".yaml", ".yml"):
        from immunomon.cytometry.formats.gatingml import read_gatingml
        from immunomon.cytometry.formats.xmltree import root_tag

        if root_tag(path) is not None:
            return read_gatingml(path)
    return load_strategy(path, methods=GATE_METHODS)


def _panel_of(named: str | Path | None, strategy_file: Path, *, required: bool) -> Panel | None:
    if named is None:
        return None
    if Path(named).is_file():
        return load_panel(Path(named))
    try:
        return load_panel(find_panel(str(named), strategy_file.resolve().parent.parent))
    except ImmunomonError:
        if required:
            raise
        return None  # a strategy's panel is a hint here: without it the file's own channel names hold
