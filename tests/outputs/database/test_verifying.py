"""Whatever is done to a database by other means than an export is found, and named by table and row."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from support.tampering import done, rounds, unnamed

from immunomon.cli.audit import audit_database
from immunomon.errors import ExportFailed
from immunomon.outputs.database.connection import database_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.row_digests import digests_of
from immunomon.outputs.database.sealing import PARTS
from immunomon.outputs.database.verifying import verify


def problems(url):
    with transaction(database_url(url), change=False) as connection:
        return verify(connection, "it").problems


def test_a_database_is_as_its_exports_left_it(exported, capsys):
    assert problems(exported) == []
    assert audit_database(exported, entries=True) == 0
    said = capsys.readouterr().out
    assert "None changed: " in said
    assert "s3cret" not in said
    head = said.rsplit(maxsplit=1)[1]
    assert audit_database(exported, entries=False, head=head) == 0
    assert audit_database(exported, entries=False, head=f"1:{head[2:]}") == 1
    assert "no seal is the one that was written down" in capsys.readouterr().out


@pytest.mark.after_an_export
def test_one_seal_is_one_seal(database, capsys):
    assert audit_database(database, entries=False) == 0
    assert " rows held against 1 seal. Head " in capsys.readouterr().out


def test_a_changed_deleted_or_added_row_of_any_table_is_found_and_named(exported):
    tried: list = []
    with transaction(database_url(exported)) as connection:
        # A part of what is tried by benchmarks/database.py --tamper: every column of every table.
        for group in list(rounds(connection))[::6]:
            with done(connection, group) as made:
                assert unnamed(made, verify(connection, "it").problems) == []
                tried += made
    assert {point.table.name for point in tried} >= {"runs", "seals", "audit", "samples", "changes", "changes_history"}
    assert len(tried) >= 60


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW v_not_reportable",
        "CREATE VIEW v_more AS SELECT * FROM changes",
        "INSERT INTO immunomon_views (name, definition) VALUES ('v_none', '')",
    ],
)
def test_a_view_that_is_not_the_exports_is_named(exported, statement):
    with transaction(database_url(exported)) as connection:
        connection.execute(text("SAVEPOINT before"))
        connection.exec_driver_sql(statement)
        assert [one for one in verify(connection, "it").problems if one.startswith("view v_")]
        connection.execute(text("ROLLBACK TO SAVEPOINT before"))


def test_a_trigger_that_was_taken_away_is_named(exported):
    with transaction(database_url(exported)) as connection:
        connection.execute(text("SAVEPOINT before"))
        server = connection.dialect.name == "postgresql"
        for statement in (
            ["ALTER TABLE audit DISABLE TRIGGER only_added"] if server else ["DROP TRIGGER audit_no_update"]
        ):
            connection.exec_driver_sql(statement)
        assert [one for one in verify(connection, "it").problems if one.startswith("table audit: the trigger")]
        connection.execute(text("ROLLBACK TO SAVEPOINT before"))


@pytest.mark.after_an_export
def test_a_view_made_otherwise_by_somebody_is_made_anew_by_the_next_export(make_run, database, asked):
    asked.do("DROP VIEW v_versions")
    asked.do("CREATE VIEW v_versions AS SELECT 1 AS one")
    export_run(make_run("two", shift=1), database)
    assert problems(database) == []
    assert asked.rows("SELECT study FROM v_versions LIMIT 1")


@pytest.mark.after_an_export
def test_a_value_that_was_changed_stays_named_after_the_next_export_replaced_it(make_run, database, asked):
    asked.do("UPDATE frequencies SET percent = 1.25 WHERE sample_id = 'S02_W4' AND population = 'treg'")
    export_run(make_run("two", shift=1), database)
    (said,) = problems(database)
    assert said == (
        "table frequencies: the row sample_id=S02_W4, population=treg, denominator=cd4 "
        "was changed after it was sealed; export 1"
    )


def test_values_of_strange_types_are_told_not_stumbled_over(make_run, tmp_path, ask):
    url = f"sqlite:///{tmp_path / 'trial.sqlite'}"
    export_run(make_run("one"), url)
    for change in ("gate_se = 'much'", "border_se = x'00'", "reportable = 2", "label = x'54'"):
        ask(url).do(f"UPDATE frequencies SET {change} WHERE sample_id = 'S02_W4'")
    ask(url).do("UPDATE subjects SET flags = '{' WHERE subject = 'S01'")
    ask(url).do("UPDATE subjects SET first_infusion_date = 17 WHERE subject = 'S02'")
    said = problems(url)
    assert sum("table frequencies: the row sample_id=S02_W4" in one for one in said) == 3
    assert sum("table subjects: the row subject=S0" in one for one in said) == 2


def test_many_changed_rows_are_counted_not_listed(make_run, tmp_path, ask):
    url = f"sqlite:///{tmp_path / 'trial.sqlite'}"
    export_run(make_run("one", subjects=12), url)
    ask(url).do("UPDATE frequencies SET gate_se = 0.5")
    said = problems(url)
    assert len(said) == 51
    assert said[-1] == "table frequencies: 22 more rows are not as they were sealed"


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ExportFailed, match="there is no such file; check the path"):
        audit_database(f"sqlite:///{tmp_path / 'none.sqlite'}", entries=False)
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_run_says_so(tmp_path):
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(ExportFailed, match="no run was exported to it"):
        audit_database(f"sqlite:///{tmp_path / 'empty.sqlite'}", entries=False)


def test_a_column_that_came_later_is_in_a_rows_digest_only_where_it_holds_a_value():
    columns = PARTS["frequencies", "added"].columns
    earlier = [column for column in columns if not column.info.get("later")]
    assert 0 < len(earlier) < len(columns)
    blank = {column.name: [None, None] for column in columns}
    assert digests_of(blank, columns) == digests_of(blank, earlier)
    said = digests_of({**blank, "rests_on": [None, "cd4: weak_stain(CD4)"]}, columns)
    elsewhere = digests_of({**blank, "doubts": [None, "cd4: weak_stain(CD4)"]}, columns)
    assert said[0] == digests_of(blank, columns)[0]
    assert len({said[0], said[1], elsewhere[1]}) == 3
