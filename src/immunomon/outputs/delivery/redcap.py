"""REDCap: one record a subject, one event a visit, and the data dictionary that the project needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, VariableType, dataset_of
from immunomon.outputs.delivery.measured import Measurement, quantities

__all__ = ["event_names", "redcap_tables"]

_DICTIONARY = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)


def event_names(visits: Sequence[str]) -> dict[str, str]:
    """Return the event names that REDCap gives to visits of a project with one arm; equal ones get a letter.

    >>> event_names(["D-1", "D1", "W2"])
    {'D-1': 'd1_arm_1', 'D1': 'd1_arm_1b', 'W2': 'w2_arm_1'}
    """
    names: dict[str, str] = {}
    for visit in visits:
        plain = f"{re.sub('[^a-z0-9]+', '', visit.casefold())[:18]}_arm_1"
        taken = sum(1 for name in names.values() if name.startswith(plain))
        names[visit] = plain + (chr(ord("a") + taken) if taken else "")
    return names


def redcap_tables(content: Content) -> tuple[Dataset, Dataset]:
    """Return the records to import and the data dictionary.

    Each number has two fields: its value and, where that is blank, why (``..._why``). Of two tubes of one visit neither
    is given; both fields say so. The map's PARAMCD, in small letters, names the fields. Raises BadSpec if a quantity is
    neither in the map nor left out on purpose.
    """
    content.cp_map.refuse_unmapped(quantities(list(content.measurements)))
    tests = {quantity: test.paramcd.casefold() for quantity, test in content.cp_map.tests.items()}
    measurements = [
        measurement
        for measurement in content.measurements
        if measurement.quantity in tests and measurement.role == "sample"
    ]
    slots: dict[tuple[str, str], dict[str, list[Measurement]]] = {}
    for measurement in measurements:
        slots.setdefault((measurement.subject, measurement.visit), {}).setdefault(
            tests[measurement.quantity], []
        ).append(measurement)
    fields = sorted({tests[measurement.quantity] for measurement in measurements})
    head: list[tuple[str, VariableType]] = [
        ("record_id", "text"),
        ("redcap_event_name", "text"),
        ("collected_on", "date"),
    ]
    pairs: list[tuple[str, VariableType]] = [
        pair for name in fields for pair in ((name, "float"), (f"{name}_why", "text"))
    ]
    variables = tuple(Variable(name, name, kind) for name, kind in (*head, *pairs))
    empty = Dataset("redcap_import", "Records", variables, (), ("record_id", "redcap_event_name"))
    order = {visit.label: visit.number for visit in content.trial.visits}
    events = event_names(
        [
            visit.label
            for visit in content.trial.visits
            if visit.label in {measurement.visit for measurement in measurements}
        ]
    )
    rows = [
        _record(slot, events[slot[1]], slots[slot])
        for slot in sorted(slots, key=lambda slot: (slot[0], order[slot[1]]))
    ]
    return dataset_of(empty, rows), _dictionary(content, fields)


def _record(slot: tuple[str, str], event: str, fields: dict[str, list[Measurement]]) -> dict[str, Value]:
    dates = sorted({measurement.date for ones in fields.values() for measurement in ones if measurement.date})
    record: dict[str, Value] = {
        "record_id": slot[0],
        "redcap_event_name": event,
        "collected_on": dates[0] if dates else None,
    }
    for name, ones in fields.items():
        if len(ones) > 1:
            record[f"{name}_why"] = "more than one tube at the visit"
        else:
            record |= {name: ones[0].value, f"{name}_why": ones[0].reason or None}
    return record


def _dictionary(content: Content, fields: Sequence[str]) -> Dataset:
    about = {test.paramcd.casefold(): quantity for quantity, test in content.cp_map.tests.items()}
    labels = {
        measurement.quantity: (measurement.label, measurement.denominator_label, measurement.unit)
        for measurement in content.measurements
    }
    frame = Dataset(
        "redcap_data_dictionary", "Data dictionary", tuple(Variable(n, n) for n in _DICTIONARY), (), (_DICTIONARY[0],)
    )
    rows = [_entry("record_id", "Subject", ""), _entry("collected_on", "Date of collection", "", "date_ymd")]
    for name in fields:
        label, below, unit = labels[about[name]]
        marker = f", median intensity of {about[name].marker}" if about[name].marker else ""
        of = f", % of {below}" if about[name].denominator else ""
        rows.append(_entry(name, f"{label}{of}{marker} (panel {about[name].panel})", unit, "number"))
        rows.append(_entry(f"{name}_why", f"Why {label} has no value", ""))
    return dataset_of(frame, rows)


def _entry(name: str, label: str, note: str, validation: str = "") -> dict[str, Value]:
    assert len(name) <= 26, f"REDCap keeps 26 letters of a field name: {name}"
    return {
        "Variable / Field Name": name,
        "Form Name": "flow_cytometry",
        "Field Type": "text",
        "Field Label": label,
        "Field Note": note,
        "Text Validation Type OR Show Slider Number": validation,
        "Identifier?": "",
    }
