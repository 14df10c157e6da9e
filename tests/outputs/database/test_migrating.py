"""Databases of released versions are taken over with every row; revisions make what the program's tables say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, text

import immunomon.outputs.database
from immunomon.errors import ExportFailed
from immunomon.outputs.database import migrating
from immunomon.outputs.database.bulk import arrow_of, load
from immunomon.outputs.database.connection import database_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.forms import form_of, read_form, tables_of
from immunomon.outputs.database.run_tables import read_run
from immunomon.outputs.database.schema import APPENDED, HEAD, HISTORIES, VERSIONED, metadata
from immunomon.outputs.database.study_rows import frame_of
from immunomon.outputs.database.verifying import verify

EVERY = [table.name for table in (*VERSIONED, *HISTORIES.values(), *APPENDED)]
FREEZE = "python -m immunomon.outputs.database.freeze"
AGAIN = f"the tables changed: run  {FREEZE}  (or make a new revision, if HEAD was released)"


def old_database(url, revision, run_folder):
    """Make a database as a released version left it, with a run in it."""
    run = read_run(run_folder)
    old = tables_of(read_form(revision))
    with transaction(database_url(url)) as connection:
        old.create_all(connection)
        connection.execute(text("INSERT INTO immunomon_schema (version) VALUES (1)"))
        connection.execute(text("INSERT INTO studies (study, title) VALUES ('DEMO', 'old')"))
        connection.execute(
            text(
                "INSERT INTO runs (study, run_digest, tables_digest, software_version, exported_at_utc, is_current) "
                "VALUES ('DEMO', 'old', 'old', '0.0.1', '2025-03-01 10:00:00.000000', (1 = 1))"
            )
        )
        # Released versions had a view over the tables, which must not be in the way.
        connection.execute(text("CREATE VIEW v_subset_frequencies AS SELECT * FROM changes"))
        for table in VERSIONED:
            if table.name in old.tables:
                frame = frame_of(run, table)
                known = [name for name in frame.columns if name in old.tables[table.name].columns]
                load(connection, table.name, arrow_of(frame[known], table), {"study": "DEMO", "run_id": 1})


def rows(asked, table, columns):
    listed = ", ".join(f'"{name}"' for name in columns)
    return sorted(map(repr, asked.rows(f"SELECT {listed} FROM {table}")))


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_database_of_a_released_version_is_taken_over_with_every_row(make_run, database, asked, revision):
    old_database(database, revision, make_run("one"))
    form = read_form(revision)
    columns = {name: [one[0] for one in table["columns"]] for name, table in form.items() if name != "immunomon_schema"}
    before = {name: rows(asked, name, listed) for name, listed in columns.items()}
    assert sum(map(len, before.values())) > 100
    assert migrating.migrate(database_url(database)) == revision
    assert {name: rows(asked, name, listed) for name, listed in columns.items()} == before
    assert form_of_database(asked.engine) == form_of_metadata(asked.engine)


def test_an_export_into_a_migrated_database_replaces_what_differs_and_keeps_the_old(make_run, database, asked):
    old_database(database, "0001", make_run("one"))
    summary = export_run(make_run("two", shift=3), database)
    assert (summary.outcome, summary.migrated_from) == ("replaced", "0001")
    assert asked.one("SELECT count(*) AS n FROM frequencies_history WHERE run_id = 1")["n"] == 15
    assert summary.changes["frequencies"].changed == 15
    assert {row["unit"] for row in asked.rows("SELECT DISTINCT unit FROM frequencies_history")} == {"%"}
    assert (summary.changes["samples"].changed, summary.changes["specimens"].changed) == (0, 0)
    assert asked.one("SELECT count(*) AS n FROM v_subset_frequencies")["n"] == 18
    assert export_run(make_run("two", shift=3), database).migrated_from is None


def test_a_database_of_before_there_were_seals_is_sealed_as_it_stands(make_run, database, asked):
    export_run(make_run("one"), database)
    export_run(make_run("two", shift=1), database)
    before = asked.dump(*EVERY)
    set_back(asked, "0003")
    summary = export_run(make_run("two", shift=1), database)
    assert (summary.migrated_from, summary.outcome) == ("0003", "unchanged")
    assert asked.dump(*EVERY) == before
    assert len(asked.rows("SELECT * FROM v_wide")) == 6
    with transaction(database_url(database), change=False) as connection:
        found = verify(connection, "it")
    assert (found.seals, found.problems) == (2, [])


def test_a_database_of_before_there_were_doubts_keeps_its_rows_and_its_seals(make_run, database, asked):
    export_run(make_run("one"), database)
    export_run(make_run("two", shift=1), database)
    before = asked.dump(*EVERY)
    set_back(asked, "0004")
    summary = export_run(make_run("two", shift=1), database)
    assert (summary.migrated_from, summary.outcome) == ("0004", "unchanged")
    assert asked.dump(*EVERY) == before
    assert form_of_database(asked.engine) == form_of_metadata(asked.engine)
    with transaction(database_url(database), change=False) as connection:
        found = verify(connection, "it")
    assert (found.seals, found.problems) == (2, [])
    # What is written into a column that came later is held against the seal like everything else.
    asked.do(
        "UPDATE frequencies SET rests_on = 'cd4: weak_stain(CD4)' "
        "WHERE sample_id = (SELECT min(sample_id) FROM frequencies)"
    )
    with transaction(database_url(database), change=False) as connection:
        assert verify(connection, "it").problems


def set_back(asked, revision):
    """Bring a database into the form of an earlier revision, of which it holds nothing that came later."""
    new, old = read_form(HEAD), read_form(revision)
    for row in asked.rows("SELECT name FROM immunomon_views"):
        asked.do(f"DROP VIEW {row['name']}")
    asked.do("DELETE FROM immunomon_views")
    for name in sorted(set(new) - set(old)):
        asked.do(f"DROP TABLE {name}")
    for name, form in old.items():
        known = {column[0] for column in form["columns"]}
        for column in (one[0] for one in new[name]["columns"] if one[0] not in known):
            asked.do(f"ALTER TABLE {name} DROP COLUMN {column}")
    asked.do(f"UPDATE alembic_version SET version_num = '{revision}'")
    asked.do(f"UPDATE immunomon_schema SET version = {int(revision)}")


def test_a_migration_that_fails_leaves_the_database_as_it_was(make_run, database, asked, monkeypatch):
    old_database(database, "0002", make_run("one"))
    before = form_of_database(asked.engine), asked.dump("samples", "frequencies", "changes")
    from immunomon.outputs.database import reform

    monkeypatch.setattr(reform.Reform, "alter_tables", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        migrating.migrate(database_url(database))
    assert (form_of_database(asked.engine), asked.dump("samples", "frequencies", "changes")) == before


def test_tables_between_two_releases_are_not_touched(make_run, database, asked):
    old_database(database, "0002", make_run("one"))
    asked.do("ALTER TABLE medians ADD COLUMN strange INTEGER")
    with pytest.raises(ExportFailed, match="not as any released immunomon made them; export to a new database"):
        export_run(make_run("two"), database)


def test_the_newest_revision_has_the_form_of_the_programs_tables():
    assert form_of(metadata) == read_form(HEAD), AGAIN


def test_the_revisions_are_one_line_up_to_the_newest():
    scripts = ScriptDirectory(str(Path(immunomon.outputs.database.__file__).parent / "migrations"))
    assert [one.revision for one in scripts.walk_revisions()] == [
        "0008",
        "0007",
        "0006",
        "0005",
        "0004",
        "0003",
        "0002",
        "0001",
    ]
    assert scripts.get_current_head() == HEAD
    assert migrating._UNMARKED == ("0001", "0002")


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008"])
def test_a_form_gives_the_tables_that_it_was_written_from(revision):
    form = read_form(revision)
    assert form_of(tables_of(form)) == form
    assert json.loads(json.dumps(form)) == form


@pytest.mark.filterwarnings("ignore:.*expression-based index")
@pytest.mark.after_an_export
def test_alembic_itself_finds_nothing_to_do_in_a_new_database(asked):
    with asked.engine.connect() as connection:
        options = {"include_object": lambda thing, name, kind, *_: not (kind == "index" and name.startswith("uq_"))}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def form_of_metadata(engine):
    """Return what a database made anew looks like, as its own inspector tells it."""
    with engine.connect() as connection:
        began = connection.begin()
        if engine.dialect.name == "postgresql":
            connection.execute(text("CREATE SCHEMA anew"))
            connection.execute(text("SET LOCAL search_path TO anew"))
            metadata.create_all(connection)
            found = inspected(inspect(connection), "anew")
        else:
            connection.execute(text("ATTACH DATABASE ':memory:' AS anew"))
            copy = MetaData(schema="anew")
            for table in metadata.sorted_tables:
                table.to_metadata(copy)
            copy.create_all(connection)
            found = inspected(inspect(connection), "anew")
        began.rollback()
    return found


def form_of_database(engine):
    with engine.connect() as connection:
        found = inspected(inspect(connection), None)
    found.pop("alembic_version", None)
    return found


def inspected(inspector, schema):
    """Return columns, checks, references and key of every table, asked for all tables at once."""
    columns, checks, references, keys = (
        {table: listed for (_, table), listed in ask(schema=schema).items()}
        for ask in (
            inspector.get_multi_columns,
            inspector.get_multi_check_constraints,
            inspector.get_multi_foreign_keys,
            inspector.get_multi_pk_constraint,
        )
    )
    return {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in columns[table]},
            {check["name"]: check["sqltext"] for check in checks[table]},
            {
                reference["name"]: (
                    reference["constrained_columns"],
                    reference["referred_table"],
                    reference["referred_columns"],
                )
                for reference in references[table]
            },
            keys[table]["constrained_columns"],
        )
        for table in inspector.get_table_names(schema=schema)
    }
