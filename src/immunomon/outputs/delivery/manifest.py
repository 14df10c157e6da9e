"""A delivery's files: datasets as CSV and workbooks, and the manifest that says what made it and what is in it."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from immunomon import __version__
from immunomon.csvfile import cell_of_text
from immunomon.errors import DeliveryFailed
from immunomon.files import file_digest, library_writing, whole_file, write_whole
from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.source import Headers, RunSource
from immunomon.outputs.delivery.terminology import CP_TERMINOLOGY_DATE
from immunomon.outputs.delivery.xpt import extra
from immunomon.runs.verdicts import reviews_of_run
from immunomon.study.model.identifiers import scrubbed_text

__all__ = ["csv_text", "manifest_of", "neutralised", "write_csv", "write_text", "write_workbook"]

# How datasets become files: CSV and workbooks.

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


_BY_THE_MAP = {"redcap", "sdtm", "adam", "dataset-json"}  # what the map has no test for is not in these


def manifest_of(
    content: Content, headers: Headers, made: tuple[str, Sequence[tuple[Dataset, str]], Mapping[str, str]]
) -> dict[str, Any]:
    """Return the manifest, but for the list of files.

    made: the format, the datasets with their files, and why others are absent. It holds no time of its own, so that the
    same run gives the same manifest; it says when the run was finished.
    """
    kind, datasets, absent = made
    source = content.source
    record = source.record
    return {
        "format": "immunomon.delivery/1",
        "kind": kind,
        "software": {"name": "immunomon", "version": __version__},
        "run": {
            "digest": source.digest,
            "version": record.get("version"),
            "code_digest": source.code_digest,
            "finished_utc": record.get("finished_utc"),
            "libraries": record.get("libraries"),
            "inputs": record.get("inputs"),
        },
        "audit": {"entries": len(source.audit), "last_hash": source.audit[-1].get("hash") if source.audit else None},
        "review": _review(source, headers),
        "study": {"name": content.trial.name, "title": content.trial.title, "sha256": _digest(source.study)},
        "limits": (record.get("parameters") or {}).get("reportability"),
        "cp_map": {
            "file": "shipped" if "assets" in Path(content.cp_map.file).parts else "export/cp-map.yaml",
            "sha256": file_digest(Path(content.cp_map.file)),
            "terminology": CP_TERMINOLOGY_DATE,
        },
        "assessments": dict(content.assessments.digests),
        "datasets": [
            {
                "name": dataset.name,
                "label": dataset.label,
                "file": file,
                "records": len(dataset),
                "keys": list(dataset.keys),
            }
            for dataset, file in datasets
        ],
        "absent": dict(absent),
        "left_out": _left_out(content) if kind in _BY_THE_MAP else [],
        "blanks": _blanks([dataset for dataset, _ in datasets]),
        "identifiers": {
            "keywords_removed": list(headers.keywords_removed),
            "values_removed": len(headers.removed),
            "note": headers.note,
        },
        "not_of_subjects": sum(1 for row in content.samples.values() if not row["subject"]),
        "samples": {scrubbed_text(name, headers.removed): dict(digests) for name, digests in content.links.items()},
    }


def _review(source: RunSource, headers: Headers) -> dict[str, Any]:
    """Return how far persons have looked at the samples, by panel, and the samples that nobody approved as they are."""
    reviews, panels = reviews_of_run(source.folder), {row["sample_id"]: row["panel"] for row in source.samples.values()}
    states = {name: reviews[name].state if name in reviews else "not reviewed" for name in source.gated}
    by_panel = {panel: Counter(states[name] for name in states if panels[name] == panel) for panel in source.panels}
    return {
        "samples": len(states),
        "states": dict(sorted(Counter(states.values()).items())),
        "panels": {panel: dict(sorted(counts.items())) for panel, counts in by_panel.items()},
        "not_approved": {
            scrubbed_text(name, headers.removed): state for name, state in states.items() if state != "approved"
        },
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8")).hexdigest()


def _left_out(content: Content) -> list[dict[str, str]]:
    left_out = {
        measurement.quantity for measurement in content.measurements if measurement.quantity not in content.cp_map.tests
    }
    return [
        {"quantity": str(quantity), "reason": content.cp_map.reason_left_out(quantity)}
        for quantity in sorted(left_out)
        if quantity.statistic != "median_intensity"
    ]


def _blanks(datasets: Sequence[Dataset]) -> list[str]:
    """Return the required and expected variables that have no value at all."""
    return [
        f"{dataset.name}.{variable.name}"
        for dataset in datasets
        for variable in dataset.variables
        if variable.core in {"Req", "Exp"} and len(dataset)
        if all(value is None for value in dataset.column(variable.name))
    ]
