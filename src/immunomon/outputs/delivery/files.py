"""How datasets become files: CSV and workbooks."""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from immunomon.csvfile import cell_of_text
from immunomon.errors import DeliveryFailed
from immunomon.files import library_writing, whole_file, write_whole
from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.xpt import extra

__all__ = ["csv_text", "neutralised", "write_csv", "write_text", "write_workbook"]

_MOST_ROWS = 1_048_575


def csv_text(dataset: Dataset, separator: str = ",") -> str:
    """Return a dataset as CSV with a header: numbers as short as they can be told apart, missing values blank.

    Texts that a spreadsheet would run begin with an apostrophe (``csvfile.cell_of_text``).
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(map(cell_of_text, dataset.names))
    writer.writerows([_field(value) for value in row] for row in dataset.rows)
    return text.getvalue()


def _field(value: Value) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else cell_of_text(value) if isinstance(value, str) else str(value)


def neutralised(dataset: Dataset) -> int:
    """Return how many texts of a dataset a spreadsheet would run as they stand."""
    return sum(isinstance(value, str) and cell_of_text(value) != value for row in dataset.rows for value in row)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8 with line feeds, whole or not at all."""
    write_whole(path, text)


def write_csv(path: Path, dataset: Dataset) -> None:
    """Write a dataset as CSV, whole or not at all."""
    write_text(path, csv_text(dataset))


def write_workbook(path: Path, datasets: Sequence[Dataset], made: str) -> None:
    """Write datasets as the sheets of one workbook, with frozen and labelled headers; the same data, the same bytes.

    made: the time it is dated with, ISO 8601. Text that a spreadsheet would take for a formula is kept as text.
    """
    openpyxl = extra("openpyxl")
    book = openpyxl.Workbook(write_only=True)
    bold = extra("openpyxl.styles").Font(bold=True)
    cell_of = extra("openpyxl.cell").WriteOnlyCell
    too_long = next((dataset for dataset in datasets if len(dataset) > _MOST_ROWS), None)
    if too_long is not None:
        raise DeliveryFailed(f"{too_long.name}: {len(too_long)} rows are more than a sheet holds; deliver as csv")
    when = datetime.datetime.fromisoformat(made).replace(tzinfo=None)
    book.properties.creator = "immunomon"
    book.properties.created = book.properties.modified = when
    # Rows go to a temporary file of the library's as they come: there, too, the disk may be full.
    with whole_file(path) as unfinished, library_writing(), _closed(book):
        for dataset in datasets:
            sheet = book.create_sheet(dataset.name[:31])
            sheet.freeze_panes = "A2"
            header = []
            for variable in dataset.variables:
                cell = cell_of(sheet, value=variable.name)
                cell.font = bold
                header.append(cell)
            sheet.append(header)
            for row in dataset.rows:
                sheet.append([_cell(sheet, cell_of, value) for value in row])
        book.save(unfinished)
        _undated(unfinished, when)


@contextmanager
def _closed(book: Any) -> Iterator[None]:  # noqa: ANN401 - a library without types
    """Close the streams of a workbook that could not be written, or they are closed, noisily, when nobody listens."""
    try:
        yield
    except BaseException:
        for sheet in book.worksheets:
            with suppress(Exception):
                sheet._writer.xf.close()
        raise


def _cell(sheet: object, cell_of: object, value: Value) -> object:
    if not isinstance(value, str) or cell_of_text(value) == value:
        return value
    cell = cell_of(sheet, value=value)  # type: ignore[operator]
    cell.data_type = "s"
    return cell


def _undated(path: Path, when: datetime.datetime) -> None:
    """Write the archive again with the time of the run in place of the clock's."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    stamp = when.isoformat(timespec="seconds").encode("ascii") + b"Z"
    core = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            info = zipfile.ZipInfo(
                name, date_time=(max(when.year, 1980), when.month, when.day, when.hour, when.minute, when.second)
            )
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, core.sub(rb"\g<1>" + stamp, data) if name == "docProps/core.xml" else data)
