"""What a run measured, as tables of the trial database: the columns are those of the column contracts."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Double, Index, Text

from immunomon.cytometry.model import populations as contracts
from immunomon.cytometry.model.run_tables import QUALITY, RESPONSES, STEADINESS
from immunomon.outputs.database.building import columns_of, of_study, percents, reason, refers, result, whose
from immunomon.outputs.database.forms import JSON_TYPE
from immunomon.trial.model.laboratory import ABOVE, BELOW, MEASURED, NOT_DONE
from immunomon.trial.model.tables import LABORATORY_VALUES

__all__ = ["RECORDS", "RESULTS", "UNITS"]

# The unit of each quantity, as the tables and the deliveries write it.
UNITS = {"percent": "%", "cells_per_ul": "cells/uL", "ratio": "ratio", "median_intensity": "MdFI"}
_RESULTS_ARE = (MEASURED, BELOW, ABOVE, NOT_DONE)
_TUBE = ("sample_id", "panel", "role", "population", "label")
_QUANTITY = ("panel", "quantity", "population", "label")


def _unit() -> Column[str]:
    return Column("unit", Text, nullable=False, comment="unit of the value")


def _unit_of(table: str, unit: str) -> CheckConstraint:
    return CheckConstraint(f"unit = '{unit}'", name=f"ck_{table}_unit")


def _unit_by_quantity(table: str) -> CheckConstraint:
    known = ("percent", "cells_per_ul", "ratio")
    fits = " OR ".join(f"(quantity = '{name}' AND unit = '{UNITS[name]}')" for name in known)
    return CheckConstraint(fits, name=f"ck_{table}_unit")


def _denominated(table: str) -> CheckConstraint:
    return CheckConstraint(
        "quantity = 'cells_per_ul' OR (denominator IS NOT NULL AND denominator <> '')", name=f"ck_{table}_denominator"
    )


def _percent_of_any(table: str, column: str, condition: str = "") -> list[CheckConstraint]:
    # A strategy may ask for percents of a denominator that does not hold the population: only then more than 100.
    within = f"{column} >= 0 AND ({column} <= 100 OR count > denominator_count)"
    return [
        CheckConstraint(f"NOT ({condition}) OR ({within})" if condition else within, name=f"ck_{table}_{column}"),
        CheckConstraint("count >= 0 AND denominator_count >= 0", name=f"ck_{table}_counts"),
    ]


samples = result(
    contracts.SAMPLES,
    ["sample_id", "panel", "role", "file", "status"],
    refers("subjects", ["subject"], of="samples"),
    refers("visits", ["visit"], of="samples"),
    refers("specimens", ["specimen"], of="samples"),
    refers("files", ["file"], of="samples"),
    CheckConstraint("status IN ('gated', 'control', 'failed', 'dropped')", name="ck_samples_status"),
    CheckConstraint("events >= 0", name="ck_samples_events"),
    reason("samples", "status NOT IN ('failed', 'dropped')"),
    whose("samples"),
    Index("ix_samples_subject_visit", "study", "subject", "visit"),
    extra=[
        Column("specimen", Text, comment="the blood that the tube was filled from; missing for controls"),
        Column("donor", Text, comment="donor of a bridge sample, who is no subject", info={"later": True}),
    ],
)
populations = result(
    contracts.POPULATIONS,
    [*_TUBE, "parent", "path", "reportable"],
    refers("samples", ["sample_id"], of="populations"),
    *percents("populations", "percent_of_parent", "percent_of_parent_low", "percent_of_parent_high"),
    CheckConstraint("count BETWEEN 0 AND parent_count", name="ck_populations_count"),
    CheckConstraint("cells_per_ul >= 0", name="ck_populations_cells_per_ul"),
    reason("populations"),
    reason("populations", "percent_of_parent IS NOT NULL", "no_value"),
    whose("populations"),
)
placed_gates = of_study(
    "placed_gates",
    ["sample_id", "population"],
    [
        Column("sample_id", Text, nullable=False),
        Column("population", Text, nullable=False),
        Column("strategy", Text, nullable=False),
        Column("parent", Text, nullable=False),
        Column("path", Text, nullable=False, comment="way from the root"),
        Column("method", Text, nullable=False, comment="the method that places the gate"),
        Column("source", Text, nullable=False, comment="what set it: the method, a control, a fallback, a person"),
        Column("kind", Text, comment="interval, rectangle, polygon, ellipse, boolean; missing if it was not placed"),
        Column("geometry", JSON_TYPE, comment="the gate on its axes; missing if it was not placed"),
        Column("geometry_sha256", Text, comment="SHA-256 of the geometry's JSON text, with sorted keys"),
        Column("axes", JSON_TYPE, nullable=False, comment="detector, scale and range of each axis of the gate"),
        Column("facts", JSON_TYPE, nullable=False, comment="what the method found: thresholds, depths ..."),
        Column("errors", JSON_TYPE, nullable=False, comment="standard error of each of these"),
        Column("own_weight", Double, comment="weight of its own estimate against other samples'"),
        Column("outlier", Boolean, nullable=False, comment="whether its own estimate was out of line"),
        Column("note", Text, nullable=False, comment="what was done otherwise than declared"),
        Column("reason", Text, comment="why it was not placed; missing if it was"),
    ],
    refers("populations", ["sample_id", "population"], of="placed_gates"),
    CheckConstraint("(geometry IS NULL) = (geometry_sha256 IS NULL)", name="ck_placed_gates_digest"),
    reason("placed_gates", "geometry_sha256 IS NOT NULL"),
    has_many_rows=True,
)
frequencies = result(
    contracts.FREQUENCIES,
    [*_TUBE, "denominator", "is_parent", "reportable"],
    refers("populations", ["sample_id", "population"], of="frequencies"),
    *percents("frequencies", "percent_low", "percent_high"),
    *_percent_of_any("frequencies", "percent"),
    reason("frequencies"),
    reason("frequencies", "percent IS NOT NULL", "no_value"),
    whose("frequencies"),
    _unit_of("frequencies", "%"),
    CheckConstraint("denominator <> ''", name="ck_frequencies_denominator"),
    extra=[_unit()],
)
medians = result(
    contracts.MEDIANS,
    [*_TUBE, "marker", "detector", "reportable"],
    refers("populations", ["sample_id", "population"], of="medians"),
    reason("medians"),
    reason("medians", "median_intensity IS NOT NULL", "no_value"),
    whose("medians"),
    _unit_of("medians", UNITS["median_intensity"]),
    extra=[_unit()],
)
doubts = result(
    contracts.DOUBTS,
    ["sample_id", "panel", "role", "population", "code", "sentence", "remedy", "withholds"],
    refers("samples", ["sample_id"], of="doubts"),
    CheckConstraint("code <> '' AND sentence <> ''", name="ck_doubts_said"),
    whose("doubts"),
)
_OUTCOMES = "'ok', 'missing', 'missing baseline', 'not reportable', 'baseline not reportable', 'doubled', 'failed'"
changes = result(
    contracts.CHANGES,
    ["subject", "dose_group", "visit", *_QUANTITY, "status"],
    refers("subjects", ["subject"], of="changes"),
    refers("visits", ["visit"], of="changes"),
    CheckConstraint(f"status IN ({_OUTCOMES})", name="ck_changes_status"),
    *_percent_of_any("changes", "value", "quantity = 'percent'"),
    CheckConstraint("status <> 'ok' OR value IS NOT NULL", name="ck_changes_ok_has_value"),
    CheckConstraint("status = 'ok' OR change IS NULL", name="ck_changes_only_ok_changes"),
    reason("changes", "status = 'ok'"),
    _unit_by_quantity("changes"),
    _denominated("changes"),
    extra=[_unit()],
)
summary = result(
    contracts.SUMMARY,
    ["dose_group", "visit", *_QUANTITY, "measure", "n", "subjects"],
    refers("visits", ["visit"], of="summary"),
    CheckConstraint("n >= 0", name="ck_summary_n"),
    CheckConstraint("n = 0 OR mean IS NOT NULL", name="ck_summary_mean"),
    _denominated("summary"),
)
quality = result(
    QUALITY,
    ["sample_id", "panel", "check", "verdict"],
    refers("samples", ["sample_id"], of="quality"),
)
steadiness = result(
    STEADINESS,
    ["panel", "population", "label", "quantity", "sample_id", "unit", "verdict"],
    refers("samples", ["sample_id"], of="steadiness"),
)
responses = result(
    RESPONSES,
    ["subject", "visit", "panel", "population", "label", "denominator", "reportable"],
    refers("subjects", ["subject"], of="responses"),
    refers("visits", ["visit"], of="responses"),
    reason("responses"),
)


def _records(name: str, description: str) -> list[Column[object]]:
    return [
        Column(name, Text, nullable=False, comment=description),
        Column("record", Text, nullable=False, comment="what the record is about, from the columns that identify it"),
        Column("subject", Text, comment="subject id"),
        Column("visit", Text, comment="visit label; missing where there is none"),
        Column("content", JSON_TYPE, nullable=False, comment="the row as it stands: column -> value, blanks as null"),
    ]


statistics = of_study(
    "statistics",
    ["statistic", "record"],
    _records("statistic", "table of immunomon compare: estimates, families ..."),
    CheckConstraint("record <> ''", name="ck_statistics_record"),
)
assessments = of_study(
    "assessments",
    ["assessment", "record"],
    _records("assessment", "platelets, antibodies ..., or a table derived from these"),
    refers("subjects", ["subject"], of="assessments"),
    CheckConstraint("record <> ''", name="ck_assessments_record"),
)
laboratory_values = of_study(
    LABORATORY_VALUES.name,
    ["record"],
    [
        Column("record", Text, nullable=False, comment="analyte, subject, visit, date and study day"),
        *columns_of(LABORATORY_VALUES, {"subject", "analyte", "label", "unit", "status"}),
    ],
    refers("subjects", ["subject"], of=LABORATORY_VALUES.name),
    CheckConstraint("(status = 'measured') = (value IS NOT NULL)", name="ck_laboratory_values_value"),
    CheckConstraint(f"status IN ({', '.join(map(repr, _RESULTS_ARE))})", name="ck_laboratory_values_status"),
    reason(LABORATORY_VALUES.name, "status = 'measured'"),
)
_STATES = ("approved", "changed since approval", "query", "rejected")
reviews = of_study(
    "reviews",
    ["sample_id"],
    [
        Column("sample_id", Text, nullable=False),
        Column("panel", Text, nullable=False),
        Column("state", Text, nullable=False, comment="the last verdict of a person as it stands now"),
        Column("by_whom", Text, nullable=False, comment="who gave it"),
        Column("given_utc", Text, nullable=False, comment="when, ISO 8601, UTC"),
        Column("note", Text, nullable=False, comment="what they said; of a query, what somebody is to answer"),
        Column("approved_by", JSON_TYPE, nullable=False, comment="all who approved the sample as it is, in order"),
        Column("seen_sha256", Text, nullable=False, comment="SHA-256 of the sample's result that they looked at"),
    ],
    refers("samples", ["sample_id"], of="reviews"),
    CheckConstraint(f"state IN ({', '.join(map(repr, _STATES))})", name="ck_reviews_state"),
)
RECORDS = (statistics, assessments)
RESULTS = (
    *(samples, populations, placed_gates, frequencies, medians, changes, summary),
    *(quality, steadiness, responses, doubts, statistics, assessments, laboratory_values, reviews),
)
