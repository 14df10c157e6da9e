"""The export: what it writes, that it is all or nothing, repeatable, and that its errors can be acted on."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.exc import IntegrityError

from immunomon.errors import ExportFailed
from immunomon.export import connection as connections
from immunomon.export import database as exporting
from immunomon.export.connection import database_url
from immunomon.export.database import export_run
from immunomon.export.schema import RESULTS, SCHEMA_VERSION, STUDY_TABLES
from immunomon.model.populations import TABLES

VALUES = [table.name for table in (*STUDY_TABLES, *RESULTS)]


class Asked:
    """A database, to be asked with SQL, each time over a connection of its own."""

    def __init__(self, url):
        self.engine = create_engine(database_url(url), poolclass=NullPool)

    def rows(self, query, **values):
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def one(self, query, **values):
        (row,) = self.rows(query, **values)
        return row

    def do(self, statement):
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def dump(self, *tables):
        """Return everything in the database, in an order of its own."""
        return {
            table: sorted(map(repr, self.rows(f"SELECT * FROM {table}")))
            for table in tables or (*VALUES, "runs", "studies")
        }


@pytest.fixture
def asked(database):
    return Asked(database)


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


def test_the_study_its_subjects_and_visits_are_told(make_run, database, asked):
    export_run(make_run(), database)
    assert asked.one("SELECT study, title FROM studies") == {"study": "DEMO", "title": "Ü: a made-up trial"}
    subject = asked.one("SELECT * FROM subjects WHERE subject = 'S02'")
    flags = subject["flags"] if isinstance(subject["flags"], dict) else json.loads(subject["flags"])
    assert (subject["dose_group"], subject["cohort"], flags) == ("A", "first", {"splenectomy": True})
    assert str(subject["first_infusion_date"]) == "2025-01-13"
    visit = asked.one("SELECT * FROM visits WHERE visit = 'W4'")
    assert (visit["planned_day"], visit["window_first_day"], visit["window_last_day"]) == (29, 26, 32)
    assert [row["visit"] for row in asked.rows("SELECT visit FROM visits WHERE baseline")] == ["D-1"]


def test_the_view_has_one_row_per_subject_visit_population_and_denominator(make_run, database, asked):
    export_run(make_run(), database)
    key = "subject, visit, panel, population, denominator"
    assert asked.rows(f"SELECT {key} FROM v_subset_frequencies GROUP BY {key} HAVING count(*) > 1") == []
    row = asked.one("SELECT * FROM v_subset_frequencies WHERE subject='S02' AND visit='W4' AND population='treg'")
    assert row["percent"] == pytest.approx(100 * 202 / 4002)
    assert row["percent_low"] < row["percent"] < row["percent_high"]
    assert (row["baseline_percent"], row["change_in_percentage_points"]) == (row["percent"], 0.0)
    assert asked.one("SELECT count(*) AS n FROM v_subset_frequencies")["n"] == 3 * 2 * 3


def test_a_missing_value_is_null_and_never_zero(make_run, database, asked):
    export_run(make_run(), database)
    row = asked.one("SELECT * FROM v_subset_frequencies WHERE subject='S00' AND visit='W4' AND population='treg'")
    assert (row["percent"], row["percent_low"], row["count"], row["log_odds_change"]) == (None,) * 4
    assert (row["status"], row["reason"]) == ("failed", "S00_W4 failed: truncated")


def test_a_not_a_number_becomes_null(make_run, database, asked):
    run = make_run()
    path = run / "tables" / "medians.parquet"
    medians = pd.read_parquet(path)
    medians["median_intensity"] = medians["median_intensity"].to_numpy(np.float64) * math.nan
    medians.to_parquet(path, index=False)
    export_run(run, database)
    assert asked.one("SELECT count(median_intensity) AS there, count(*) AS n FROM medians") == {
        "there": 0,
        "n": len(medians),
    }


def test_an_infinite_value_is_refused(make_run, database, asked):
    run = make_run()
    path = run / "tables" / "medians.parquet"
    medians = pd.read_parquet(path).assign(median_intensity=math.inf)
    medians.to_parquet(path, index=False)
    with pytest.raises(ExportFailed, match=r"medians.*median_intensity.*infinite"):
        export_run(run, database)
    assert inspect(asked.engine).get_table_names() == []


def test_the_same_run_again_changes_nothing(make_run, database, asked):
    run = make_run()
    first = export_run(run, database)
    before = asked.dump()
    again = export_run(run, database)
    assert (again.outcome, again.rows) == ("unchanged", first.rows)
    assert asked.dump() == before


def test_a_later_run_replaces_the_studys_values_and_is_the_current_one(make_run, database, asked, tmp_path):
    export_run(make_run("one", subjects=4), database)
    summary = export_run(make_run("two", subjects=3, shift=10, digest="d2"), database)
    assert summary.outcome == "replaced"
    assert asked.rows("SELECT run_digest FROM runs WHERE is_current") == [{"run_digest": "d2"}]
    assert asked.one("SELECT count(*) AS n FROM runs")["n"] == 2
    for table in VALUES:
        assert [row["run_id"] for row in asked.rows(f"SELECT DISTINCT run_id FROM {table}")] == [2]
    fresh = f"sqlite:///{(tmp_path / 'fresh.sqlite').as_posix()}"
    export_run(tmp_path / "two", fresh)
    if database.startswith("sqlite"):
        left, right = (place.dump("changes")["changes"] for place in (asked, Asked(fresh)))
        assert [row.replace("'run_id': 2", "'run_id': 1") for row in left] == right


def test_the_same_inputs_with_other_results_are_not_the_same_run(make_run, database):
    export_run(make_run("one"), database)
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


@pytest.mark.parametrize("table", VALUES)
def test_an_export_that_breaks_off_leaves_the_database_as_it_was(make_run, database, asked, monkeypatch, table):
    export_run(make_run("one"), database)
    before = asked.dump()
    fill = exporting._fill

    def breaking(connection, into, run, run_id):
        written = fill(connection, into, run, run_id)
        if into.name == table:
            raise KeyboardInterrupt
        return written

    monkeypatch.setattr(exporting, "_fill", breaking)
    with pytest.raises(KeyboardInterrupt):
        export_run(make_run("two", shift=5, digest="d2"), database)
    assert asked.dump() == before


def test_a_first_export_that_breaks_off_leaves_no_tables(make_run, database, asked, monkeypatch):
    def breaking(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "_fill", breaking)
    with pytest.raises(KeyboardInterrupt):
        export_run(make_run(), database)
    assert inspect(asked.engine).get_table_names() == []
    assert inspect(asked.engine).get_view_names() == []


SLOW_EXPORT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from immunomon.export import database
    fill = database._fill
    def slow(connection, table, run, run_id):
        print(table.name, flush=True)
        time.sleep(0.02)
        return fill(connection, table, run, run_id)
    database._fill = slow
    database._CHUNK = 20
    database.export_run(Path(sys.argv[1]), sys.argv[2])
    print("done", flush=True)
""")


