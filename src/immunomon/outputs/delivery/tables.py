"""The tables of a delivery for people: every number with its baseline and change, and ImmPort's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.cp import gate_picture
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, VariableType, dataset_of
from immunomon.outputs.delivery.measured import Measurement
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS

__all__ = [
    "assessment_tables",
    "frequency_table",
    "frequency_variables",
    "immport_table",
    "links_table",
    "people_tables",
]

_KEYS = ("subject", "visit", "panel", "quantity", "population", "denominator", "marker", "sample_id")
_FREQUENCIES: tuple[tuple[str, VariableType, str], ...] = (
    ("study", "text", "Study"),
    ("subject", "text", "Subject"),
    ("dose_group", "text", "Dose group"),
    ("visit", "text", "Visit"),
    ("planned_day", "integer", "Planned study day"),
    ("study_day", "integer", "Study day; there is no day 0"),
    ("collection_date", "date", "Date of collection"),
    ("panel", "text", "Panel"),
    ("role", "text", "Role of the tube"),
    ("quantity", "text", "percent, cells_per_ul, median_intensity"),
    ("population", "text", "Population id"),
    ("label", "text", "Population"),
    ("denominator", "text", "Denominator id"),
    ("denominator_label", "text", "Denominator"),
    ("marker", "text", "Marker of a median intensity"),
    ("value", "float", "Value; missing if not reportable"),
    ("unit", "text", "Unit; 10^6/L is cells per microlitre"),
    ("status", "text", "reported, not reportable, not done"),
    ("reason", "text", "Why there is no value"),
    ("count", "integer", "Events in the population"),
    ("denominator_count", "integer", "Events in the denominator"),
    ("baseline", "float", "Value at the baseline visit"),
    ("change", "float", "Value minus baseline"),
    ("percent_change", "float", "100 x change / baseline"),
    ("log_odds_change", "float", "Change of the log-odds"),
    ("change_status", "text", "Status of the change"),
    ("change_reason", "text", "Why there is no change"),
    ("sample_id", "text", "Sample"),
    ("gate_picture", "text", "Picture of the gates"),
    ("rests_on", "text", "Doubtful gates that the value rests on"),
    ("baseline_rests_on", "text", "Doubtful gates that the baseline rests on"),
)


def frequency_variables() -> tuple[Variable, ...]:
    """Return the columns of the table of frequencies."""
    return tuple(Variable(name, label, kind) for name, kind, label in _FREQUENCIES)


def frequency_table(content: Content) -> Dataset:
    """Return every reported number, and every one that is not with its reason; medians of the map's markers only."""
    empty = Dataset("subset_frequencies", "Subset frequencies", frequency_variables(), (), _KEYS, "One row per number")
    quantities = content.cp_map.tests
    rows = [
        _row(content, measurement)
        for measurement in content.measurements
        if measurement.quantity.statistic != "median_intensity" or measurement.quantity in quantities
    ]
    return dataset_of(empty, rows)


def _row(content: Content, measurement: Measurement) -> dict[str, Value]:
    quantity, person, visit = (
        measurement.quantity,
        content.trial.person(measurement.subject),
        content.trial.visit(measurement.visit),
    )
    key = (
        measurement.subject,
        measurement.visit,
        quantity.panel,
        quantity.statistic,
        quantity.population,
        quantity.denominator,
    )
    change: Mapping[str, Any] = content.changes.get(key, {}) if measurement.role == "sample" else {}
    return {
        "study": content.trial.name,
        "subject": measurement.subject,
        "dose_group": person.dose_group,
        "visit": measurement.visit,
        "planned_day": visit.planned_day,
        "study_day": person.day(measurement.date),
        "collection_date": measurement.date,
        "panel": quantity.panel,
        "role": measurement.role,
        "quantity": quantity.statistic,
        "population": quantity.population,
        "label": measurement.label,
        "denominator": quantity.denominator,
        "denominator_label": measurement.denominator_label,
        "marker": quantity.marker,
        "value": measurement.value,
        "unit": measurement.unit if measurement.value is not None else None,
        "status": measurement.status,
        "reason": measurement.reason,
        "count": measurement.count,
        "denominator_count": measurement.denominator_count,
        "baseline": content.baseline_of(change) if change else None,
        **{name: change.get(name) for name in ("change", "percent_change", "log_odds_change")},
        "change_status": change.get("status"),
        "change_reason": change.get("reason"),
        "sample_id": measurement.sample_id,
        "gate_picture": gate_picture(measurement.sample_id),
        "rests_on": measurement.rests_on,
        "baseline_rests_on": change.get("baseline_rests_on"),
    }


