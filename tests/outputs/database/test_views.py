"""The views for people show what is current, one row for what they say one row is."""

from __future__ import annotations

import pytest

from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.views import _names


@pytest.fixture(scope="module")
def asked_twice(ask, exported):
    return ask(exported)


def test_the_wide_view_has_one_row_a_subject_and_visit_and_a_column_a_quantity(asked_twice):
    rows = asked_twice.rows("SELECT * FROM v_wide ORDER BY subject, planned_day")
    assert [(row["subject"], row["visit"]) for row in rows] == [
        (f"S0{number}", visit) for number in range(3) for visit in ("D-1", "W4")
    ]
    assert {"treg_of_cd4", "treg_per_ul", "cd4_of_lymphocytes", "cd4_per_ul"} <= set(rows[0])
    assert rows[4]["treg_of_cd4"] == pytest.approx(100 * 203 / 4003)
    assert rows[4]["treg_per_ul"] == pytest.approx(20.3)


def test_the_wide_view_has_nothing_where_a_value_is_missing_or_not_reportable(asked_twice):
    rows = {(row["subject"], row["visit"]): row for row in asked_twice.rows("SELECT * FROM v_wide")}
    assert rows["S00", "W4"]["treg_of_cd4"] is None
    assert rows["S01", "D-1"]["treg_of_cd4"] is None
    assert rows["S01", "D-1"]["cd4_of_lymphocytes"] is not None


def test_what_is_not_reportable_is_listed_with_its_reason_and_nothing_else_is(asked_twice):
    rows = asked_twice.rows("SELECT subject, visit, population, not_reportable, reason FROM v_not_reportable")
    assert {(row["subject"], row["visit"]) for row in rows} == {("S00", "W4"), ("S01", "D-1"), ("S01", "W4")}
    assert all(row["reason"] for row in rows)
    ok = asked_twice.one("SELECT count(*) AS n FROM changes WHERE status = 'ok'")["n"]
    assert len(rows) + ok == asked_twice.one("SELECT count(*) AS n FROM changes")["n"]


def test_views_show_current_versions_only(asked_twice):
    row = asked_twice.one(
        "SELECT percent, run_id FROM v_subset_frequencies WHERE subject='S02' AND visit='W4' AND population='treg'"
    )
    assert (row["percent"], row["run_id"]) == (pytest.approx(100 * 203 / 4003), 2)
    assert len(asked_twice.rows("SELECT * FROM v_subset_frequencies")) == 18


def test_the_wide_view_gets_the_columns_of_a_second_study(make_run, database, asked):
    export_run(make_run("one", name="FIRST"), database)
    other = make_run("two", name="SECOND")
    export_run(other, database)
    assert len(asked.rows("SELECT * FROM v_wide")) == 12
    definitions = asked.rows("SELECT name FROM immunomon_views ORDER BY name")
    assert [row["name"] for row in definitions] == [
        "v_not_reportable",
        "v_review",
        "v_subset_frequencies",
        "v_versions",
        "v_wide",
    ]


def test_columns_are_named_after_what_they_hold_and_after_the_panel_only_where_it_matters():
    found = [
        ("percent", "treg", "cd4", "treg"),
        ("percent", "cd4", "lymphocytes", "treg"),
        ("percent", "cd4", "lymphocytes", "thelper"),
        ("cells_per_ul", "Treg; DROP", None, "treg"),
        ("ratio", "th17", "treg", "thelper/treg"),
    ]
    assert set(_names(found)) == {
        *("treg_of_cd4", "cd4_of_lymphocytes_treg", "cd4_of_lymphocytes_thelper", "treg_drop_per_ul", "th17_to_treg")
    }