@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9 on this system")
def test_a_killed_export_leaves_the_database_as_it_was(make_run, database, asked):
    export_run(make_run("one"), database)
    before = asked.dump()
    second = make_run("two", shift=5, digest="d2")
    for table in ("subjects", "medians", "summary"):
        command = [sys.executable, "-c", SLOW_EXPORT, str(second), database]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.strip() == table:
                    process.kill()
                    break
        assert process.returncode == -9
        assert asked.dump() == before
    assert export_run(second, database).outcome == "replaced"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE frequencies SET percent = 100.1",
        "UPDATE frequencies SET percent = -0.1",
        "UPDATE frequencies SET count = -1",
        "UPDATE populations SET percent_of_parent = 100.1",
        "UPDATE populations SET count = parent_count + 1",
        "UPDATE populations SET reportable = (1 = 0), reason = NULL",
        "UPDATE frequencies SET reportable = (1 = 0), reason = ''",
        "UPDATE frequencies SET sample_id = NULL",
        "UPDATE frequencies SET sample_id = 'nobody'",
        "UPDATE medians SET population = 'nothing'",
        "UPDATE samples SET subject = 'nobody'",
        "UPDATE samples SET status = 'fine'",
        "UPDATE samples SET status = 'failed', reason = NULL",
        "UPDATE changes SET status = 'doubled', reason = NULL, change = NULL",
        "UPDATE changes SET status = 'perhaps', reason = 'x', change = NULL",
        "UPDATE changes SET value = 101 WHERE quantity = 'percent'",
        "UPDATE changes SET denominator = NULL, population = 'treg', quantity = 'cells_per_ul'",
        "UPDATE changes SET visit = 'W99'",
        "UPDATE summary SET mean = NULL",
        "UPDATE runs SET is_current = (1 = 1)",
        "DELETE FROM subjects",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(exported, change):
    asked = Asked(exported)
    if exported.startswith("sqlite"):
        event.listen(asked.engine, "connect", connections._prepare_sqlite)
        event.listen(asked.engine, "begin", connections._begin_sqlite)
    with pytest.raises(IntegrityError):
        asked.do(change)


def test_a_percent_of_something_that_does_not_hold_the_population_may_exceed_100(make_run, asked, database):
    export_run(make_run(), database)
    asked.do("UPDATE frequencies SET percent = 150, count = 3, denominator_count = 2")


