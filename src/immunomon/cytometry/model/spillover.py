"""Spillover matrices: how much of each fluorochrome's light reaches each detector."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import BadSpillover

__all__ = ["SpilloverMatrix", "about_compensated", "compensated_channels"]

# As FlowJo, Diva and spectral software name channels of compensated values: Comp-PE-A, FJComp-PE-A, <PE-A>.
_COMPENSATED = re.compile(r"(?:fj)?comp[-_ ](?P<of>.+)|<(?P<in>.+)>", re.IGNORECASE)


def compensated_channels(detectors: Iterable[str]) -> dict[str, str]:
    """Return the channels whose names say that they are compensated already, by the detector each is of.

    >>> compensated_channels(["FSC-A", "FJComp-PE-A", "Comp-FITC-A"])
    {'PE-A': 'FJComp-PE-A', 'FITC-A': 'Comp-FITC-A'}
    """
    found = ((_COMPENSATED.fullmatch(name), name) for name in detectors)
    return {match["of"] or match["in"]: name for match, name in found if match}


def about_compensated(channels: Iterable[str]) -> tuple[str, str]:
    """Return what is to be said of channels that a matrix would compensate a second time, and the remedy.

    >>> about_compensated(["FJComp-PE-A"])[0]
    'its channels are compensated already (FJComp-PE-A)'
    """
    names = list(channels)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    remedy = "gate with --compensation none, or declare compensation: {source: none} in study.yaml, and name these"
    return f"its channels are compensated already ({shown})", f"{remedy} channels as the panel's detectors"


@dataclass(frozen=True)
class SpilloverMatrix:
    """A square matrix over detectors: row = fluorochrome (named by its own detector), column = detector, diagonal 1.

    Raises BadSpillover if it is not square, has a name twice, a value that is no number, or an empty diagonal.

    >>> SpilloverMatrix(("FITC-A", "PE-A"), ((1.0, 0.2), (0.0, 1.0))).values[0][1]
    0.2
    >>> SpilloverMatrix(("FITC-A",), ((1.0, 0.2),))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpillover: the spillover matrix names 1 detectors but row 1 has 2 values
    """

    detectors: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        size = len(self.detectors)
        if len(self.values) != size:
            raise BadSpillover(f"the spillover matrix names {size} detectors but has {len(self.values)} rows")
        for number, row in enumerate(self.values, start=1):
            if len(row) != size:
                raise BadSpillover(
                    f"the spillover matrix names {size} detectors but row {number} has {len(row)} values"
                )
        doubled = {name for name in self.detectors if self.detectors.count(name) > 1}
        if doubled:
            raise BadSpillover(f"the spillover matrix names {', '.join(sorted(doubled))} twice")
        if size and not np.isfinite(self.array).all():
            raise BadSpillover("the spillover matrix has a value that is not a number")
        if size and (np.diag(self.array) == 0).any():
            raise BadSpillover("the spillover matrix has a zero on its diagonal")

    @property
    def array(self) -> NDArray[np.float64]:
        """The values as an array, (detectors, detectors)."""
        return np.array(self.values, dtype=np.float64)

    @property
    def is_identity(self) -> bool:
        """Whether nothing spills over: an uncompensated instrument, or a file compensated already."""
        return bool(np.array_equal(self.array, np.eye(len(self.detectors))))
