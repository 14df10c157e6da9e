"""Spectrum matrices: spillover with named fluorochromes, and as many detectors as the instrument has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import BadSpillover
from immunomon.kernels.spectrum import unmixing_weights
from immunomon.model.spillover import SpilloverMatrix

__all__ = ["SpectrumMatrix"]


@dataclass(frozen=True)
class SpectrumMatrix:
    """How much of each fluorochrome's light (row) reaches each detector (column); not always square.

    inverted: the values are the weights already, row = detector, column = fluorochrome. Raises BadSpillover if the
    sizes do not fit, a name is there twice, or a value is no number.

    >>> SpectrumMatrix(("FITC",), ("B1", "B2"), ((1.0, 0.5),)).weights.round(2).ravel()
    array([0.8, 0.4])
    >>> SpectrumMatrix(("FITC",), ("B1", "B2"), ((1.0,),))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpillover: the spectrum matrix has 1 fluorochromes and 2 detectors but row 1 has 1 values
    """

    fluorochromes: tuple[str, ...]
    detectors: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    inverted: bool = False

    def __post_init__(self) -> None:
        rows, columns = self.fluorochromes, self.detectors
        said = f"the spectrum matrix has {len(rows)} fluorochromes and {len(columns)} detectors"
        if self.inverted:
            rows, columns = columns, rows
        if len(self.values) != len(rows):
            raise BadSpillover(f"{said} but {len(self.values)} rows")
        for number, row in enumerate(self.values, start=1):
            if len(row) != len(columns):
                raise BadSpillover(f"{said} but row {number} has {len(row)} values")
        for names in (self.fluorochromes, self.detectors):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise BadSpillover(f"the spectrum matrix names {', '.join(doubled)} twice")
        if not np.isfinite(np.array(self.values, dtype=np.float64)).all():
            raise BadSpillover("the spectrum matrix has a value that is not a number")

    @property
    def weights(self) -> NDArray[np.float64]:
        """What the detectors' values are multiplied with, (detectors, fluorochromes).

        Raises SingularSpillover if the fluorochromes cannot be told apart.
        """
        values = np.array(self.values, dtype=np.float64)
        return values if self.inverted else unmixing_weights(values)

    @classmethod
    def of(cls, spillover: SpilloverMatrix) -> SpectrumMatrix:
        """Return a file's spillover matrix as a spectrum matrix: each fluorochrome is named by its own detector.

        >>> SpectrumMatrix.of(SpilloverMatrix(("A",), ((1.0,),))).fluorochromes
        ('A',)
        """
        return cls(spillover.detectors, spillover.detectors, spillover.values)

    def column_of(self, name: str) -> int | None:
        """Return the column of a fluorochrome's weights, by its own name or (in a square matrix) its detector's.

        >>> SpectrumMatrix(("FITC", "PE"), ("FL1", "FL2"), ((1.0, 0.1), (0.0, 1.0))).column_of("FL2")
        1
        """
        if name in self.fluorochromes:
            return self.fluorochromes.index(name)
        if len(self.fluorochromes) == len(self.detectors) and name in self.detectors:
            return self.detectors.index(name)
        return None