def test_a_run_whose_tables_do_not_fit_together_is_refused_with_a_remedy(make_run, database, asked):
    export_run(make_run("one"), database)
    before = asked.dump()
    run = make_run("two", shift=1)
    path = run / "tables" / "summary.parquet"
    summary = pd.read_parquet(path)
    pd.concat([summary, summary.head(1)]).to_parquet(path, index=False)
    with pytest.raises(ExportFailed, match=r"run the study again.*nothing was changed"):
        export_run(run, database)
    assert asked.dump() == before


def test_tables_of_another_version_are_not_touched(make_run, database, asked):
    export_run(make_run(), database)
    asked.do(f"UPDATE immunomon_schema SET version = {SCHEMA_VERSION + 1}")
    with pytest.raises(ExportFailed, match=f"version {SCHEMA_VERSION + 1}, this immunomon writes version"):
        export_run(make_run("two", shift=1), database)


def test_somebody_elses_tables_of_the_same_names_are_not_touched(make_run, database, asked):
    asked.do("CREATE TABLE samples (x INTEGER)")
    with pytest.raises(ExportFailed, match="samples that are not immunomon's; export to an empty database"):
        export_run(make_run(), database)
    assert inspect(asked.engine).get_table_names() == ["samples"]


def test_without_a_url_the_database_is_in_the_run_folder(make_run):
    run = make_run()
    summary = export_run(run)
    assert (run / "immunomon.sqlite").is_file()
    assert summary.database.endswith("immunomon.sqlite")


def test_the_export_is_made_in_a_place_with_spaces_and_letters_of_any_language(make_run):
    run = make_run("Läufe 1 #%?")
    assert export_run(run).outcome == "written"
    assert (run / "immunomon.sqlite").is_file()


def test_a_locked_database_says_so(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "LOCK_SECONDS", 0.1)
    run = make_run()
    holder = sqlite3.connect(run / "immunomon.sqlite", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ExportFailed, match=r"locked; another program is using it.*nothing was changed"):
            export_run(run)
    finally:
        holder.close()


def test_a_full_disk_says_so_and_keeps_what_was_there(make_run):
    run = make_run()
    export_run(run)
    place = Asked(f"sqlite:///{(run / 'immunomon.sqlite').as_posix()}")
    before = place.dump()
    pages = place.one("PRAGMA page_count")["page_count"]

    def fill_the_disk(connection, _):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    make_run(subjects=30)
    event.listen(Engine, "connect", fill_the_disk)
    try:
        with pytest.raises(ExportFailed, match=r"disk is full; free some space"):
            export_run(run)
    finally:
        event.remove(Engine, "connect", fill_the_disk)
    assert place.dump() == before


def test_a_file_that_is_no_database_says_so(make_run, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing of the kind" * 100, encoding="utf-8")
    with pytest.raises(ExportFailed, match="not a database; the file is something else"):
        export_run(make_run(), f"sqlite:///{(tmp_path / 'notes.txt').as_posix()}")


def test_a_folder_that_does_not_exist_says_so(make_run, tmp_path):
    with pytest.raises(ExportFailed, match="the folder must exist"):
        export_run(make_run(), f"sqlite:///{(tmp_path / 'no' / 'trial.sqlite').as_posix()}")


def test_a_server_that_is_not_there_says_so_without_the_password(make_run):
    pytest.importorskip("psycopg")
    with pytest.raises(ExportFailed, match="server is running") as failure:
        export_run(make_run(), "postgresql://me:hush-hush@127.0.0.1:1/trial?connect_timeout=2")
    assert "hush" not in str(failure.value)
    assert "postgresql://me:***@127.0.0.1:1/trial" in str(failure.value)


def test_a_wrong_password_says_so_without_repeating_it(make_run, postgresql):
    with pytest.raises(ExportFailed, match=r"PGPASSWORD") as failure:
        export_run(make_run(), postgresql.replace("s3cret", "hush-hush"))
    assert "hush" not in str(failure.value)


def test_a_database_that_does_not_exist_says_so(make_run, postgresql):
    with pytest.raises(ExportFailed, match="check the name of the database"):
        export_run(make_run(), postgresql.replace("/postgres", "/nowhere"))


def test_two_exports_to_one_server_wait_for_each_other(make_run, postgresql, monkeypatch):
    import psycopg

    monkeypatch.setattr(connections, "LOCK_SECONDS", 1)
    with psycopg.connect(postgresql) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(7305441)")
        began = time.monotonic()
        with pytest.raises(ExportFailed, match="another export is running"):
            export_run(make_run(), postgresql)
        assert time.monotonic() - began > 0.9


def test_without_psycopg_the_way_to_get_it_is_told(make_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ExportFailed, match=r"pip install 'immunomon\[postgresql\]'"):
        export_run(make_run(), "postgresql://me@127.0.0.1/trial")


def test_a_whole_trial_is_exported_within_a_minute(make_run, database):
    run = make_run(subjects=250)
    began = time.perf_counter()
    export_run(run, database)
    assert time.perf_counter() - began < 60
