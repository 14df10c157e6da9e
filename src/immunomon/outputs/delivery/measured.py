"""Every number of a run that may leave it, one by one: what it is of, its value, or the reason that there is none."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.outputs.delivery.mapping import Quantity
from immunomon.outputs.delivery.source import RunSource, records_of

__all__ = ["GATED_ROLES", "UNITS", "Measurement", "measurements", "quantities"]

UNITS = {"percent": "%", "cells_per_ul": "10^6/L", "median_intensity": "MdFI"}
GATED_ROLES = ("sample", "unstimulated")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measurement:
    """One number: of which quantity, sample, subject and visit.

    value: None where it may not be reported. status: ``reported``, ``not reportable`` or ``not done``; reason: why not.
    rests_on: the doubtful gates that it rests on, as ``population: code``; blank for none, or for a run of before.
    """

    quantity: Quantity
    subject: str
    visit: str
    sample_id: str
    role: str
    label: str
    denominator_label: str
    value: float | None
    status: str
    reason: str
    count: int | None = None
    denominator_count: int | None = None
    date: str | None = None
    path: str = ""
    rests_on: str = ""

    @property
    def unit(self) -> str:
        """The unit of the value, as CDISC writes it; 10^6/L is one cell a microlitre."""
        return UNITS[self.quantity.statistic]

    @property
    def qualifier(self) -> str:
        """What stands for the number of a measurement that was made and is not reported; blank otherwise.

        ``<LLOQ`` and ``<LOD`` for too few events, ``NOT REPORTABLE`` for any other reason. What has no count (a tube
        that failed, a gate that was not placed) was not measured.
        """
        if self.status != "not reportable" or self.count is None:
            return ""
        limit = self.reason.removeprefix("below ").partition(":")[0]
        return f"<{limit}" if limit in {"LLOQ", "LOD"} else "NOT REPORTABLE"


def quantities(measurements: list[Measurement]) -> set[Quantity]:
    """Return the quantities that are to be mapped: all but medians, of which a map names the ones it wants."""
    return {
        measurement.quantity for measurement in measurements if measurement.quantity.statistic != "median_intensity"
    }


def measurements(source: RunSource, medians: Iterable[Quantity] = ()) -> list[Measurement]:
    """Return every number of subjects' tubes, those that were not measured at planned visits among them.

    medians: the median intensities that are wanted; there are many, and few of them are asked for.
    Absolute counts are given for the populations that have one anywhere in the run. Ordered by subject, quantity, date
    and sample. Tubes of nobody (bridge samples, controls) are not subjects' data and are left out.
    """
    rows = _rows(source, "populations")
    names = _Names(
        source,
        labels={(row["panel"], row["population"]): str(row["label"]) for row in rows},
        paths={(row["panel"], row["population"]): str(row["path"]) for row in rows},
    )
    unsorted = [*_percents(names), *_absolutes(names, rows), *_medians(names, set(medians)), *_missing(names)]
    return sorted(
        unsorted,
        key=lambda measurement: (
            measurement.subject,
            measurement.quantity,
            measurement.date or "9999",
            measurement.visit,
            measurement.sample_id,
            measurement.role,
        ),
    )


def _rows(source: RunSource, table: str) -> list[dict[str, Any]]:
    return _subjects_rows(records_of(source.tables[table]))


def _subjects_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["subject"] and row["role"] in GATED_ROLES]


@dataclass(frozen=True, eq=False)
class _Names:
    """A run with the labels and the places in the tree of its populations, by panel and population."""

    source: RunSource
    labels: Mapping[tuple[str, str], str]
    paths: Mapping[tuple[str, str], str]


def _made(names: _Names, row: Row, quantity: Quantity, column: str) -> Measurement:
    source, labels, paths = names.source, names.labels, names.paths
    value = row[column]
    known = value is not None and value == value
    fine = bool(row["reportable"]) and known
    reason = "" if fine else str(row["reason"] or "no value, and no reason was given")
    failed = source.samples.get(str(row["sample_id"]), {}).get("status") == "failed"
    denominator = quantity.denominator
    return Measurement(
        quantity=quantity,
        subject=str(row["subject"]),
        visit=str(row["visit"]),
        sample_id=str(row["sample_id"]),
        role=str(row["role"]),
        label=labels.get((quantity.panel, quantity.population), quantity.population),
        denominator_label=labels.get(
            (quantity.panel, denominator), "all events" if denominator == "root" else denominator
        ),
        value=float(value) if fine else None,
        status="reported" if fine else "not done" if failed else "not reportable",
        reason=reason,
        count=None if row["count"] is None else int(row["count"]),
        denominator_count=None if row.get("denominator_count") is None else int(row["denominator_count"]),
        date=source.samples.get(str(row["sample_id"]), {}).get("collection_date"),
        path=str(paths.get((quantity.panel, quantity.population), "")),
        rests_on=str(row.get("rests_on") or ""),
    )


def _percents(names: _Names) -> Iterator[Measurement]:
    for row in _rows(names.source, "frequencies"):
        quantity = Quantity(row["panel"], row["population"], "percent", row["denominator"])
        yield _made(names, row, quantity, "percent")


def _absolutes(names: _Names, rows: Sequence[Row]) -> Iterator[Measurement]:
    counted = {(row["panel"], row["population"]) for row in rows if row["cells_per_ul"] is not None}
    for row in rows:
        if (row["panel"], row["population"]) not in counted:
            continue
        quantity = Quantity(row["panel"], row["population"], "cells_per_ul")
        none = row["cells_per_ul"] is None and row["reportable"]
        figures = "neither a lymphocyte count nor bead figures, or beads that may not be used"
        with_reason = {**row, "reason": figures} if none else row
        yield _made(names, with_reason, quantity, "cells_per_ul")


def _medians(names: _Names, quantities: set[Quantity]) -> Iterator[Measurement]:
    table = names.source.tables["medians"]
    keys = {(quantity.panel, quantity.population, quantity.marker) for quantity in quantities}
    chosen = [key in keys for key in zip(table["panel"], table["population"], table["marker"], strict=True)]
    for row in _subjects_rows(records_of(table[chosen])):
        quantity = Quantity(row["panel"], row["population"], "median_intensity", "", row["marker"])
        yield _made(names, row, quantity, "median_intensity")


def _missing(names: _Names) -> Iterator[Measurement]:
    """Yield what planned visits lack, of visits that are over."""
    source, labels = names.source, names.labels
    last = max((str(row["collection_date"]) for row in source.samples.values() if row["collection_date"]), default="")
    ends = {row["label"]: (row.get("window_days") or [0, row["planned_day"]])[1] for row in source.study["visits"]}
    firsts = {str(subject["id"]): min(subject.get("infusion_dates") or [""]) for subject in source.study["subjects"]}
    for row in records_of(source.tables["changes"]):
        if row["status"] != "missing" or row["quantity"] == "ratio" or not firsts.get(str(row["subject"])):
            continue
        if ends[row["visit"]] is None:
            continue  # without a day no visit is ever over
        over = datetime.date.fromisoformat(firsts[str(row["subject"])]) + datetime.timedelta(
            days=int(ends[row["visit"]])
        )
        if over.isoformat() > last:
            continue
        quantity = Quantity(row["panel"], row["population"], row["quantity"], row["denominator"] or "")
        label = labels.get((quantity.panel, quantity.population), quantity.population)
        below = labels.get((quantity.panel, quantity.denominator), quantity.denominator)
        whose = (str(row["subject"]), str(row["visit"]), "", "sample")
        # Its gates are those of the same population elsewhere: a definition does not depend on what was done.
        path = names.paths.get((quantity.panel, quantity.population), "")
        yield Measurement(quantity, *whose, label, below, None, "not done", str(row["reason"]), path=path)
