"""The datasets of SDTM and ADaM without their rows: variables, labels, roles and origins, kept as data."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import cast

from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, VariableType, dataset_of

__all__ = ["filled", "frame", "frames", "qualifiers", "supplemented", "table_rows"]

Record = Mapping[str, Value]
_MAY_GO = {"Perm", "Cond"}
_KEPT_WHOLE = {"CP"}  # delivered with all of its variables, in the order of the guide


def table_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the tables that datasets are described in."""
    text = (files("immunomon.outputs.delivery") / "assets" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _variable(row: Mapping[str, str]) -> Variable:
    return Variable(
        name=row["name"],
        label=row["label"],
        type=cast("VariableType", row["type"]),
        role=row["role"],
        codelist=row["codelist"],
        core=row["core"],
        origin=row["origin"],
        source=row["source"],
        method=row["method"],
        sources=tuple(row["from"].split()),
        display="DATE9." if row["name"] in {"TRTSDT", "TRTEDT", "ADT", "ASTDT", "AENDT"} else "",
    )


@functools.cache
def frames() -> Mapping[str, Dataset]:
    """Return every dataset that can be delivered, without rows, by name."""
    variables: dict[str, list[Variable]] = {}
    for row in table_rows("variables.csv"):
        variables.setdefault(row["dataset"], []).append(_variable(row))
    return {
        row["name"]: Dataset(
            name=row["name"],
            label=row["label"],
            variables=tuple(variables[row["name"]]),
            rows=(),
            keys=tuple(row["keys"].split()),
            order=tuple(row["order"].split()),
            structure=row["structure"],
            kind=row["kind"],
            standard=row["standard"],
            comment=row["comment"],
        )
        for row in table_rows("datasets.csv")
    }


@functools.cache
def qualifiers(name: str) -> Mapping[str, Variable]:
    """Return the supplemental qualifiers of a dataset such as SUPPLB, by QNAM; none for any other.

    >>> qualifiers("SUPPLB")["BLEEDGR"].label
    'Bleeding Grade (WHO)'
    """
    return {
        row["name"]: Variable(
            row["name"],
            row["label"],
            origin=row["origin"],
            source={"Collected": "Investigator"}.get(row["origin"], "Sponsor"),
            method=row["method"],
            sources=tuple(row["from"].split()),
        )
        for row in table_rows("qualifiers.csv")
        if row["dataset"] == name
    }


def frame(name: str) -> Dataset:
    """Return a dataset without rows.

    >>> len(frame("CP").variables), frame("CP").names[:4]
    (62, ('STUDYID', 'DOMAIN', 'USUBJID', 'CPSEQ'))
    """
    return frames()[name]


def filled(name: str, records: Sequence[Record], extra: Sequence[Variable] = ()) -> Dataset:
    """Return a dataset with its rows, sorted by its order (its keys, where it has none) and numbered by subject.

    The summary of a trial is numbered by parameter. extra: variables of the study's own, put at the end. Names that
    begin with ``+`` are supplemental qualifiers and are left out here. Permissible variables without any value are left
    out, but CP keeps all of its 62 variables.
    """
    empty = replace(frame(name), variables=(*frame(name).variables, *extra))
    plain = [{key: value for key, value in record.items() if key[0] != "+"} for record in _ordered(name, records)]
    whole = dataset_of(empty, plain)
    if name in _KEPT_WHOLE:
        return whole
    kept = tuple(
        variable for variable in whole.variables if variable.core not in _MAY_GO or _has_values(whole, variable.name)
    )
    indices = [whole.index_of(variable.name) for variable in kept]
    names = {variable.name for variable in kept}
    rows = tuple(tuple(row[index] for index in indices) for row in whole.rows)
    return replace(whole, variables=kept, rows=rows, keys=tuple(key for key in whole.keys if key in names))


def _has_values(dataset: Dataset, name: str) -> bool:
    return any(value is not None for value in dataset.column(name))


def supplemented(name: str, records: Sequence[Record]) -> Dataset:
    """Return the supplemental qualifiers of a dataset made of the same records.

    A record holds the value of a qualifier under ``+QNAM``. A domain with one record a subject has no --SEQ to name.
    """
    rows: list[Record] = []
    for record in _ordered(name, records):
        for qualifier, about in qualifiers(f"SUPP{name}").items():
            value = record.get(f"+{qualifier}")
            if value is not None:
                whose = {"STUDYID": record["STUDYID"], "RDOMAIN": name, "USUBJID": record["USUBJID"]}
                number = record.get(f"{name}SEQ")
                where = {} if number is None else {"IDVAR": f"{name}SEQ", "IDVARVAL": str(number)}
                what = {"QNAM": qualifier, "QLABEL": about.label, "QVAL": value, "QORIG": about.origin}
                rows.append({**whose, **where, **what})
    return filled(f"SUPP{name}", rows)


def _ordered(name: str, records: Sequence[Record]) -> list[Record]:
    sequence = f"{name}SEQ"
    whole = frame(name)
    names = [variable for variable in whole.order or whole.keys if variable != sequence]
    ordered = sorted(records, key=lambda record: [_sortable(record.get(variable)) for variable in names])
    return _numbered(ordered, sequence) if sequence in frame(name).names else ordered


def _sortable(value: Value) -> tuple[int, float, str]:
    if value is None:
        return (2, 0.0, "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (0, float(value), "") if value.isdigit() else (1, 0.0, value)


def _numbered(records: Sequence[Record], sequence: str) -> list[Record]:
    counted: dict[Value, int] = {}
    numbered: list[Record] = []
    for record in records:
        whose = record.get("USUBJID") or record.get("TSPARMCD")
        counted[whose] = counted.get(whose, 0) + 1
        numbered.append({**record, sequence: counted[whose]})
    return numbered
