"""SAS transport files, version 5: checked before they are written and read back after, since writers cut in silence."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunomon.errors import DeliveryFailed, listed
from immunomon.files import library_writing, read_input, whole_file
from immunomon.outputs.delivery.dataset import LONGEST_TEXT, Dataset, Value, Variable

__all__ = ["extra", "read_xpt", "write_xpt", "xpt_problems"]

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
_STAMP = re.compile(rb"\d{2}[A-Z]{3}\d{2}:\d{2}:\d{2}:\d{2}")
_HEADER_BYTES = 800  # the library and member headers, which carry the times
_LARGEST = 2_000_000_000
_UNFIT: Mapping[str, Callable[[str], bool]] = {
    f"is longer than {LONGEST_TEXT} letters": lambda text: len(text) > LONGEST_TEXT,
    "is not plain ASCII": lambda text: not (text.isascii() and text.isprintable()),
    "ends in blanks, which are not kept": lambda text: text != text.rstrip(),
}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def extra(module: str) -> Any:  # noqa: ANN401 - a library without types
    """Return an optional library; raises DeliveryFailed, with what to install, if it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DeliveryFailed(f'this needs {module}; install it with: pip install "immunomon[delivery]"') from None


def xpt_problems(dataset: Dataset) -> list[str]:
    """Return what of a dataset does not fit SAS transport version 5: names, labels, lengths, letters.

    >>> xpt_problems(Dataset("CP", "Cells", (Variable("CPSPECIMEN", "Specimen"),), (("blood",),)))
    ['CP.CPSPECIMEN: the name is no SAS name of at most 8 capitals and digits']
    """
    problems = [f"{dataset.name}: the name is no SAS name of at most 8 capitals and digits"] * (
        not _NAME.fullmatch(dataset.name)
    )
    problems += _label_problems(dataset.name, dataset.label)
    for index, variable in enumerate(dataset.variables):
        where = f"{dataset.name}.{variable.name}"
        if not _NAME.fullmatch(variable.name):
            problems.append(f"{where}: the name is no SAS name of at most 8 capitals and digits")
        problems += _label_problems(where, variable.label)
        problems += _value_problems(where, variable, [row[index] for row in dataset.rows])
    return problems


def _label_problems(where: str, label: str) -> list[str]:
    if len(label) > 40:
        return [f"{where}: the label has {len(label)} letters, at most 40 are kept"]
    return [] if label.isascii() and label.isprintable() else [f"{where}: the label is not plain ASCII"]


def _value_problems(where: str, variable: Variable, column: list[Value]) -> list[str]:
    if variable.is_number:
        bad = next((v for v in column if v is not None and not (isinstance(v, int | float) and abs(v) < 7.2e75)), None)
        return [] if bad is None else [f"{where}: '{bad}' is no number that SAS holds"]
    texts = sorted({str(value) for value in column if value is not None})
    return [
        f"{where}: '{bad[:60]}' {kind}"
        for kind, is_unfit in _UNFIT.items()
        if (bad := next((text for text in texts if is_unfit(text)), None)) is not None
    ]


def write_xpt(path: Path, dataset: Dataset, made: str) -> None:
    """Write a dataset as a SAS transport file, version 5, and read it back to see that all of it is there.

    made: the time it is dated with, ISO 8601. Raises DeliveryFailed with everything that does not fit the format.
    """
    problems = xpt_problems(dataset)
    if problems:
        remedy = "change these names or texts where they come from"
        raise DeliveryFailed(f"{path.name}: {listed(problems, 20, '; ')}; {remedy}")
    pyreadstat = extra("pyreadstat")
    with whole_file(path) as unfinished:
        with library_writing():
            pyreadstat.write_xport(
                _frame(dataset),
                str(unfinished),
                file_label=dataset.label,
                column_labels=[variable.label for variable in dataset.variables],
                table_name=dataset.name,
                file_format_version=5,
                variable_format={variable.name: variable.display for variable in dataset.variables if variable.display},
            )
        _date(unfinished, made)
        _compare(path.name, dataset, read_xpt(unfinished, dataset.name))


def _frame(dataset: Dataset) -> pd.DataFrame:
    columns: dict[str, pd.Series[Any]] = {}
    for variable in dataset.variables:
        values = dataset.column(variable.name)
        if variable.is_number:
            columns[variable.name] = pd.Series([np.nan if v is None else float(v) for v in values], dtype="float64")
        else:
            columns[variable.name] = pd.Series(["" if v is None else str(v) for v in values], dtype="object")
    return pd.DataFrame(columns)


def _date(path: Path, made: str) -> None:
    """Put the time of the run in place of the clock's, so that the same run gives the same bytes."""
    stamp = f"{made[8:10]}{_MONTHS[int(made[5:7]) - 1]}{made[2:4]}:{made[11:19]}".encode("ascii")
    data = read_input(path)
    path.write_bytes(_STAMP.sub(stamp, data[:_HEADER_BYTES]) + data[_HEADER_BYTES:])


def _compare(name: str, dataset: Dataset, read_back: Dataset) -> None:
    for variable, variable_read in zip(dataset.variables, read_back.variables, strict=True):
        if variable.label != variable_read.label or variable.name != variable_read.name:
            raise DeliveryFailed(
                f"{name}: {variable.name} was written as '{variable_read.name}', '{variable_read.label}'; report this"
            )
    rows = zip(dataset.rows, read_back.rows, strict=True)
    for number, (row, written) in enumerate(rows, start=1):
        if any(value != back for value, back in zip(row, written, strict=True)):
            raise DeliveryFailed(f"{name}: record {number} was not written as it is; report this")


def read_xpt(path: Path, name: str | None = None) -> Dataset:
    """Read a SAS transport file: text and numbers; blanks are missing.

    name: of the dataset, by default the file's. Raises DeliveryFailed if it cannot be read.
    """
    pyreadstat = extra("pyreadstat")
    if path.stat().st_size > _LARGEST:
        raise DeliveryFailed(f"{path}: is larger than {_LARGEST // 10**9} GB; this is not a file immunomon reads")
    try:
        frame, about = pyreadstat.read_xport(str(path), disable_datetime_conversion=True)
    except Exception as error:  # the library's errors have no common kind
        raise DeliveryFailed(f"{path}: is no SAS transport file ({error}); deliver it again") from None
    labels = dict(zip(about.column_names, about.column_labels, strict=True))
    columns = {str(column): _plain(frame[column]) for column in frame.columns}
    variables = tuple(_variable(name, str(labels.get(name) or ""), columns[name]) for name in columns)
    rows = tuple(zip(*columns.values(), strict=True)) if columns else ()
    label = str(about.file_label or "").strip()
    return Dataset((name or path.stem).upper(), label, variables, rows)


def _plain(column: pd.Series[Any]) -> list[Value]:
    if column.dtype.kind == "f":
        return [None if value != value else float(value) for value in column]
    return [None if value is None or value == "" else str(value) for value in column]


def _variable(name: str, label: str, values: list[Value]) -> Variable:
    number = any(isinstance(value, float) for value in values)
    longest = 8 if number else max((len(str(value)) for value in values if value is not None), default=1)
    return replace(Variable(name, label), type="float" if number else "text", length=longest)
