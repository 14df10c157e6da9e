"""An export that cannot be finished leaves the database as it was, and says what to do."""

from __future__ import annotations

import math
import sqlite3
import sys
import time

import pandas as pd
import pytest
from sqlalchemy import Engine, event, inspect

from immunomon.errors import ExportFailed
from immunomon.outputs.database import connection as connections
from immunomon.outputs.database import database as exporting
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.schema import VERSIONED

VALUES = [table.name for table in VERSIONED]


def test_an_infinite_value_is_refused(make_run, database, asked):
    run = make_run()
    path = run / "tables" / "medians.parquet"
    medians = pd.read_parquet(path).assign(median_intensity=math.inf)
    medians.to_parquet(path, index=False)
    with pytest.raises(ExportFailed, match=r"medians.*median_intensity.*infinite"):
        export_run(run, database)
    assert inspect(asked.engine).get_table_names() == []


@pytest.mark.after_an_export
def test_an_export_that_breaks_off_half_way_leaves_the_database_as_it_was(make_run, database, asked, monkeypatch):
    before = asked.dump()
    second = make_run("two", shift=5, digest="d2")
    fill = exporting._fill
    for table in VALUES[::4]:

        def breaking(connection, into, run, entry, at=table):
            written = fill(connection, into, run, entry)
            if into.name == at:
                raise KeyboardInterrupt
            return written

        monkeypatch.setattr(exporting, "_fill", breaking)
        with pytest.raises(KeyboardInterrupt):
            export_run(second, database)
        assert asked.dump() == before


def test_a_first_export_that_breaks_off_leaves_no_tables(make_run, database, asked, monkeypatch):
    def breaking(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "_fill", breaking)
    with pytest.raises(KeyboardInterrupt):
        export_run(make_run(), database)
    assert inspect(asked.engine).get_table_names() == []
    assert inspect(asked.engine).get_view_names() == []


@pytest.mark.after_an_export
def test_a_run_whose_tables_do_not_fit_together_is_refused_with_a_remedy(make_run, database, asked):
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
    asked.do("UPDATE alembic_version SET version_num = '9999'")
    before = asked.dump()
    with pytest.raises(ExportFailed, match="revision 9999, this immunomon knows them up to 0008; use the immunomon"):
        export_run(make_run("two", shift=1), database)
    assert asked.dump() == before


def test_somebody_elses_tables_of_the_same_names_are_not_touched(make_run, database, asked):
    asked.do("CREATE TABLE samples (x INTEGER)")
    with pytest.raises(ExportFailed, match="samples that are not immunomon's; export to an empty database"):
        export_run(make_run(), database)
    assert inspect(asked.engine).get_table_names() == ["samples"]


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


def test_a_full_disk_says_so_and_keeps_what_was_there(ask, make_run):
    run = make_run()
    export_run(run)
    place = ask(f"sqlite:///{(run / 'immunomon.sqlite').as_posix()}")
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
    with pytest.raises(ExportFailed, match=r'pip install "immunomon\[postgresql\]"'):
        export_run(make_run(), "postgresql://me@127.0.0.1/trial")
