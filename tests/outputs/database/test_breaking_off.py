"""Killed, cut off, without space or beside another: the database holds the whole export or nothing of it."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from immunomon.errors import ExportFailed
from immunomon.outputs.database import database as exporting
from immunomon.outputs.database.connection import database_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.schema import VERSIONED

# Forks a process for each export, so that a test that kills many need not wait for the imports each time.
EXPORTS = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from alembic import command
    from immunomon.outputs.database import database
    fill = database._fill
    def slow(connection, table, run, entry):
        print(table.name, flush=True)
        time.sleep(0.01)
        return fill(connection, table, run, entry)
    database._fill = slow
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                database.export_run(Path(sys.argv[1]), sys.argv[2])
            finally:
                os._exit(0)
        print("pid", child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
""")
posix = pytest.mark.skipif(os.name != "posix", reason="there is no kill -9 on this system")


@posix
@pytest.mark.after_an_export
def test_an_export_killed_at_any_point_leaves_all_or_nothing_and_the_next_completes(make_run, database, asked):
    second = make_run("two", shift=5, digest="d2")
    before = asked.dump()
    rng = random.Random(20251123)
    command = [sys.executable, "-c", EXPORTS, str(second), database]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as exporter:
        for tables in sorted(rng.sample(range(1, len(VERSIONED)), 5)):
            exporter.stdin.write("go\n")
            exporter.stdin.flush()
            child = int(said(exporter, "pid").split()[1])
            for _ in range(tables):
                exporter.stdout.readline()
            time.sleep(rng.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            said(exporter, "ended")
            assert asked.dump() == before
        exporter.stdin.close()
    assert export_run(second, database).outcome == "replaced"
    assert export_run(second, database).outcome == "unchanged"


def said(process, word):
    while not (line := process.stdout.readline()).startswith(word):
        assert line
    return line


@pytest.mark.parametrize("when", ["medians", "commit"])
def test_a_server_that_stops_in_the_middle_loses_nothing(
    ask, make_run, server_database, postgresql_server, monkeypatch, when
):
    asked = ask(server_database)
    export_run(make_run("one"), server_database)
    before = asked.dump()
    second = make_run("two", shift=5, digest="d2")
    fill, refresh = exporting._fill, exporting.refresh_views

    def stopping(connection, table, run, entry):
        if table.name == when:
            postgresql_server.stop()
        return fill(connection, table, run, entry)

    def stopping_late(connection, *what):
        refresh(connection, *what)
        if when == "commit":
            postgresql_server.stop()

    monkeypatch.setattr(exporting, "_fill", stopping)
    monkeypatch.setattr(exporting, "refresh_views", stopping_late)
    try:
        with pytest.raises(ExportFailed, match="the server was stopped; export again when it runs") as failure:
            export_run(second, server_database)
    finally:
        postgresql_server.start()
    assert "s3cret" not in str(failure.value)
    assert asked.dump() == before
    monkeypatch.undo()
    assert export_run(second, server_database).outcome == "replaced"


def test_an_export_that_is_done_outlasts_a_power_cut(ask, make_run, server_database, postgresql_server):
    assert ask(server_database).one("SHOW synchronous_commit") == {"synchronous_commit": "off"}
    assert export_run(make_run("one"), server_database).outcome == "written"
    postgresql_server.stop()
    postgresql_server.start()
    assert export_run(make_run("one"), server_database).outcome == "unchanged"


def test_a_connection_that_breaks_while_it_commits_is_told_as_what_it_is(make_run, postgresql_server, server_database):
    def write():
        with transaction(database_url(server_database)) as connection:
            connection.exec_driver_sql("CREATE TABLE something (x INTEGER)")
            postgresql_server.stop()

    try:
        with pytest.raises(ExportFailed, match="not known whether all of it was written, or nothing: export again"):
            write()
    finally:
        postgresql_server.start()


@posix
def test_a_server_whose_disk_is_full_says_so_and_keeps_what_was_there(
    ask, make_run, server_database, postgresql_server
):
    asked = ask(server_database)
    export_run(make_run("one"), server_database)
    before = asked.dump()
    large = make_run("large", shift=1)
    path = large / "tables" / "medians.parquet"
    medians = pd.read_parquet(path)
    pd.concat([medians.assign(marker=f"M{i}") for i in range(600)]).drop_duplicates(
        ["sample_id", "population", "marker"]
    ).to_parquet(path, index=False)
    postgresql_server.stop("fast")
    postgresql_server.start(largest_file=1_100_000)
    try:
        with pytest.raises(ExportFailed, match="free some space on the server's disk and export again"):
            export_run(large, server_database)
    finally:
        postgresql_server.stop()
        postgresql_server.start()
    assert asked.dump() == before
    assert export_run(large, server_database).outcome == "replaced"


def test_two_exports_at_once_go_one_after_the_other(make_run, database, asked):
    runs = [make_run(name, name=name) for name in ("FIRST", "SECOND")]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda run: export_run(run, database).outcome, runs))
    assert outcomes == ["written", "written"]
    rows = asked.rows("SELECT study, count(*) AS n FROM frequencies GROUP BY study ORDER BY study")
    assert rows == [{"study": "FIRST", "n": 18}, {"study": "SECOND", "n": 18}]


def test_the_same_run_exported_twice_at_once_is_there_once(make_run, database, asked):
    run = make_run()
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: export_run(run, database).outcome, range(2)))
    assert sorted(outcomes) == ["unchanged", "written"]
    assert len(asked.rows("SELECT * FROM runs")) == 1


def test_a_password_is_in_no_log_no_table_and_no_file(ask, make_run, server_database, postgresql_server, caplog):
    run = make_run("run")
    with caplog.at_level(logging.DEBUG):
        export_run(run, server_database)
        export_run(make_run("run", shift=1), server_database)
    assert "alembic" in caplog.text
    files = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    for where in (caplog.text, postgresql_server.log, repr(ask(server_database).dump()), repr(files)):
        assert "s3cret" not in where