def links_table(content: Content) -> Dataset:
    """Return, for each sample, where its gates are drawn and kept, its digests, and what the audit trail says of it."""
    names = {
        "sample_id": "Sample",
        "subject": "Subject",
        "visit": "Visit",
        "panel": "Panel",
        "file": "FCS file",
        "fcs_sha256": "SHA-256 of the FCS file",
        "gate_picture": "Picture of the gates, in the run folder",
        "gates": "Placed gates, in the run folder",
        "gates_sha256": "SHA-256 of the placed gates",
        "run_digest": "Digest of the run",
        "audit_entries": "Numbers of the audit trail's entries about it",
        "trace": "Command that prints the way of its numbers",
    }
    variables = tuple(Variable(name, label) for name, label in names.items())
    empty = Dataset("links", "Where each sample's numbers come from", variables, (), ("sample_id",))
    rows: list[dict[str, Value]] = []
    for sample_id, digests in content.links.items():
        sample = content.samples[sample_id]
        rows.append(
            {
                **{name: sample[name] for name in ("sample_id", "subject", "visit", "panel", "file")},
                "fcs_sha256": digests["fcs"],
                "gate_picture": gate_picture(sample_id),
                "gates": f"gates/{sample_id}.json" if digests["gates"] else None,
                "gates_sha256": digests["gates"],
                "run_digest": content.source.digest,
                "audit_entries": ", ".join(map(str, content.source.audit_entries(sample_id))),
                "trace": f"immunomon trace RUN --subject {sample['subject']} --visit {sample['visit']} --population ID",
            }
        )
    return dataset_of(empty, rows)


def assessment_tables(content: Content) -> list[Dataset]:
    """Return the study's tables of other assessments as read; below quantification stays blank and says so."""
    tables = []
    for name, rows in content.assessments.tables.items():
        if not rows:
            continue
        about = ASSESSMENT_INPUTS[name].about
        plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
        variables = tuple(Variable(column, column.replace("_", " "), _type(plain, column)) for column in plain[0])
        tables.append(dataset_of(Dataset(name, name.replace("_", " "), variables, (), about), plain))
    return tables


def _plain(value: object) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str | int | float) else None


def _type(rows: list[dict[str, Value]], column: str) -> VariableType:
    values = [row[column] for row in rows if row[column] is not None]
    if all(isinstance(value, int) for value in values):
        return "integer"
    return "float" if all(isinstance(value, int | float) for value in values) else "text"


def people_tables(content: Content) -> list[Dataset]:
    """Return the tables of the formats for people, the frequencies first."""
    return [frequency_table(content), links_table(content), *assessment_tables(content)]


# ImmPort: derived cytometry results, one row a sample, population and statistic.

_COLUMNS = (
    "Expsample ID",
    "Population Name Reported",
    "Gating Definition Reported",
    "Parent Population Reported",
    "Population Statistic (count, percentile, etc)",
    "Population Stat Unit Reported",
    "Workspace File",
    "Comments",
)
_UNITS = {"percent": "percentage", "cells_per_ul": "cells/uL", "median_intensity": "MFI"}


def immport_table(content: Content) -> Dataset:
    """Return the derived data of cytometry, in the columns of ImmPort's template.

    A number that may not be reported has no statistic but its reason as comment. Definitions and names are the map's
    marker strings where it has them, else the way through the tree of populations.
    """
    variables = tuple(Variable(name, name) for name in _COLUMNS)
    keys = (_COLUMNS[0], _COLUMNS[1], _COLUMNS[3], _COLUMNS[5])
    empty = Dataset("immport_fcm_derived", "Derived cytometry data", variables, (), keys)
    tests = content.cp_map.tests
    rows = [
        _immport_row(content, measurement)
        for measurement in content.measurements
        if measurement.sample_id
        and (measurement.quantity.statistic != "median_intensity" or measurement.quantity in tests)
    ]
    return dataset_of(empty, rows)


def _immport_row(content: Content, measurement: Measurement) -> dict[str, Value]:
    quantity = measurement.quantity
    known = content.cp_map.knows(quantity.panel, quantity.population)
    definition = content.cp_map.population(quantity.panel, quantity.population).markers if known else measurement.path
    name = f"{measurement.label}, {quantity.marker}" if quantity.marker else measurement.label
    notes = [measurement.reason] if measurement.reason else []
    notes.append(
        f"gates/{measurement.sample_id}.json; {measurement.count} events"
        if measurement.count is not None
        else "no events counted"
    )
    return {
        "Expsample ID": measurement.sample_id,
        "Population Name Reported": name,
        "Gating Definition Reported": definition,
        "Parent Population Reported": measurement.denominator_label,
        "Population Statistic (count, percentile, etc)": None if measurement.value is None else repr(measurement.value),
        "Population Stat Unit Reported": _UNITS[quantity.statistic],
        "Workspace File": None,
        "Comments": "; ".join(notes),
    }
