"""A run that takes the place of another: only what differs changes, and what was there is kept, with when and why."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from immunomon.errors import ExportFailed
from immunomon.outputs.database.database import ExportStatement, export_run
from immunomon.outputs.database.schema import VERSIONED

VALUES = [table.name for table in VERSIONED]


def amend(run, table, where, **values):
    """Change a table of a run, as a run with another gate would."""
    path = run / "tables" / f"{table}.parquet"
    frame = pd.read_parquet(path)
    for column, value in values.items():
        frame.loc[frame.eval(where), column] = value
    frame.to_parquet(path, index=False)


def describe(run, **parts):
    record = json.loads((run / "run.json").read_text(encoding="utf-8")) | parts
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture
def replaced(make_run, database):
    """Export a run, and one in which S02's Treg at W4 are others; return what the second export said."""
    first, second = make_run("one"), make_run("two", digest="d2")
    describe(first, inputs={"gating/treg.yaml": "1", "study.yaml": "9"})
    describe(second, inputs={"gating/treg.yaml": "2", "study.yaml": "9"})
    where = "sample_id == 'S02_W4' and population == 'treg'"
    amend(second, "frequencies", where, count=300, percent=7.5)
    export_run(first, database)
    return export_run(second, database, ExportStatement(by="Ana", reason="CD25 was placed anew"))


def test_only_the_values_that_differ_are_replaced(replaced, asked):
    assert {name: found for name, found in replaced.changes.items() if found != type(found)()} == {
        "frequencies": type(replaced.changes["frequencies"])(new=0, changed=1, withdrawn=0)
    }
    assert asked.rows("SELECT run_id, count(*) AS n FROM frequencies GROUP BY run_id ORDER BY run_id") == [
        {"run_id": 1, "n": 17},
        {"run_id": 2, "n": 1},
    ]
    assert asked.one("SELECT percent FROM frequencies WHERE run_id = 2")["percent"] == 7.5


def test_the_value_that_was_there_is_kept_with_its_time_its_runs_and_why(replaced, asked):
    old = asked.one("SELECT * FROM frequencies_history")
    assert (old["sample_id"], old["population"], old["count"]) == ("S02_W4", "treg", 202)
    assert old["percent"] == pytest.approx(100 * 202 / 4002)
    assert (old["run_id"], old["ended_by_run_id"]) == (1, 2)
    times = {row["run_id"]: row["exported_at_utc"] for row in asked.rows("SELECT run_id, exported_at_utc FROM runs")}
    assert (str(old["valid_from"]), str(old["valid_to"])) == (str(times[1]), str(times[2]))
    assert old["why"] == "CD25 was placed anew; other inputs: gating/treg.yaml"
    run = asked.one("SELECT why, exported_by FROM runs WHERE is_current")
    assert run == {"why": old["why"], "exported_by": "Ana"}


def test_a_value_that_is_gone_is_withdrawn_and_kept(make_run, database, asked):
    export_run(make_run("one", subjects=4), database)
    summary = export_run(make_run("two", subjects=3, digest="d2"), database)
    assert summary.outcome == "replaced"
    assert (summary.changes["subjects"].withdrawn, summary.changes["samples"].withdrawn) == (1, 2)
    assert asked.rows("SELECT DISTINCT subject FROM changes WHERE subject = 'S03'") == []
    old = asked.rows("SELECT DISTINCT subject, why FROM frequencies_history")
    assert [row["subject"] for row in old] == ["S03"]
    assert old[0]["why"].startswith("not in the run any more; ")


def test_a_value_that_comes_back_counts_from_when_it_came_back(make_run, database, asked):
    three, four = make_run("three", subjects=3), make_run("four", subjects=4, digest="d2")
    for run in (four, three, four):
        export_run(run, database)
    assert asked.rows("SELECT DISTINCT run_id FROM frequencies WHERE subject = 'S03'") == [{"run_id": 3}]
    ended = asked.rows("SELECT DISTINCT run_id, ended_by_run_id FROM frequencies_history WHERE subject = 'S03'")
    assert ended == [{"run_id": 1, "ended_by_run_id": 2}]


def test_after_any_number_of_runs_the_tables_hold_what_a_fresh_export_of_the_last_would(
    ask, make_run, database, asked, tmp_path
):
    runs = [make_run(f"r{i}", subjects=2 + i % 3, shift=i, digest=f"d{i}") for i in range(4)]
    for run in runs:
        export_run(run, database)
    fresh = f"sqlite:///{(tmp_path / 'fresh.sqlite').as_posix()}"
    if not database.startswith("sqlite"):
        return
    export_run(runs[-1], fresh)
    for table in VALUES:
        columns = [row["name"] for row in asked.rows(f"PRAGMA table_info({table})") if row["name"] != "run_id"]
        listed = ", ".join(f'"{name}"' for name in columns)
        query = f"SELECT {listed} FROM {table}"
        assert sorted(map(repr, asked.rows(query))) == sorted(map(repr, ask(fresh).rows(query))), table


def test_every_version_of_a_value_can_be_seen_in_order(replaced, make_run, database, asked):
    export_run(make_run("three", shift=7, digest="d3"), database)
    rows = asked.rows(
        "SELECT value, valid_from, valid_to, why FROM v_versions WHERE subject = 'S02' AND visit = 'W4' "
        "AND quantity = 'percent' AND population = 'treg' ORDER BY valid_from"
    )
    assert [row["valid_to"] is None for row in rows] == [False, True]
    assert str(rows[0]["valid_to"]) == str(rows[1]["valid_from"])
    assert rows[1]["value"] == pytest.approx(100 * 209 / 4009)


def test_what_is_different_about_a_run_is_said(make_run, database, asked):
    first, second = make_run("one"), make_run("two", shift=1, digest="d2")
    describe(first, parameters={"lod": 20}, software={"code_digest": "a" * 64})
    describe(second, parameters={"lod": 10}, software={"code_digest": "b" * 64})
    export_run(first, database)
    export_run(second, database)
    why = asked.one("SELECT why FROM runs WHERE is_current")["why"]
    assert why == f"other parameters: lod; another state of the software 0.1.0 (code {'b' * 12})"


@pytest.mark.after_an_export
def test_the_same_row_twice_in_a_later_run_is_refused(make_run, database, asked):
    before = asked.dump()
    run = make_run("two", shift=1)
    path = run / "tables" / "changes.parquet"
    changes = pd.read_parquet(path)
    pd.concat([changes, changes.head(1)]).to_parquet(path, index=False)
    with pytest.raises(ExportFailed, match=r"(?i)unique.*run the study again"):
        export_run(run, database)
    assert asked.dump() == before
