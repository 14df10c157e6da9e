"""From a matrix's labels and numbers to what compensates: one set of rules for every kind of file that holds one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.model.channel_names import ChannelNames, as_written, bare_label
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.errors import BadSpillover, nearest
from immunomon.study.model.channels import Channel, about_compensated, compensated_channels

__all__ = ["MatrixTable", "fitted_to", "lacking_in"]

_OFF_ONE = 0.01  # how far a diagonal may be from 1 (or, in percent, from 100) by rounding
_MOST, _LEAST = 3.0, -0.1  # what no detector receives of another's light: such values are percents, or an inverse
_INVERSE = -0.005  # an estimate has a few slightly negative values; an inverse has hardly any others
_DETECTOR = re.compile(r".-[AHW]$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class MatrixTable:
    """A matrix as a file has it: a row a fluorochrome, a column a detector, with their labels and numbers.

    rows: the rows' labels, () if they have none and are in the columns' order; lines: where the rows stand, if known;
    detector_weights: how much each detector counts in unmixing, () for all alike.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Sequence[Sequence[float]]
    lines: tuple[int, ...] = ()
    detector_weights: tuple[float, ...] = ()

    def spillover(self, names: ChannelNames | None = None) -> SpilloverMatrix:
        """Return the square matrix that compensates: rows in the columns' order, fractions of the diagonal's 1.

        A matrix of fewer, or other, fluorochromes than detectors is completed to one that unmixes. names: what the
        labels may mean; columns that it does not know stay as they are written. Raises BadSpillover naming row, column
        and remedy for labels that do not fit each other, a diagonal that is neither 1 nor 100 (percent), and values
        that no spillover has.

        >>> MatrixTable(("PE-A", "FITC-A"), ("FITC-A", "PE-A"), ((10, 100), (100, 20))).spillover().values
        ((1.0, 0.2), (0.1, 1.0))
        """
        rows, columns, values, own = self._arranged(names or ChannelNames())
        if own is None and len(rows) == len(columns) and not self.detector_weights:
            self._refuse(
                f"{self._row(0)}: the rows have other names than the columns, and their values do not tell which "
                f"detector is whose; name the rows as the columns ({', '.join(columns[:4])}, ...), or give a panel"
            )
        if own is not None and len(rows) == len(columns):
            return SpilloverMatrix(columns, _as_tuples(values))
        spectrum = SpectrumMatrix(rows, columns, _as_tuples(values), detector_weights=self.detector_weights)
        self._refuse_without_row(spectrum, names or ChannelNames())
        return spectrum.completed()

    def _refuse_without_row(self, spectrum: SpectrumMatrix, names: ChannelNames) -> None:
        """Refuse to unmix where a stained detector holds no fluorochrome's signal: what is left over would be read."""
        own = spectrum.own_detectors
        for detector in (name for name in spectrum.detectors if names.others.get(name) and name not in own):
            self._refuse(
                f"no row has the detector {detector} ({', '.join(dict.fromkeys(names.others[detector][:3]))}) as its "
                "brightest, so its signal would be no fluorochrome's; add the row, or name the panel's detector by it"
            )

    def spectrum(self, names: ChannelNames | None = None) -> SpectrumMatrix:
        """Return the matrix by fluorochromes and detectors, in the detectors' order; raises as ``spillover`` does.

        >>> table = MatrixTable(("PE", "FITC"), ("FITC-A", "PE-A"), ((0.1, 1.0), (1.0, 0.2)))
        >>> table.spectrum().fluorochromes
        ('FITC', 'PE')
        """
        rows, columns, values, _ = self._arranged(names or ChannelNames())
        return SpectrumMatrix(rows, columns, _as_tuples(values), detector_weights=self.detector_weights)

    def _arranged(self, names: ChannelNames) -> tuple[tuple[str, ...], tuple[str, ...], Floats, list[int] | None]:
        """Return rows, columns, values in fractions, and each row's own column, in the columns' order, or None."""
        columns = self._columns(names)
        values = self._numbers(columns)
        size = len(columns)
        if len(values) > size:
            self._refuse_without_column(columns, names)
            self._refuse(
                f"it has {len(values)} rows and {size} columns, but a row is a fluorochrome and a column a detector; "
                "transpose it"
            )
        if not self.rows:
            if len(values) != size:
                self._refuse(f"it has {len(values)} rows without names and {size} columns; name the rows")
            return columns, columns, self._fractions(values, columns, list(range(size))), list(range(size))
        own = self._own_columns(columns, names)
        if own is None and len(values) == size and not self.detector_weights:
            own = _told_by_ones(values)
        values = self._fractions(values, columns, own)
        if own is None:
            return self.rows, columns, values, None
        order = np.argsort(own, kind="stable").tolist()
        return tuple(self.rows[row] for row in order), columns, values[order], sorted(own)

    def _refuse_without_column(self, columns: Sequence[str], names: ChannelNames) -> None:
        """Name the row that is one too many, where the columns' own rows are there."""
        detectors = [names.detector_of(label, columns) for label in self.rows]
        if None in detectors and set(columns) <= set(detectors):
            number = detectors.index(None)
            self._refuse(
                f"{self._row(number)}: no column is named so; take the row out if the files lack this detector, or add "
                "its column"
            )

    def _columns(self, names: ChannelNames) -> tuple[str, ...]:
        columns: list[str] = []
        for column, label in enumerate(self.columns):
            if not label.strip():
                self._refuse(f"column {column + 1} has no name; name the detector, or remove the column")
            meant = label if label in names.others else names.detector_of(label) or as_written(label)
            if meant in columns:
                first_label = self.columns[columns.index(meant)]
                self._refuse(
                    f"the columns '{first_label}' and '{label}' are both named {meant} or mean it; it is there twice"
                )
            columns.append(meant)
        return tuple(columns)

    def _numbers(self, columns: Sequence[str]) -> Floats:
        if self.rows and len(self.rows) != len(self.values):
            self._refuse(f"it has {len(self.rows)} names of rows but {len(self.values)} rows")
        for number, row in enumerate(self.values):
            if len(row) != len(columns):
                self._refuse(f"it names {len(columns)} detectors but {self._row(number)} has {len(row)} values")
            for column, value in zip(columns, row, strict=True):
                if not np.isfinite(value):
                    self._refuse(f"{self._row(number)}, column '{column}': {value} is not a number; correct it")
        return np.array(self.values, dtype=np.float64).reshape(len(self.values), len(columns))

    def _own_columns(self, columns: Sequence[str], names: ChannelNames) -> list[int] | None:
        """Return each row's own column by its label; None if the labels are not those of the columns at all."""
        detectors = {*names.others} | {
            name for name in (*self.rows, *self.columns) if _DETECTOR.search(bare_label(name))
        }
        if all(label in detectors for label in self.rows) and not any(label in detectors for label in self.columns):
            self._refuse(
                "its rows are named by detectors and its columns by fluorochromes, but a row is a fluorochrome and a "
                "column a detector: transpose it, or name both alike"
            )
        if self._are_counted():
            return list(range(len(self.rows)))
        fluorochromes = [names.detector_of(label, columns) for label in self.rows]
        unknown = [number for number, name in enumerate(fluorochromes) if name is None]
        if (
            len(unknown) == len(fluorochromes)
            or (unknown and len(fluorochromes) < len(columns))
            or self.detector_weights
        ):
            return None
        if unknown:
            number = unknown[0]
            self._refuse(
                f"{self._row(number)}: no column is named so; name the rows as the columns: "
                f"{nearest(self.rows[number], columns)}"
            )
        own = [columns.index(name) for name in fluorochromes if name is not None]
        for number, column in enumerate(own):
            if column in own[:number]:
                self._refuse(f"{self._row(number)} and row '{self.rows[own.index(column)]}' are both {columns[column]}")
        return own

    def _are_counted(self) -> bool:
        """Whether the rows' labels are only their numbers, as R and pandas write where there are none."""
        size = len(self.rows)
        counts = (tuple(map(str, range(1, size + 1))), tuple(map(str, range(size))))
        return self.rows in counts and size == len(self.columns)

    def _fractions(self, values: Floats, columns: Sequence[str], own: list[int] | None) -> Floats:
        """Return the values with a diagonal of 1, percents as fractions."""
        if not values.size:
            return values
        diagonal = values.max(axis=1) if own is None else values[np.arange(len(values)), own]
        if (np.abs(diagonal - 100) <= 100 * _OFF_ONE).all():
            values, diagonal = values / 100, diagonal / 100
        if own is None:
            diagonal = np.where((values == 1).any(axis=1), 1.0, diagonal)
        for number in np.flatnonzero(np.abs(diagonal - 1) > _OFF_ONE).tolist():
            self._refuse_diagonal(number, values[number], columns, None if own is None else own[number])
        if own is not None:
            self._check_others(values, columns, own)
        return values

    def _refuse_diagonal(self, number: int, row: Floats, columns: Sequence[str], own: int | None) -> NoReturn:
        if own is None:
            self._refuse(
                f"{self._row(number)}: its largest value is {row.max():.6g}; a row has 1 (or 100, in percent) in the "
                "fluorochrome's own detector: divide it by that"
            )
        ones = [columns[int(column)] for column in np.flatnonzero(np.abs(row - 1) <= 1e-9)]
        cause = f"its 1 is under '{ones[0]}': correct the label" if ones else "divide the row by it, or correct it"
        self._refuse(
            f"{self._row(number)}, column '{columns[own]}': {row[own]:.6g} on the diagonal, which must be 1 in every "
            f"row (or 100 in every row, in percent); {cause}"
        )

    def _check_others(self, values: Floats, columns: Sequence[str], own: Sequence[int]) -> None:
        off_diagonal = values.copy()
        off_diagonal[np.arange(len(values)), own] = 0.0
        for number, column in np.argwhere((off_diagonal > _MOST) | (off_diagonal < _LEAST)).tolist():
            value = off_diagonal[number, column]
            remedy = "is it in percent? Write all values alike" if value > 0 else "correct it"
            self._refuse(
                f"{self._row(number)}, column '{columns[column]}': {value:.6g} cannot be spillover where the "
                f"diagonal is 1; {remedy}"
            )
        if off_diagonal.min(initial=0.0) < _INVERSE and off_diagonal.max(initial=0.0) <= 0.0:
            number, column = divmod(int(off_diagonal.argmin()), len(columns))
            self._refuse(
                f"{self._row(number)}, column '{columns[column]}': {off_diagonal.min():.6g}, and no value beside the "
                "diagonal is positive: this is the inverse, a compensation matrix; give the spillover matrix"
            )

    def _row(self, number: int) -> str:
        name = f"row '{self.rows[number]}'" if self.rows else f"row {number + 1}"
        return f"{name} (line {self.lines[number]})" if self.lines else name

    def _refuse(self, problem: str) -> NoReturn:
        raise BadSpillover(f"the matrix does not fit: {problem}")


