"""The trial database: its tables, constraints and view. The columns of results are those of the column contracts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from immunomon.model import populations as contracts

__all__ = ["RESULTS", "SCHEMA_VERSION", "STUDY_TABLES", "VIEW", "metadata", "runs", "schema_info", "studies"]

SCHEMA_VERSION = 1

metadata = MetaData()
_JSON = JSON().with_variant(JSONB(), "postgresql")
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "string": Text,
    "Int64": BigInteger,
    "Float64": Double,
    "boolean": Boolean,
}
_SPECIAL: dict[tuple[str, str], TypeEngine[Any]] = {
    ("samples", "collection_date"): Date(),
    ("summary", "subjects"): _JSON,
}

schema_info = Table(
    "immunomon_schema",
    metadata,
    Column("version", Integer, nullable=False, comment="version of these tables"),
)
studies = Table(
    "studies",
    metadata,
    Column("study", Text, primary_key=True, comment="study name"),
    Column("title", Text, nullable=False),
    CheckConstraint("study <> ''", name="ck_studies_named"),
)
runs = Table(
    "runs",
    metadata,
    # Fetched values of an identity column are never used twice, so an old run's number stays its own.
    Column("run_id", Integer, Identity(), primary_key=True, comment="number of an export; each row says which made it"),
    Column("study", Text, nullable=False),
    Column("run_digest", Text, nullable=False, comment="digest of everything the run was made from"),
    Column("tables_digest", Text, nullable=False, comment="SHA-256 of what was exported"),
    Column("software_version", Text, nullable=False),
    Column("exported_at_utc", DateTime(timezone=True), nullable=False),
    Column("is_current", Boolean, nullable=False, comment="whether this run's values are the ones in the tables"),
    ForeignKeyConstraint(["study"], ["studies.study"], name="fk_runs_study"),
    Index(
        "uq_runs_one_current",
        "study",
        unique=True,
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
    sqlite_autoincrement=True,
)


def _of_study(name: str, key: Sequence[str], columns: Iterable[Column[Any]], *more: SchemaItem) -> Table:
    """Return a table whose rows belong to a study and to the run that brought them."""
    return Table(
        name,
        metadata,
        Column("study", Text, nullable=False, comment="study name"),
        Column("run_id", Integer, nullable=False, comment="the export that wrote this row"),
        *columns,
        ForeignKeyConstraint(["study"], ["studies.study"], name=f"fk_{name}_study"),
        ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{name}_run"),
        *([PrimaryKeyConstraint("study", *key, name=f"pk_{name}")] if key else []),
        *more,
    )


def _to(table: str, own: Sequence[str], theirs: Sequence[str] = (), *, of: str) -> ForeignKeyConstraint:
    columns = [f"{table}.{name}" for name in ("study", *(theirs or own))]
    return ForeignKeyConstraint(["study", *own], columns, name=f"fk_{of}_{table}")


def _result(contract: contracts.Table, optional: Iterable[str], *more: SchemaItem, keyed: bool = True) -> Table:
    """Return the table of a column contract; columns are NOT NULL unless they are named as optional."""
    may_be_null = set(optional)
    columns: list[Column[Any]] = [
        Column(
            column.name,
            _SPECIAL.get((contract.name, column.name)) or _TYPES[column.dtype](),
            nullable=column.name in may_be_null,
            comment=column.meaning,
        )
        for column in contract.columns
    ]
    return _of_study(contract.name, contract.key if keyed else (), columns, *more)


def _percent(table: str, *columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{name} BETWEEN 0 AND 100", name=f"ck_{table}_{name}") for name in columns]


def _percent_of_any(table: str, column: str, given: str = "") -> list[CheckConstraint]:
    # A strategy may ask for percents of a denominator that does not hold the population: only then more than 100.
    within = f"{column} >= 0 AND ({column} <= 100 OR count > denominator_count)"
    return [
        CheckConstraint(f"NOT ({given}) OR ({within})" if given else within, name=f"ck_{table}_{column}"),
        CheckConstraint("count >= 0 AND denominator_count >= 0", name=f"ck_{table}_counts"),
    ]


def _reason(table: str, fine: str = "reportable") -> CheckConstraint:
    return CheckConstraint(f"{fine} OR (reason IS NOT NULL AND reason <> '')", name=f"ck_{table}_reason")


def _unique(contract: contracts.Table) -> Index:
    # An absolute count has no denominator, and NULLs never collide in a key: the index reads it as ''.
    names = [text("coalesce(denominator, '')") if name == "denominator" else name for name in contract.key]
    return Index(f"uq_{contract.name}", "study", *names, unique=True)


dose_groups = _of_study(
    "dose_groups",
    ["dose_group"],
    [
        Column("dose_group", Text, nullable=False),
        Column("cells_per_kg", Double, nullable=False, comment="cells per kilogram of body weight and infusion"),
        Column("infusion_days", _JSON, nullable=False, comment="study days of the infusions (first infusion = Day 1)"),
    ],
    CheckConstraint("cells_per_kg >= 0", name="ck_dose_groups_cells"),
)
cohorts = _of_study(
    "cohorts",
    ["cohort"],
    [
        Column("cohort", Text, nullable=False),
        Column("dose_group", Text, nullable=False),
        Column("planned_subjects", Integer, nullable=False),
        Column("expansion", Boolean, nullable=False),
    ],
    _to("dose_groups", ["dose_group"], of="cohorts"),
)
subjects = _of_study(
    "subjects",
    ["subject"],
    [
        Column("subject", Text, nullable=False),
        Column("dose_group", Text, nullable=False),
        Column("cohort", Text),
        Column("sex", Text, nullable=False, comment="F, M or U"),
        Column("flags", _JSON, nullable=False, comment="what was known beforehand: name -> true or false"),
        Column("first_infusion_date", Date, comment="Day 1"),
        Column("infusion_dates", _JSON, nullable=False, comment="ISO dates"),
    ],
    _to("dose_groups", ["dose_group"], of="subjects"),
    _to("cohorts", ["cohort"], of="subjects"),
    CheckConstraint("sex IN ('F', 'M', 'U')", name="ck_subjects_sex"),
)
visits = _of_study(
    "visits",
    ["visit"],
    [
        Column("visit", Text, nullable=False),
        Column("planned_day", Integer, nullable=False, comment="study day; first infusion = Day 1, there is no Day 0"),
        Column("window_first_day", Integer, comment="first study day that still counts"),
        Column("window_last_day", Integer, comment="last study day that still counts"),
        Column("baseline", Boolean, nullable=False),
    ],
    CheckConstraint("planned_day <> 0", name="ck_visits_no_day_0"),
)
samples = _result(
    contracts.SAMPLES,
    [
        *("subject", "visit", "batch", "sha256", "collection_date", "strategy", "events", "reason"),
        *("lymphocytes_per_ul", "quality", "flagged_percent", "quality_reason"),
    ],
    _to("subjects", ["subject"], of="samples"),
    _to("visits", ["visit"], of="samples"),
    CheckConstraint("status IN ('gated', 'control', 'failed', 'dropped')", name="ck_samples_status"),
    CheckConstraint("events >= 0", name="ck_samples_events"),
    _reason("samples", "status NOT IN ('failed', 'dropped')"),
    Index("ix_samples_subject_visit", "study", "subject", "visit"),
)
_WHOSE = ("subject", "visit", "batch")
populations = _result(
    contracts.POPULATIONS,
    [
        *_WHOSE,
        *("count", "parent_count", "percent_of_parent", "percent_of_parent_low", "percent_of_parent_high"),
        *("cells_per_ul", "cells_per_ul_method", "gate_method", "gate_source", "gate_note", "gate_outlier"),
        *("gate_se_percent", "reason"),
    ],
    _to("samples", ["sample_id"], of="populations"),
    *_percent("populations", "percent_of_parent", "percent_of_parent_low", "percent_of_parent_high"),
    CheckConstraint("count BETWEEN 0 AND parent_count", name="ck_populations_count"),
    CheckConstraint("cells_per_ul >= 0", name="ck_populations_cells_per_ul"),
    _reason("populations"),
)
frequencies = _result(
    contracts.FREQUENCIES,
    [
        *(*_WHOSE, "count", "denominator_count", "percent", "percent_low", "percent_high", "reason"),
        *("gate_se", "percent_total_low", "percent_total_high"),
    ],
    _to("populations", ["sample_id", "population"], of="frequencies"),
    *_percent("frequencies", "percent_low", "percent_high"),
    *_percent_of_any("frequencies", "percent"),
    _reason("frequencies"),
)
medians = _result(
    contracts.MEDIANS,
    [*_WHOSE, "count", "median_intensity", "reason"],
    _to("populations", ["sample_id", "population"], of="medians"),
    _reason("medians"),
)
_OUTCOMES = "'ok', 'missing', 'missing baseline', 'not reportable', 'baseline not reportable', 'doubled', 'failed'"
changes = _result(
    contracts.CHANGES,
    [
        *("study_day", "denominator", "sample_id", "baseline_sample_id", "count", "denominator_count"),
        *("value", "baseline", "change", "percent_change", "log_odds_change", "reason"),
        *("counting_se", "gate_se", "within_gate_noise"),
    ],
    _unique(contracts.CHANGES),
    _to("subjects", ["subject"], of="changes"),
    _to("visits", ["visit"], of="changes"),
    _to("dose_groups", ["dose_group"], of="changes"),
    CheckConstraint(f"status IN ({_OUTCOMES})", name="ck_changes_status"),
    *_percent_of_any("changes", "value", "quantity = 'percent'"),
    CheckConstraint("status <> 'ok' OR value IS NOT NULL", name="ck_changes_ok_has_value"),
    CheckConstraint("status = 'ok' OR change IS NULL", name="ck_changes_only_ok_changes"),
    _reason("changes", "status = 'ok'"),
    keyed=False,
)
summary = _result(
    contracts.SUMMARY,
    ["denominator", "mean", "sd", "median", "low", "high"],
    _unique(contracts.SUMMARY),
    _to("visits", ["visit"], of="summary"),
    CheckConstraint("n >= 0", name="ck_summary_n"),
    CheckConstraint("n = 0 OR mean IS NOT NULL", name="ck_summary_mean"),
    keyed=False,
)

# Parents before children: rows go in in this order, and out in the other.
STUDY_TABLES = (dose_groups, cohorts, subjects, visits)
RESULTS = (samples, populations, frequencies, medians, changes, summary)

VIEW = """
CREATE VIEW v_subset_frequencies AS
SELECT c.study, c.subject, c.dose_group, c.visit, c.planned_day, c.study_day, c.panel,
       c.population, c.label, c.denominator, c.count, c.denominator_count,
       c.value AS percent, f.percent_low, f.percent_high,
       c.baseline AS baseline_percent, c.change AS change_in_percentage_points,
       c.percent_change, c.log_odds_change, c.status, c.reason,
       c.sample_id, c.baseline_sample_id, c.run_id
FROM changes c
LEFT JOIN frequencies f
  ON f.study = c.study AND f.sample_id = c.sample_id
 AND f.population = c.population AND f.denominator = c.denominator
WHERE c.quantity = 'percent'
"""
