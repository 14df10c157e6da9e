"""Spillover and spectrum matrices: how much of each fluorochrome's light reaches each detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.unmixing import completed, own_places, weighted_unmixing
from immunomon.errors import BadSpillover

__all__ = ["SpectrumMatrix", "SpilloverMatrix"]


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

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Self | None:
        """Return the matrix that a run's result keeps of a sample, None for a sample that was not compensated.

        >>> SpilloverMatrix.from_record({"detectors": ["FITC-A"], "values": [[1.0]]}).detectors
        ('FITC-A',)
        """
        return cls(tuple(record["detectors"]), tuple(map(tuple, record["values"]))) if record else None

    @property
    def array(self) -> Floats:
        """The values as an array, (detectors, detectors)."""
        return np.array(self.values, dtype=np.float64)

    @property
    def is_identity(self) -> bool:
        """Whether nothing spills over: an uncompensated instrument, or a file compensated already."""
        return bool(np.array_equal(self.array, np.eye(len(self.detectors))))


# Spectrum matrices: spillover with named fluorochromes, and as many detectors as the instrument has.


@dataclass(frozen=True)
class SpectrumMatrix:
    """How much of each fluorochrome's light (row) reaches each detector (column); not always square.

    inverted: the values are the weights already, row = detector, column = fluorochrome; detector_weights: how much each
    detector counts in least squares, () for all alike. Raises BadSpillover if the sizes do not fit, a name is there
    twice, or a value is no number.

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
    detector_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rows, columns = self.fluorochromes, self.detectors
        shape = f"the spectrum matrix has {len(rows)} fluorochromes and {len(columns)} detectors"
        if self.inverted:
            rows, columns = columns, rows
        if len(self.values) != len(rows):
            raise BadSpillover(f"{shape} but {len(self.values)} rows")
        for number, row in enumerate(self.values, start=1):
            if len(row) != len(columns):
                raise BadSpillover(f"{shape} but row {number} has {len(row)} values")
        for names in (self.fluorochromes, self.detectors):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise BadSpillover(f"the spectrum matrix names {', '.join(doubled)} twice")
        if not np.isfinite(np.array(self.values, dtype=np.float64)).all():
            raise BadSpillover("the spectrum matrix has a value that is not a number")
        if self.detector_weights and len(self.detector_weights) != len(self.detectors):
            raise BadSpillover(f"{shape} but {len(self.detector_weights)} detector weights")
        if not all(np.isfinite(weight) and weight > 0 for weight in self.detector_weights):
            raise BadSpillover("the spectrum matrix has a detector weight that is not a positive number")

    @property
    def weights(self) -> Floats:
        """What the detectors' values are multiplied with, (detectors, fluorochromes).

        Raises SingularSpillover if the fluorochromes cannot be told apart.
        """
        values = np.array(self.values, dtype=np.float64)
        if self.inverted:
            return values
        return weighted_unmixing(values, np.array(self.detector_weights) if self.detector_weights else None)

    @property
    def own_detectors(self) -> tuple[str, ...]:
        """A detector for each fluorochrome, none twice: where its value is exactly 1, or else where it is brightest.

        >>> SpectrumMatrix(("FITC",), ("B1", "B2"), ((0.5, 1.0),)).own_detectors
        ('B2',)
        """
        values = np.array(self.values, dtype=np.float64)
        score = np.maximum(values, 0.0) / np.maximum(values.max(axis=1, keepdims=True), 1e-300)
        taken: set[int] = set()
        for row, line in enumerate(values):
            ones = np.flatnonzero(line == 1.0)
            if ones.size == 1 and int(ones[0]) not in taken:
                taken.add(int(ones[0]))
                score[row, ones[0]] += len(self.fluorochromes)
        return tuple(self.detectors[column] for column in own_places(score))

    def completed(self) -> SpilloverMatrix:
        """Return a square matrix over the detectors that unmixes: a fluorochrome's signal is in its own detector.

        Raises SingularSpillover if the fluorochromes cannot be told apart.

        >>> SpectrumMatrix(("FITC",), ("B1", "B2"), ((1.0, 0.5),)).completed().values[0]
        (1.0, 0.5)
        """
        own = [self.detectors.index(name) for name in self.own_detectors]
        weights = np.array(self.detector_weights) if self.detector_weights else None
        square = completed(np.array(self.values, dtype=np.float64), own, weights)
        return SpilloverMatrix(self.detectors, tuple(tuple(row) for row in square.tolist()))

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
