"""A locked run with its database, as version 0.1.0 left it on 2026-11-28: before doubts, and scales from the files."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from support.report_page import words

from immunomon.cli.main import main
from immunomon.errors import RunLocked
from immunomon.outputs.database.connection import database_url, sqlite_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.verifying import verify
from immunomon.outputs.report import write_report
from immunomon.runs.audit import AuditTrail
from immunomon.runs.lock import Reason
from immunomon.runs.opened import open_run
from immunomon.runs.run import run_study

# Two patients at two visits, panel treg, files of 600 events; simulated, run, locked and exported by that version.
KEPT = Path(__file__).parent / "before" / "locked-run.tar.xz"
ONE = ("S01", "W4", "cd4", "t_cells")


@pytest.fixture
def before(tmp_path):
    """The study of that version, with its run."""
    with tarfile.open(KEPT) as packed:
        packed.extractall(tmp_path / "trial", filter="data")
    return tmp_path / "trial"


def value(table: pd.DataFrame):
    subject, visit, population, denominator = ONE
    rows = table[(table["subject"] == subject) & (table["visit"] == visit) & (table["population"] == population)]
    return rows[rows["denominator"] == denominator].iloc[0]


def asked(database: Path, query: str):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_a_run_of_before_is_read_with_what_it_said_and_nothing_it_did_not(before):
    run = open_run(before / "run")
    cd4 = value(run.table("frequencies"))
    stored = value(pd.read_csv(before / "run" / "tables" / "frequencies.csv"))
    assert cd4["percent"] == stored["percent"] == pytest.approx(100 * stored["count"] / stored["denominator_count"])
    assert not {"doubts", "rests_on", "placed_by"} & {*run.table("frequencies").columns}
    assert run.plots("fcs__treg__S01_W4_treg")
    assert "CD4 T cells" in words(write_report(before / "run").read_text(encoding="utf-8"), "frequencies", "label")


def test_the_trail_and_the_seals_of_before_hold(before):
    assert AuditTrail(before / "run").problems() == []
    table = before / "run" / "tables" / "frequencies.csv"
    table.write_bytes(table.read_bytes().replace(b"cd4", b"cd8", 1))
    assert any("frequencies.csv" in str(problem) for problem in AuditTrail(before / "run").problems())


def test_the_way_of_a_number_of_before_is_told(before, monkeypatch, capsys):
    subject, visit, population, _ = ONE
    asked_for = ("--subject", subject, "--visit", visit, "--population", population)
    monkeypatch.setattr("sys.argv", ["immunomon", "trace", str(before / "run"), *asked_for])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().out
    assert stopped.value.code in (0, None), told
    assert f"{value(pd.read_csv(before / 'run/tables/frequencies.csv'))['percent']:.4g}" in told


def test_a_run_locked_before_changes_for_a_reason_only_and_what_moved_is_kept(before):
    old = {path: path.read_bytes() for path in (before / "run").rglob("[!.]*") if path.is_file()}
    with pytest.raises(RunLocked, match=r"locked on 2026-11-30T.* by A\. Nurse"):
        run_study(before, jobs=1)
    assert {path: path.read_bytes() for path in (before / "run").rglob("[!.]*") if path.is_file()} == old
    run_study(before, jobs=1, why=Reason("new version", "A. Nurse"))
    frequencies = open_run(before / "run").table("frequencies")
    assert {"doubts", "rests_on", "placed_by"} <= {*frequencies.columns}
    assert value(frequencies)["percent"] > 0
    trail = AuditTrail(before / "run")
    assert trail.problems() == []
    assert [entry["reason"] for entry in trail.entries()][-1] == "new version"


def test_a_database_of_before_is_taken_over_with_every_row_and_sealed_on(before):
    database = before / "run" / "immunomon.sqlite"
    assert asked(database, "SELECT version FROM immunomon_schema") == [(4,)]
    query = "SELECT subject, visit, population, denominator, percent, reportable FROM frequencies ORDER BY 1, 2, 3, 4"
    rows = asked(database, query)
    assert len(rows) > 40
    summary = export_run(before / "run")
    assert (summary.migrated_from, sum(counted.changed for counted in summary.changes.values())) == ("0004", 0)
    assert asked(database, query) == rows
    assert asked(database, "SELECT count(*) FROM frequencies WHERE rests_on IS NOT NULL") == [(0,)]
    with transaction(database_url(sqlite_url(database))) as connection:
        assert verify(connection, "database").problems == []
