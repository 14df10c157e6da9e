"""What a delivery changes against the one before: values that are new, changed or withdrawn, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from immunomon.errors import counted
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, as_long_as_fits, dataset_of

__all__ = ["Difference", "differences", "differences_table", "differences_text"]

_FOR_NUMBER = {"VISITNUM": "VISIT", "AVISITN": "AVISIT"}
_NOT_VALUES = {
    "links",
    "differences",
    "annotated_mapping",
}  # they say where values come from, which is why a value changed
_PROVENANCE = {"GATESHA", "FCSSHA"}
_REPEATED = ("ORRES", "ORRESU", "STRESN", "STRESU")  # in the words for people: STRESC tells it
_VALUES = ("STRESC", "AVAL", "AVALC", "CHG", "STAT", "value", "change", "status", "percent", "cells_per_ul")
_SAMPLE = ("CPSPID", "BSSPID", "sample_id")


@dataclass(frozen=True, order=True)
class Difference:
    """One value that differs: in which dataset and record, which variable, what it was and is, and why."""

    dataset: str
    key: str
    kind: str
    variable: str = ""
    old: str = ""
    new: str = ""
    why: str = ""


def differences(
    before: tuple[Mapping[str, Dataset], Mapping[str, Any]], after: tuple[Mapping[str, Dataset], Mapping[str, Any]]
) -> list[Difference]:
    """Return every difference between two deliveries, each given as its datasets and its manifest.

    Records are the same if their identifying variables are; numbers that only count records or visits are left out. Ten
    digits of a number count.
    """
    changes: list[Difference] = []
    for name in sorted((before[0].keys() | after[0].keys()) - _NOT_VALUES):
        old = _records(before[0].get(name), before[0])
        new = _records(after[0].get(name), after[0])
        for key in sorted(old.keys() | new.keys()):
            changes += _compared(name, (key, old.get(key), new.get(key)), (before[1], after[1]))
    return changes


def _records(dataset: Dataset | None, datasets: Mapping[str, Dataset]) -> dict[str, dict[str, Value]]:
    """Return a dataset's records by what identifies them, whatever their numbers are."""
    if dataset is None:
        return {}
    keys = [_FOR_NUMBER.get(key, key) for key in dataset.keys or dataset.names if not key.endswith("SEQ")]
    parents = _parents(dataset, datasets)
    records: dict[str, dict[str, Value]] = {}
    for record in dataset.records():
        if record.get("QNAM") in _PROVENANCE:
            continue
        if parents:
            record["IDVARVAL"] = parents.get((record["USUBJID"], str(record["IDVARVAL"])), record["IDVARVAL"])
        text = " | ".join(_text(record.get(key)) for key in keys)
        number, key = 1, text
        while key in records:
            number += 1
            key = f"{text} | {number}"
        records[key] = record
    return records


def _parents(dataset: Dataset, datasets: Mapping[str, Dataset]) -> dict[tuple[Value, str], Value]:
    """Return, for supplemental qualifiers, what identifies the record that a sequence number stands for."""
    parent = datasets.get(dataset.name.removeprefix("SUPP")) if dataset.name.startswith("SUPP") else None
    if parent is None:
        return {}
    keys = [_FOR_NUMBER.get(key, key) for key in parent.keys if not key.endswith("SEQ") and key != "USUBJID"]
    return {
        (record["USUBJID"], str(record[f"{parent.name}SEQ"])): ", ".join(_text(record.get(key)) for key in keys)
        for record in parent.records()
    }


