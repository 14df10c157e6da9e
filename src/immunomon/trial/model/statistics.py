"""The column contracts of what ``immunomon compare`` and ``immunomon power`` write: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = [
    "COURSES",
    "ESTIMATES",
    "FAMILIES",
    "MISSING",
    "OVER_TIME",
    "PATIENT_CHANGES",
    "POWER",
    "STATISTICS_TABLES",
    "TRENDS",
]


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
