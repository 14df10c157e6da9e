"""What was measured beside the cytometer, from the study's CSV files: platelets, cells in blood, antibodies, events."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from immunomon.delivery.source import file_sha256
from immunomon.errors import DeliveryFailed
from immunomon.specs.yamlfile import read_text

__all__ = ["COLUMNS", "Assessments", "read_assessments"]

Row = Mapping[str, Any]
_MOST_BYTES = 50_000_000


def _text(text: str) -> str:
    return text


def _truth(text: str) -> bool:
    known = {"true": True, "false": False}
    if text.casefold() not in known:
        raise ValueError("should be true or false")
    return known[text.casefold()]


def _number(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("should be a finite number")
    return number


def _date(text: str) -> str:
    return datetime.date.fromisoformat(text).isoformat()


_NEEDED = {"subject", "planned_time_h", "timepoint", "virus", "term"}  # without them a row is about nothing
_WHEN: Mapping[str, Callable[[str], object]] = {"study_day": int, "date": _date}
COLUMNS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "platelets": {
        **{"subject": _text, "visit": _text, **_WHEN, "platelets_1e9_per_l": _number},
        **{"bleeding": _truth, "rescue_therapy": _truth},
    },
    "msc_concentration": {
        **{"subject": _text, "planned_time_h": _number, "actual_time_h": _number},
        **{"concentration_cells_per_ml": _number, "below_quantification": _truth, "lloq": _number},
    },
    "antibodies": {"subject": _text, "timepoint": _text, **_WHEN, "titre": _number, "result": _text},
    "viruses": {"subject": _text, "visit": _text, **_WHEN, "virus": _text, "result": _text},
    "adverse_events": {
        **{"subject": _text, "term": _text, "system_organ_class": _text, "grade": int, "start_day": int},
        **{"end_day": int, "serious": _truth, "related": _truth, "dose_limiting": _truth},
    },
}


@dataclass(frozen=True)
class Assessments:
    """The rows of each table that the study has, and the digest of each file."""

    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def rows(self, name: str) -> Sequence[Row]:
        """Return a table's rows, none if the study does not have it."""
        return self.tables.get(name, ())


def read_assessments(folder: Path | None, subjects: Sequence[str]) -> Assessments:
    """Read the CSV files of a study's folder, or of its ``assessments`` folder, that hold other assessments.

    Blank fields are None. Raises DeliveryFailed, with file and line, for a missing column, a value that is not what its
    column holds, or a subject that the study does not have.
    """
    if folder is None:
        return Assessments()
    tables, digests = {}, {}
    for name, columns in COLUMNS.items():
        path = next(
            (one for one in (folder / f"{name}.csv", folder / "assessments" / f"{name}.csv") if one.is_file()), None
        )
        if path is not None:
            tables[name] = _read(path, columns, set(subjects))
            digests[name] = file_sha256(path)
    return Assessments(tables, digests)


def _read(path: Path, columns: Mapping[str, Callable[[str], object]], subjects: set[str]) -> list[Row]:
    reader = csv.DictReader(io.StringIO(read_text(path, _MOST_BYTES)), strict=True)
    rows: list[Row] = []
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise DeliveryFailed(f"{path} line 1: has no column {', '.join(missing)}; add it")
        for raw in reader:
            rows.append(_row(path, reader.line_num, (raw, columns, subjects)))
    except csv.Error as error:
        raise DeliveryFailed(f"{path} line {reader.line_num}: {error}; save it as plain CSV") from None
    return rows


def _row(path: Path, line: int, parts: tuple[Row, Mapping[str, Callable[[str], object]], set[str]]) -> Row:
    raw, columns, subjects = parts
    row: dict[str, object] = {}
    for name, read in columns.items():
        text = str(raw[name] or "").strip()
        try:
            if not text and name in _NEEDED:
                raise DeliveryFailed(f"{path} line {line}: {name}: is blank; fill it in, or take the row out")
            row[name] = read(text) if text else None
        except ValueError:
            what = f"'{text[:40]}' does not fit the column"
            raise DeliveryFailed(f"{path} line {line}: {name}: {what}; correct it, or leave it blank") from None
    if row["subject"] not in subjects:
        raise DeliveryFailed(f"{path} line {line}: subject: the study has no subject '{row['subject']}'; correct it")
    return row
