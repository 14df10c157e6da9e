"""The column contracts of what ``immunomon mechanism`` writes: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = [
    "BALANCE",
    "BY_RESPONSE",
    "LAGS",
    "LEAVE_ONE_OUT",
    "MECHANISM_TABLES",
    "ORDER_COUNTS",
    "PATH",
    "TIME_ORDER",
    "WITHIN_PATIENTS",
]


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
