"""Panels in use: which strategies look at a panel's tubes, and what their results are called by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["PanelUse", "panels_meant", "tube_of", "uses_in"]


@dataclass(frozen=True)
class PanelUse:
    """A panel in use, with a strategy its files are gated by.

    panel: what results are called by: the panel's name, or, where several strategies look at its tubes,
    ``NAME~STRATEGY``.

    >>> PanelUse("blood20~treg", "treg").tube
    'blood20'
    """

    panel: str
    strategy: str

    @property
    def tube(self) -> str:
        """The name of the panel that the tube is stained with."""
        return tube_of(self.panel)


def panels_meant(name: str, uses: Sequence[PanelUse]) -> tuple[str, ...]:
    """Return the panels in use that a name means: the one of that name, else those that a strategy of it looks at.

    >>> panels_meant("treg", [PanelUse("blood20~treg", "treg"), PanelUse("blood20~nk", "nk")])
    ('blood20~treg',)
    """
    if any(use.panel == name for use in uses):
        return (name,)
    return tuple(use.panel for use in uses if use.strategy == name)


def uses_in(study: Mapping[str, Any]) -> tuple[PanelUse, ...]:
    """Return the panels in use of a study as the record of its run has it.

    >>> uses_in({"panels": [{"panel": "blood20~treg", "strategy": "treg"}]})
    (PanelUse(panel='blood20~treg', strategy='treg'),)
    """
    return tuple(PanelUse(str(use["panel"]), str(use["strategy"])) for use in study.get("panels") or ())


def tube_of(panel: str) -> str:
    """Return the name of the panel of a tube, of which one strategy's results may be called ``NAME~STRATEGY``.

    >>> tube_of("blood20~treg"), tube_of("nk")
    ('blood20', 'nk')
    """
    # No name of a panel's file has this letter; "@" would make file names look like addresses of mail.
    return panel.partition("~")[0]
