"""Spillover matrices: how much of each fluorochrome's light reaches each detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import BadSpillover

__all__ = ["SpilloverMatrix"]


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
