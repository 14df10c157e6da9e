"""Steadiness over time, as a study declares it: control limits, and normalisation between batches."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEAN", "Normalisation", "PanelNormalisation", "Steadiness"]

MEAN = "mean"


@dataclass(frozen=True)
class Steadiness:
    """How the limits of control charts are set.

    establish: how many bridge samples, from the first on, set the limits; None: all, each judged by the others.
    fewest: with fewer bridge samples than this to judge by, nothing is judged.
    """

    establish: int | None = None
    fewest: int = 6


@dataclass(frozen=True)
class PanelNormalisation:
    """What is normalised in the files of a panel: which markers, in which cell types (population ids)."""

    panel: str
    cell_types: tuple[str, ...]
    markers: tuple[str, ...]


@dataclass(frozen=True)
class Normalisation:
    """How batches are brought together by their bridge samples.

    goal: ``mean`` of all batches' quantiles, or the name of the batch that the others are brought to. quantiles: how
    many levels at most; 1 moves the median. min_cells: a batch with fewer bridge cells of a type is refused.
    """

    panels: tuple[PanelNormalisation, ...]
    goal: str = MEAN
    quantiles: int = 99
    min_cells: int = 50
