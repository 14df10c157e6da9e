"""Panels and strategies by file or by name, as a person has them at hand."""

from __future__ import annotations

from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel

__all__ = ["read_panel", "read_strategy"]


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
