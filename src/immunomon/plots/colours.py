"""The colours of a study: one for each dose group, the same in every plot and every run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ALL_TOGETHER", "DENSITY_STOPS", "DENSITY_STOPS_DARK", "Colour", "dose_group_colours"]


@dataclass(frozen=True)
class Colour:
    """One colour for light pages and its sister for dark ones."""

    light: str
    dark: str


ALL_TOGETHER = Colour("#4a4a4a", "#d0d0d0")

# Okabe & Ito's set, which people with any of the common colour blindnesses tell apart; orange and green a little
# darkened so that a thin line keeps its contrast on white.
_CYCLE = (
    Colour("#0072b2", "#56a8e4"),
    Colour("#d98200", "#f0b040"),
    Colour("#008a64", "#35c79b"),
    Colour("#b8568c", "#e292bf"),
    Colour("#c04a00", "#f08a50"),
    Colour("#3a8fc0", "#8fd0f5"),
    Colour("#7a6a00", "#d8c840"),
)

DENSITY_STOPS = ("#c3d4e6", "#7fb2d6", "#3d84bd", "#3a4fa3", "#5b2a86", "#a3246c", "#e2563b", "#f6b52c")
"""From few events to many, on white; what is empty has no colour."""

DENSITY_STOPS_DARK = ("#2d4a73", "#2f6f9c", "#2f97a8", "#46b98f", "#93d06a", "#dce35b", "#fff6b0")
"""The same on a dark page."""


def dose_group_colours(names: Iterable[str]) -> dict[str, Colour]:
    """Return each dose group's colour, by its place in the study's list; ``all`` is grey.

    >>> dose_group_colours(["A", "B"])["A"].light
    '#0072b2'
    """
    colours = {name: _CYCLE[place % len(_CYCLE)] for place, name in enumerate(names)}
    return {**colours, "all": ALL_TOGETHER}