def _text(value: Value) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _compared(
    name: str,
    record: tuple[str, dict[str, Value] | None, dict[str, Value] | None],
    manifests: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> Iterator[Difference]:
    key, old, new = record
    if old is None or new is None:
        there = old or new or {}
        kind = "new" if old is None else "withdrawn"
        text = "; ".join(f"{variable}={_text(there[variable])}" for variable in _results(there))
        yield Difference(
            name, key, kind, "", "" if old is None else text, "" if new is None else text, _why(name, there, manifests)
        )
        return
    for variable in sorted(old.keys() | new.keys()):
        if variable.endswith("SEQ") or variable in _FOR_NUMBER or variable in {"PARAMN", "IDVARVAL"}:
            continue
        was, now = _text(old.get(variable)), _text(new.get(variable))
        if was != now:
            yield Difference(name, key, "changed", variable, was, now, _why(name, new, manifests))


def _results(record: Mapping[str, Value]) -> list[str]:
    endings = ("STRESC", "STRESU", "STAT", "REASND", "QVAL", "AVAL", "value", "unit", "status", "reason")
    return [name for name, value in record.items() if name.endswith(endings) and value is not None]


def _why(name: str, record: Mapping[str, Value], manifests: tuple[Mapping[str, Any], Mapping[str, Any]]) -> str:
    before, after = manifests
    sample = next((str(record[column]) for column in _SAMPLE if record.get(column)), "")
    if sample:
        old, new = before.get("samples", {}).get(sample), after.get("samples", {}).get(sample)
        if old is None:
            return "the previous delivery did not have the FCS file"
        if new is None:
            return "the FCS file is no longer in the study"
        if old["fcs"] != new["fcs"]:
            return "the FCS file was replaced by another"
        if old["gates"] != new["gates"]:
            return "the gates were placed otherwise"
    elif before.get("assessments") != after.get("assessments") and name not in {"CP", "SUPPCP", "ADCP"}:
        return "the study's tables of other assessments changed"
    for part, reason in (
        ("limits", "the limits of what may be reported changed"),
        ("cp_map", "the map of tests changed"),
        ("study", "the study file changed"),
    ):
        if before.get(part) != after.get(part):
            return reason
    inputs = [dict(manifest.get("run", {}).get("inputs") or {}) for manifest in manifests]
    changed_inputs = sorted(
        name for name in inputs[0].keys() | inputs[1].keys() if inputs[0].get(name) != inputs[1].get(name)
    )
    if changed_inputs:
        return as_long_as_fits(f"inputs of the run changed: {', '.join(changed_inputs)}")
    if before.get("run", {}).get("code_digest") != after.get("run", {}).get("code_digest"):
        return "the software changed"
    if before.get("run") != after.get("run"):
        return "the run is another; look at its sources"
    return "the previous delivery was changed after it was made, or made by other software"


def differences_table(changes: list[Difference]) -> Dataset:
    """Return differences as a table."""
    names = ("kind", "dataset", "key", "variable", "old", "new", "why")
    frame = Dataset("differences", "Differences from the previous delivery", tuple(Variable(n, n) for n in names), ())
    return dataset_of(frame, [{name: getattr(change, name) for name in names} for change in changes])


def differences_text(changes: list[Difference], most: int = 200) -> str:
    """Return differences in words, at most so many of each kind; the table has them all.

    What is a value or its status comes first. Any other change that is word for word the same in several records, as
    of a limit that stands in every reason, is one line.
    """
    lines = []
    for kind, title in (("changed", "Changed"), ("withdrawn", "Withdrawn"), ("new", "New")):
        ones = [change for change in changes if change.kind == kind and not change.variable.endswith(_REPEATED)]
        values = [change for change in ones if not change.variable or change.variable.endswith(_VALUES)]
        of_value = set(values)
        in_values = f", {_records_of(values)} in a value or a status" if kind == "changed" else ""
        lines.append(f"{title}: {counted(_records_of(ones), 'record')}{in_values}")
        lines_of_kind = [_line(change, f"[{change.key}]") for change in values] + _words(
            change for change in ones if change not in of_value
        )
        lines += lines_of_kind[:most]
        if len(lines_of_kind) > most:
            lines.append(f"  ... and {len(lines_of_kind) - most} more in differences.csv")
    return "\n".join(lines) + "\n"


def _records_of(changes: Iterable[Difference]) -> int:
    return len({(change.dataset, change.key) for change in changes})


def _words(changes: Iterable[Difference]) -> list[str]:
    same: dict[Difference, list[str]] = {}
    for change in changes:
        same.setdefault(replace(change, key=""), []).append(change.key)
    return [_line(item, f"[{keys[0]}]" if len(keys) == 1 else f"{len(keys)} records:") for item, keys in same.items()]


def _line(change: Difference, where: str) -> str:
    values = (
        f" {change.variable}: {change.old or 'nothing'} -> {change.new or 'nothing'}"
        if change.kind == "changed"
        else ""
    )
    return f"  {change.dataset} {where}{values} ({change.why})"