def _told_by_ones(values: Floats) -> list[int] | None:
    """Return each row's own column where the labels do not tell: its one value that is 1 (or 100); None if unclear."""
    near = (np.abs(values - 1) <= 1e-9) | (np.abs(values - 100) <= 1e-7)
    own = [int(row.argmax()) for row in near]
    return own if (near.sum(axis=1) == 1).all() and len(set(own)) == len(own) else None


def _as_tuples(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())


def fitted_to(matrix: SpilloverMatrix, channels: Sequence[Channel]) -> SpilloverMatrix:
    """Return a matrix with its detectors named as a file names them ($PnN).

    Raises BadSpillover for a detector that the file lacks, that two of its channels may be, or that is compensated.

    >>> fitted_to(SpilloverMatrix(("FITC",), ((1.0,),)), [Channel("FSC-A"), Channel("FITC-A", "CD3")]).detectors
    ('FITC-A',)
    """
    known = [channel.detector for channel in channels]
    _refuse_compensated(matrix, known)
    if all(known.count(name) == 1 for name in matrix.detectors):
        return matrix
    names = ChannelNames.of(channels)
    detectors = []
    for label in matrix.detectors:
        detector = names.detector_of(label, known)
        if detector is None or detector in detectors:
            problem = (
                "the file lacks" if detector is None else f"is '{detector}' in the file, as another of its detectors is"
            )
            raise BadSpillover(
                f"the matrix has the detector '{label}', which {problem}; {nearest(label, known)}; or give the matrix "
                "of these files, or leave its row and column out"
            )
        detectors.append(detector)
    return SpilloverMatrix(tuple(detectors), matrix.values)


def lacking_in(matrix: SpilloverMatrix | None, stained: Iterable[tuple[str, str]]) -> str:
    """Return the stained detectors that a matrix lacks, each with its marker; '' if none, or nothing is compensated.

    >>> lacking_in(SpilloverMatrix(("A", "B"), ((1.0, 0.1), (0.0, 1.0))), [("A", "CD3"), ("C", "CD8"), ("D", "")])
    'C (CD8), D'
    """
    if matrix is None or matrix.is_identity:
        return ""
    lacking = {detector: marker for detector, marker in stained if detector not in matrix.detectors}
    return ", ".join(f"{detector} ({marker})" if marker else detector for detector, marker in lacking.items())


def _refuse_compensated(matrix: SpilloverMatrix, known: Sequence[str]) -> None:
    """Refuse to compensate a second time what is named as compensated, unless the raw channels are there, too."""
    compensated = compensated_channels(known)
    twice = [name for of, name in compensated.items() if of not in known and {of, name} & set(matrix.detectors)]
    if twice and not matrix.is_identity:
        problem, remedy = about_compensated(twice)
        raise BadSpillover(f"{problem}, and the matrix would compensate them once more; {remedy}")
