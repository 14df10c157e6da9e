"""Compensation controls: tubes with one stain or none, why one is refused, and the matrix that they give."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix

__all__ = [
    "AUTOFLUORESCENCE",
    "ControlLabel",
    "EstimatedSpillover",
    "Fault",
    "GoodControl",
    "RefusedControl",
    "ResidualPair",
]

AUTOFLUORESCENCE = "Autofluorescence"
"""The row of a spectrum matrix that holds the cells' own light."""


class Fault(StrEnum):
    """Why a single stain is refused."""

    TOO_FEW_EVENTS = "too few events"
    NO_POSITIVE = "no positive events"
    WRONG_DETECTOR = "brightest in another detector"
    SATURATED = "saturated"
    CARRY_OVER = "another stain in the tube"
    UNKNOWN_STAIN = "fluorochrome not known"
    SAME_PEAK = "same peak detector as another fluorochrome"


@dataclass(frozen=True)
class ControlLabel:
    """Which file a control is, of which fluorochrome, and in which detector that must be brightest ('' if not known).

    >>> ControlLabel("pe.fcs", "PE", "PE-A").fluorochrome
    'PE'
    """

    file: str
    fluorochrome: str
    detector: str = ""
    digest: str = ""
    told_by: str = ""


@dataclass(frozen=True)
class RefusedControl:
    """A single stain that is wrong: what is wrong with it, in numbers, and what to do."""

    label: ControlLabel
    fault: Fault
    what: str

    def __str__(self) -> str:
        name = f" ({self.label.fluorochrome})" if self.label.fluorochrome else ""
        return f"{self.label.file}{name}: refused, {self.fault}: {self.what}"


@dataclass(frozen=True, eq=False)
class GoodControl:
    """A single stain to regress on: its events over the detectors, (events, detectors), raw, cells or beads only.

    peak: the detector's place; negatives, positives: masks over the events; brightness: of the positives above the
    negatives; separation: the same in standard deviations of the negatives; warnings: what a person should know.
    """

    label: ControlLabel
    events: Floats
    peak: int
    positives: Mask
    brightness: float
    separation: float
    gated: int
    total: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResidualPair:
    """How much one fluorochrome's compensated signal still rises with another's."""

    stain: str
    into: str
    slope: float


@dataclass(frozen=True, eq=False)
class EstimatedSpillover:
    """A matrix from controls, (fluorochromes, detectors), and how good it is.

    fluorochromes: of the rows, the stains first; rows of autofluorescence are the last. own: each stain's own detector;
    residual: (stains, stains), slopes left after compensation; unexplained: (stains, detectors), slopes of light that
    no row explains; spreading: (stains, stains), Nguyen's spillover-spreading coefficients (NaN where it cannot be
    told); detector_weights: of the unmixing, () for a square matrix; history: the largest residual slope by iteration;
    others, into_others: the detectors without a control of their own, and the stains' light in them, (stains, others),
    where that was asked for.
    """

    fluorochromes: tuple[str, ...]
    detectors: tuple[str, ...]
    own: tuple[str, ...]
    values: Floats
    residual: Floats
    unexplained: Floats
    spreading: Floats
    detector_weights: tuple[float, ...]
    history: tuple[float, ...]
    converged: bool
    warnings: tuple[str, ...] = field(default=())
    others: tuple[str, ...] = ()
    into_others: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def stains(self) -> tuple[str, ...]:
        """The fluorochromes without the cells' own light."""
        return self.fluorochromes[: len(self.own)]

    @property
    def is_square(self) -> bool:
        """Whether it is a spillover matrix: a detector for each fluorochrome and no more."""
        return not self.detector_weights

    @property
    def matrix(self) -> SpilloverMatrix | SpectrumMatrix:
        """The matrix as the rest of the program uses it: square over detectors, or fluorochromes x detectors."""
        values = tuple(tuple(row) for row in self.values.tolist())
        if self.is_square:
            return SpilloverMatrix(self.detectors, values)
        return SpectrumMatrix(self.fluorochromes, self.detectors, values, detector_weights=self.detector_weights)

    @property
    def complete(self) -> SpilloverMatrix | SpectrumMatrix:
        """The matrix over the detectors without a control, too: their own light is taken to reach no other detector."""
        if not self.others or not self.is_square:
            return self.matrix
        below = np.zeros((len(self.others), len(self.detectors)))
        values = np.block([[self.values, self.into_others], [below, np.eye(len(self.others))]])
        return SpilloverMatrix((*self.detectors, *self.others), tuple(tuple(row) for row in values.tolist()))

    @property
    def largest_residual(self) -> float:
        """The largest residual slope between two fluorochromes."""
        return float(np.abs(self.residual).max(initial=0.0))

    def worst_pairs(self, count: int = 6) -> tuple[ResidualPair, ...]:
        """Return the pairs with the largest residual slopes, worst first."""
        order = np.argsort(-np.abs(self.residual), axis=None, kind="stable")
        pairs = [divmod(int(index), len(self.stains)) for index in order]
        return tuple(
            ResidualPair(self.stains[row], self.stains[column], float(self.residual[row, column]))
            for row, column in pairs
            if row != column
        )[:count]
