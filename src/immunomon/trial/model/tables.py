"""The contracts of the tables that ``immunomon compare``, ``assess``, ``mechanism`` and ``power`` write."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.cytometry.model.populations import Table, contract

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ADVERSE_EVENT_WORST",
    "ANTIBODY_RESPONSE",
    "ASSESSMENT_TABLES",
    "BALANCE",
    "BY_RESPONSE",
    "CANDIDATES",
    "COURSES",
    "ESCALATION",
    "ESTIMATES",
    "FAMILIES",
    "INCIDENCE",
    "KINETICS",
    "LABORATORY_CHANGES",
    "LABORATORY_VALUES",
    "LAGS",
    "LEAVE_ONE_OUT",
    "MECHANISM_TABLES",
    "MISSING",
    "ORDER_COUNTS",
    "OVER_TIME",
    "PATH",
    "PATIENT_CHANGES",
    "PLANNED",
    "PLATELET_RESPONSE",
    "PLATELET_VISITS",
    "POWER",
    "PROPORTIONALITY",
    "STATISTICS_TABLES",
    "TIME_ORDER",
    "TRENDS",
    "VIRUS_CONVERSIONS",
    "VIRUS_SHIFTS",
    "WITHIN_PATIENTS",
    "contracted",
]


def contracted(rows: Iterable[Mapping[str, Any]], table: Table, plan_digest: str = "") -> pd.DataFrame:
    """Return rows as a table that keeps its contract; None, not-a-number and empty text are missing.

    plan_digest: of the plan that the rows were made by, in every one; of what these say of their endpoint a table keeps
    what it has columns for. Without it, KeyError is raised for a value that has no column.
    """
    every_row = {"plan_digest": plan_digest} if plan_digest else {}
    plain = [{key: _plain(value) for key, value in {**row, **every_row}.items()} for row in rows]
    unknown = sorted({key for row in plain for key in row} - set(table.names))
    if unknown and not plan_digest:
        raise KeyError(f"{table.name} has no column {', '.join(unknown)}")
    return table.frame(plain)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a cell holds
    missing = value is None or value == "" or (isinstance(value, float | np.floating) and math.isnan(value))
    return None if missing else value


PATIENT_CHANGES = contract(
    "patient_changes", "one endpoint x subject x visit after baseline", "endpoint", "subject", "visit"
)
COURSES = contract("courses", "one endpoint x subject x window", "endpoint", "subject", "window")
ESTIMATES = contract(
    "estimates",
    "one endpoint x dose group (and all together) x measure x visit or window",
    "endpoint",
    "dose_group",
    "measure",
    "at",
)
TRENDS = contract(
    "trends", "one endpoint x kind of trend x dose group x visit or window", "endpoint", "kind", "dose_group", "at"
)
FAMILIES = contract(
    "families", "one family x endpoint x visit, all dose groups together", "family", "endpoint", "visit"
)
OVER_TIME = contract("over_time", "one endpoint x model x term", "endpoint", "model", "term")
MISSING = contract("missing", "one planned endpoint x visit x dose group", "endpoint", "visit", "dose_group")
POWER = contract("power", "one endpoint x visit x number of patients x test", "endpoint", "visit", "n", "test")
STATISTICS_TABLES = {
    table.name: table for table in (PATIENT_CHANGES, COURSES, ESTIMATES, TRENDS, FAMILIES, OVER_TIME, MISSING, POWER)
}


# The column contracts of what ``immunomon assess`` writes: names, types, meaning.

PLATELET_VISITS = contract("platelet_visits", "one platelet count", "subject", "study_day", "visit")
PLATELET_RESPONSE = contract("platelet_response", "one subject with platelet counts", "subject")
KINETICS = contract("kinetics", "one subject x kinetic parameter", "subject", "parameter")
PROPORTIONALITY = contract("proportionality", "one kinetic parameter over the doses", "parameter")
ANTIBODY_RESPONSE = contract("antibody_response", "one subject tested for antibody to the cells", "subject")
VIRUS_SHIFTS = contract(
    "virus_shifts", "one virus x visit x result before and then", "virus", "visit", "baseline_result", "result"
)
VIRUS_CONVERSIONS = contract(
    "virus_conversions",
    "one subject x virus that was not positive before the first infusion and is after it",
    "subject",
    "virus",
    "visit",
)
LABORATORY_VALUES = contract(
    "laboratory_values",
    "one result of a laboratory value, against the subject's baseline",
    "analyte",
    "subject",
    "visit",
    "study_day",
    "date",
)
LABORATORY_CHANGES = contract(
    "laboratory_changes",
    "one laboratory value x visit x dose group (and all together): how many went up and down",
    "analyte",
    "visit",
    "dose_group",
)
ADVERSE_EVENT_WORST = contract(
    "adverse_event_worst",
    "one subject x term, or x system organ class, or altogether: treatment-emergent events at the worst grade",
    "subject",
    "level",
    "system_organ_class",
    "term",
)
INCIDENCE = contract(
    "incidence",
    "one kind of event x dose group, or x cohort of a dose that was expanded: how many subjects of how many",
    "topic",
    "measure",
    "system_organ_class",
    "term",
    "dose_group",
    "cohort",
)
ESCALATION = contract("escalation", "one step of the dose escalation: a cohort looked at", "step")
CANDIDATES = contract(
    "candidates",
    "one dose group x measure: what speaks for and against its expansion, side by side",
    "dose_group",
    "aspect",
    "measure",
)
PLANNED = contract(
    "planned", "one planned assessment of one treated subject", "subject", "assessment", "planned", "test"
)
ASSESSMENT_TABLES = {
    table.name: table
    for table in (
        *(PLATELET_VISITS, PLATELET_RESPONSE, KINETICS, PROPORTIONALITY, ANTIBODY_RESPONSE),
        *(LABORATORY_VALUES, LABORATORY_CHANGES),
        *(VIRUS_SHIFTS, VIRUS_CONVERSIONS, ADVERSE_EVENT_WORST, INCIDENCE, ESCALATION, CANDIDATES, PLANNED),
    )
}


# The column contracts of what ``immunomon mechanism`` writes: names, types, meaning.

BY_RESPONSE = contract(
    "by_response",
    "one primary endpoint x primary visit: patients with a platelet response against the others",
    "endpoint",
    "visit",
)
WITHIN_PATIENTS = contract(
    "within_patients",
    "one primary endpoint: does it go with the platelets within the same patients, visit by visit?",
    "endpoint",
)
LAGS = contract(
    "lags",
    "one primary endpoint x lag: r within patients with one visit between immune change and platelets",
    "endpoint",
    "lag",
)
PATH = contract("path", "one path x primary endpoint x primary visit x step", "path", "endpoint", "visit", "step")
BALANCE = contract(
    "balance",
    "one patient, or one dose group (and all together) x visit: change of the logarithm of Th17/Treg",
    "dose_group",
    "subject",
    "visit",
)
LEAVE_ONE_OUT = contract(
    "leave_one_out", "one headline x endpoint x visit: what it is without each patient", "headline", "endpoint", "at"
)
TIME_ORDER = contract(
    "time_order",
    "one primary endpoint x patient: which was first, the immune change or the platelet response?",
    "endpoint",
    "subject",
)
ORDER_COUNTS = contract("order_counts", "one primary endpoint: how many patients had which first", "endpoint")
MECHANISM_TABLES = {
    table.name: table
    for table in (BY_RESPONSE, WITHIN_PATIENTS, LAGS, PATH, BALANCE, LEAVE_ONE_OUT, TIME_ORDER, ORDER_COUNTS)
}
