"""What an export writes, and that it is repeatable."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import inspect

from immunomon.cytometry.model.populations import TABLES
from immunomon.errors import ExportFailed
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.schema import VERSIONED

VALUES = [table.name for table in VERSIONED]


def test_every_row_of_every_table_arrives_and_names_its_run(make_run, database, asked):
    run = make_run()
    summary = export_run(run, database)
    assert summary.outcome == "written"
    for name in TABLES:
        rows = len(pd.read_parquet(run / "tables" / f"{name}.parquet"))
        assert summary.rows[name] == asked.one(f"SELECT count(*) AS n FROM {name} WHERE run_id = 1")["n"] == rows
    run_row = asked.one("SELECT * FROM runs")
    assert (run_row["run_digest"], run_row["software_version"], bool(run_row["is_current"])) == ("d1", "0.1.0", True)


def test_what_is_read_back_equals_what_the_run_holds(make_run, database, asked):
    run = make_run()
    export_run(run, database)
    for name, contract in TABLES.items():
        expected = pd.read_parquet(run / "tables" / f"{name}.parquet").astype(contract.dtypes)
        got = pd.DataFrame(asked.rows(f"SELECT * FROM {name}"), dtype=object)[list(contract.names)]
        if name == "summary":
            as_text = [json.dumps(v) if isinstance(v, dict) else v for v in got["subjects"]]
            got["subjects"] = pd.Series(as_text, dtype="string")
            expected["subjects"] = expected["subjects"].map(lambda v: json.dumps(json.loads(v))).astype("string")
        if name == "samples":
            got["collection_date"] = [None if v is None else str(v) for v in got["collection_date"]]
        got = got.astype(contract.dtypes)
        key = list(contract.key)
        order = {"by": key, "ignore_index": True, "na_position": "first"}
        pd.testing.assert_frame_equal(got.sort_values(**order), expected.sort_values(**order), check_exact=True)


@pytest.mark.after_an_export
def test_the_study_its_subjects_and_visits_are_told(asked):
    assert asked.one("SELECT study, title FROM studies") == {"study": "DEMO", "title": "Ü: a made-up trial"}
    subject = asked.one("SELECT * FROM subjects WHERE subject = 'S02'")
    flags = subject["flags"] if isinstance(subject["flags"], dict) else json.loads(subject["flags"])
    assert (subject["dose_group"], subject["cohort"], flags) == ("A", "first", {"splenectomy": True})
    assert str(subject["first_infusion_date"]) == "2025-01-13"
    visit = asked.one("SELECT * FROM visits WHERE visit = 'W4'")
    assert (visit["planned_day"], visit["window_first_day"], visit["window_last_day"]) == (29, 26, 32)
    assert [row["visit"] for row in asked.rows("SELECT visit FROM visits WHERE baseline")] == ["D-1"]


@pytest.mark.after_an_export
def test_the_view_has_one_row_per_subject_visit_population_and_denominator(asked):
    key = "subject, visit, panel, population, denominator"
    assert asked.rows(f"SELECT {key} FROM v_subset_frequencies GROUP BY {key} HAVING count(*) > 1") == []
    row = asked.one("SELECT * FROM v_subset_frequencies WHERE subject='S02' AND visit='W4' AND population='treg'")
    assert row["percent"] == pytest.approx(100 * 202 / 4002)
    assert row["percent_low"] < row["percent"] < row["percent_high"]
    assert (row["baseline_percent"], row["change_in_percentage_points"]) == (row["percent"], 0.0)
    assert asked.one("SELECT count(*) AS n FROM v_subset_frequencies")["n"] == 3 * 2 * 3


@pytest.mark.after_an_export
def test_a_missing_value_is_null_and_never_zero(asked):
    row = asked.one("SELECT * FROM v_subset_frequencies WHERE subject='S00' AND visit='W4' AND population='treg'")
    assert (row["percent"], row["percent_low"], row["count"], row["log_odds_change"]) == (None,) * 4
    assert (row["status"], row["reason"]) == ("failed", "S00_W4 failed: truncated")


def without_medians(run, reason):
    path = run / "tables" / "medians.parquet"
    medians = pd.read_parquet(path)
    medians["median_intensity"] = medians["median_intensity"].to_numpy(np.float64) * math.nan
    medians["reason"] = pd.Series([reason] * len(medians), dtype="string")
    medians.to_parquet(path, index=False)
    return len(medians)


def test_a_not_a_number_becomes_null(make_run, database, asked):
    run = make_run()
    rows = without_medians(run, "nobody knows")
    export_run(run, database)
    assert asked.one("SELECT count(median_intensity) AS there, count(*) AS n FROM medians") == {"there": 0, "n": rows}


def test_a_value_that_is_missing_for_no_reason_is_refused(make_run, database, asked):
    run = make_run()
    without_medians(run, None)
    with pytest.raises(ExportFailed, match="ck_medians_no_value"):
        export_run(run, database)
    assert inspect(asked.engine).get_table_names() == []


def test_the_same_run_again_changes_nothing(make_run, database, asked):
    run = make_run()
    first = export_run(run, database)
    before = asked.dump()
    again = export_run(run, database)
    assert (again.outcome, again.rows) == ("unchanged", first.rows)
    assert asked.dump() == before


@pytest.mark.after_an_export
def test_the_same_inputs_with_other_results_are_not_the_same_run(make_run, database):
    assert export_run(make_run("two", shift=10), database).outcome == "replaced"


def test_other_studies_in_the_database_are_left_alone(make_run, database, asked):
    export_run(make_run("one", name="FIRST"), database)
    own = [f"SELECT * FROM {table} WHERE study = 'FIRST'" for table in VALUES]
    before = [sorted(map(repr, asked.rows(query))) for query in own]
    export_run(make_run("two", name="SECOND"), database)
    export_run(make_run("three", name="SECOND", shift=3), database)
    assert [sorted(map(repr, asked.rows(query))) for query in own] == before
    assert len(asked.rows("SELECT study FROM runs WHERE is_current")) == 2


def test_a_study_without_any_sample_can_be_exported(make_run, database):
    rows = export_run(make_run(subjects=0), database).rows
    assert (rows["subjects"], rows["changes"], rows["visits"]) == (0, 0, 2)


def test_without_a_url_the_database_is_in_the_run_folder(make_run):
    run = make_run()
    summary = export_run(run)
    assert (run / "immunomon.sqlite").is_file()
    assert summary.database.endswith("immunomon.sqlite")


def test_the_export_is_made_in_a_place_with_spaces_and_letters_of_any_language(make_run):
    run = make_run("Läufe 1 #%?")
    assert export_run(run).outcome == "written"
    assert (run / "immunomon.sqlite").is_file()


def test_a_postgresql_schema_of_its_own_can_be_named(ask, make_run, postgresql):
    asked = ask(postgresql)
    asked.do("CREATE SCHEMA apart")
    assert export_run(make_run(), f"{postgresql}?options=-csearch_path%3Dapart").outcome == "written"
    assert set(VALUES) < set(inspect(asked.engine).get_table_names(schema="apart"))


def test_flags_are_asked_for_by_name(ask, exported):
    query = "SELECT subject FROM subjects WHERE flags ->> 'splenectomy' IN ('true', 1)"
    query = query if exported.startswith("sqlite") else query.replace(", 1", "")
    assert ask(exported).rows(query) == [{"subject": "S02"}]


def test_a_column_on_postgresql_tells_its_meaning(ask, exported):
    if exported.startswith("postgresql"):
        (comment,) = (
            c["comment"] for c in inspect(ask(exported).engine).get_columns("changes") if c["name"] == "value"
        )
        assert comment == "the value at this visit"


def test_a_whole_trial_is_exported_within_a_minute(make_run, database):
    run = make_run(subjects=250)
    began = time.process_time()  # whatever else the machine is doing
    export_run(run, database)
    assert time.process_time() - began < 60
