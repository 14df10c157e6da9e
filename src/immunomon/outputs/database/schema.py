"""The trial database: studies, who and what was measured, runs, what left, and the audit trail."""

from __future__ import annotations

from sqlalchemy import (
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
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from immunomon.outputs.database.building import history_of, metadata, of_study, refers
from immunomon.outputs.database.forms import JSON_TYPE, REVISIONS
from immunomon.outputs.database.results import RESULTS

__all__ = [
    "APPENDED",
    "HEAD",
    "HISTORIES",
    "RESULTS",
    "SCHEMA_VERSION",
    "STUDY_TABLES",
    "VERSIONED",
    "audit",
    "deliveries",
    "metadata",
    "runs",
    "schema_info",
    "sealed_rows",
    "seals",
    "studies",
    "views",
]

# The revision of the tables as they stand here; earlier programs look at the number in immunomon_schema.
HEAD = REVISIONS[-1]
SCHEMA_VERSION = int(HEAD)

schema_info = Table(
    "immunomon_schema",
    metadata,
    Column("version", Integer, nullable=False, comment="version of these tables"),
)
views = Table(
    "immunomon_views",
    metadata,
    Column("name", Text, nullable=False, comment="name of a view"),
    Column("definition", Text, nullable=False, comment="what it was made by"),
    PrimaryKeyConstraint("name", name="pk_immunomon_views"),
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
    Column("code_digest", Text, comment="digest of the program's code that made the run"),
    Column("finished_at_utc", DateTime(timezone=True), comment="when the run was finished"),
    Column("inputs", JSON_TYPE, comment="SHA-256 of each panel, strategy and list that the run was made from"),
    Column("parameters", JSON_TYPE, comment="limits and settings that the run was made with"),
    Column("exported_by", Text, comment="who exported it"),
    Column("why", Text, comment="why it replaced what was there: what was different, and what was said"),
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
audit = Table(
    "audit",
    metadata,
    Column("study", Text, nullable=False),
    Column("trail", Text, nullable=False, comment="hash of the first entry of the run folder's trail"),
    Column("number", Integer, nullable=False, comment="place in the trail, from 1"),
    Column("entered_at_utc", DateTime(timezone=True), nullable=False),
    Column("action", Text, nullable=False, comment="run, override, lock, deliver, export ..."),
    Column("computer_user", Text, nullable=False, comment="the name that the computer knows its user by"),
    Column("by_whom", Text, nullable=False, comment="who says so"),
    Column("reason", Text, nullable=False),
    Column("target", Text, comment="what it is about"),
    Column("entry", JSON_TYPE, nullable=False, comment="the whole entry as it stands in the trail"),
    Column("previous_hash", Text, nullable=False, comment="hash of the entry before"),
    Column("hash", Text, nullable=False, comment="SHA-256 of the entry, the one before included"),
    PrimaryKeyConstraint("study", "trail", "number", name="pk_audit"),
    ForeignKeyConstraint(["study"], ["studies.study"], name="fk_audit_study"),
    CheckConstraint("action <> '' AND hash <> ''", name="ck_audit_whole"),
)
deliveries = Table(
    "deliveries",
    metadata,
    Column("study", Text, nullable=False),
    Column("trail", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="the entry of the audit trail"),
    Column("kind", Text, nullable=False, comment="csv, sdtm, adam ..."),
    Column("manifest_sha256", Text, nullable=False, comment="SHA-256 of the delivery's manifest"),
    Column("made_at_utc", DateTime(timezone=True), nullable=False),
    Column("made_by", Text, nullable=False),
    PrimaryKeyConstraint("study", "trail", "number", name="pk_deliveries"),
    ForeignKeyConstraint(
        ["study", "trail", "number"], ["audit.study", "audit.trail", "audit.number"], name="fk_deliveries_audit"
    ),
)
APPENDED = (audit, deliveries)
seals = Table(
    "seals",
    metadata,
    Column("number", Integer, nullable=False, comment="place in the chain of this database, from 1"),
    Column("study", Text, nullable=False),
    Column("run_id", Integer, comment="the export that is sealed; missing where only entries of the trail were added"),
    Column("sealed_at_utc", DateTime(timezone=True), nullable=False),
    Column("software_version", Text, nullable=False),
    Column("content", JSON_TYPE, nullable=False, comment="by table the digest of the rows that were added and ended"),
    Column("previous_hash", Text, nullable=False, comment="hash of the seal before"),
    Column("hash", Text, nullable=False, comment="SHA-256 of the seal, the hash of the one before included"),
    PrimaryKeyConstraint("number", name="pk_seals"),
    ForeignKeyConstraint(["study"], ["studies.study"], name="fk_seals_study"),
    ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_seals_run"),
    CheckConstraint("number > 0 AND hash <> ''", name="ck_seals_whole"),
)
sealed_rows = Table(
    "sealed_rows",
    metadata,
    Column("number", Integer, nullable=False, comment="the seal"),
    Column("of_table", Text, nullable=False),
    Column("part", Text, nullable=False, comment="added: rows it brought; ended: earlier versions that it ended"),
    Column("keys", LargeBinary, nullable=False, comment="what identifies each row: JSON, packed by zlib"),
    Column("digests", LargeBinary, nullable=False, comment="16 bytes of the SHA-256 of each row, in the same order"),
    PrimaryKeyConstraint("number", "of_table", "part", name="pk_sealed_rows"),
    ForeignKeyConstraint(["number"], ["seals.number"], name="fk_sealed_rows_seal"),
    CheckConstraint("part IN ('added', 'ended')", name="ck_sealed_rows_part"),
)

dose_groups = of_study(
    "dose_groups",
    ["dose_group"],
    [
        Column("dose_group", Text, nullable=False),
        Column(
            "cells_per_kg", Double, comment="cells per kilogram of body weight and infusion; missing if none is stated"
        ),
        Column("infusion_days", JSON_TYPE, nullable=False, comment="study days of infusions (first infusion = Day 1)"),
    ],
    CheckConstraint("cells_per_kg >= 0", name="ck_dose_groups_cells"),
)
cohorts = of_study(
    "cohorts",
    ["cohort"],
    [
        Column("cohort", Text, nullable=False),
        Column("dose_group", Text, nullable=False),
        Column("planned_subjects", Integer, nullable=False),
        Column("expansion", Boolean, nullable=False),
    ],
    refers("dose_groups", ["dose_group"], of="cohorts"),
)
subjects = of_study(
    "subjects",
    ["subject"],
    [
        Column("subject", Text, nullable=False),
        Column("dose_group", Text, nullable=False),
        Column("cohort", Text),
        Column("sex", Text, nullable=False, comment="F, M or U"),
        Column("flags", JSON_TYPE, nullable=False, comment="what was known beforehand: name -> true or false"),
        Column("first_infusion_date", Date, comment="Day 1"),
        Column("infusion_dates", JSON_TYPE, nullable=False, comment="ISO dates"),
    ],
    refers("dose_groups", ["dose_group"], of="subjects"),
    refers("cohorts", ["cohort"], of="subjects"),
    CheckConstraint("sex IN ('F', 'M', 'U')", name="ck_subjects_sex"),
)
visits = of_study(
    "visits",
    ["visit"],
    [
        Column("visit", Text, nullable=False),
        Column("planned_day", Integer, comment="study day; first infusion = Day 1, no Day 0; missing if there is none"),
        Column("window_first_day", Integer, comment="first study day that still counts"),
        Column("window_last_day", Integer, comment="last study day that still counts"),
        Column("baseline", Boolean, nullable=False),
    ],
    CheckConstraint("planned_day <> 0", name="ck_visits_no_day_0"),
)
specimens = of_study(
    "specimens",
    ["specimen"],
    [
        Column("specimen", Text, nullable=False, comment="blood of a subject, visit and day: SUBJECT.VISIT.DATE"),
        Column("subject", Text, nullable=False),
        Column("visit", Text, nullable=False),
        Column("collection_date", Date, comment="when it was drawn; missing if the sample list does not say"),
    ],
    refers("subjects", ["subject"], of="specimens"),
    refers("visits", ["visit"], of="specimens"),
)
files = of_study(
    "files",
    ["file"],
    [
        Column("file", Text, nullable=False, comment="path of the FCS file, relative to the sample list"),
        Column("sha256", Text, comment="SHA-256 of the file's bytes; missing if it could not be read"),
        Column("reason", Text, comment="why there is no SHA-256"),
    ],
    CheckConstraint("sha256 IS NOT NULL OR (reason IS NOT NULL AND reason <> '')", name="ck_files_sha256"),
)

# Parents before children: rows go in in this order, and out in the other.
STUDY_TABLES = (dose_groups, cohorts, subjects, visits, specimens, files)
VERSIONED = (*STUDY_TABLES, *RESULTS)
HISTORIES = {table.name: history_of(table) for table in VERSIONED}
