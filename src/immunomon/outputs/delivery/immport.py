"""ImmPort: derived cytometry results, one row a sample, population and statistic."""

from __future__ import annotations

from immunomon.outputs.delivery.content import Content
from immunomon.outputs.delivery.dataset import Dataset, Value, Variable, dataset_of
from immunomon.outputs.delivery.measured import Measurement

__all__ = ["immport_table"]

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
        _row(content, measurement)
        for measurement in content.measurements
        if measurement.sample_id
        and (measurement.quantity.statistic != "median_intensity" or measurement.quantity in tests)
    ]
    return dataset_of(empty, rows)


def _row(content: Content, measurement: Measurement) -> dict[str, Value]:
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
