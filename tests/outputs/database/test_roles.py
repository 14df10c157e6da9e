"""Who may do what on a server, by the script that is shipped; and what nobody may: change what is only ever added."""

from __future__ import annotations

from importlib.resources import files

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from immunomon.cli.audit import audit_database
from immunomon.cli.trace import show
from immunomon.outputs.database.connection import database_url
from immunomon.outputs.database.database import export_run
from immunomon.outputs.trace.trace import Asked

ROLES = (files("immunomon.outputs.database") / "roles.sql").read_text(encoding="utf-8")
PERSONS = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ana') THEN
    CREATE ROLE ana LOGIN PASSWORD 'reads' IN ROLE immunomon_reader;
    CREATE ROLE monitor LOGIN PASSWORD 'writes' IN ROLE immunomon_writer;
    ALTER ROLE monitor SET role TO immunomon_writer;
  END IF;
END $$
"""


class Person:
    """Somebody with a login of their own."""

    def __init__(self, url, name, password):
        self.url = url.replace("owner:s3cret", f"{name}:{password}")

    def do(self, statement):
        engine = create_engine(database_url(self.url), poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else None


@pytest.fixture(params=["before", "after"])
def persons(request, make_run, server_database):
    """Run the script before or after a first export; return a reader and a writer."""
    database = server_database
    owner = Person(database, "owner", "s3cret")
    if request.param == "after":
        export_run(make_run("one"), database)
    for _ in range(2):
        psycopg_script(database)
    owner.do(PERSONS)
    reader, writer = Person(database, "ana", "reads"), Person(database, "monitor", "writes")
    if request.param == "before":
        export_run(make_run("one"), writer.url)
    return reader, writer


def psycopg_script(url):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ROLES)


def test_a_scientist_verifies_the_database_and_traces_a_number_in_it(persons, capsys):
    reader, _ = persons
    assert audit_database(reader.url, entries=True) == 0
    assert show(reader.url, Asked("S02", "W4", "treg"), study=None, delivery=None, as_json=False) == 0
    said = capsys.readouterr().out
    assert "every row is as it was sealed" in said
    assert "ana:***@" in said
    assert ":reads" not in said


def test_scientists_read_everything_and_change_nothing_and_the_lab_exports(make_run, persons):
    reader, writer = persons
    assert export_run(make_run("two", shift=4), writer.url).outcome == "replaced"
    for table in ("frequencies", "frequencies_history", "audit", "v_wide", "v_subset_frequencies", "v_versions"):
        reader.do(f"SELECT * FROM {table}")
    assert len(reader.do("SELECT * FROM v_wide")) == 6
    for statement in (
        "UPDATE frequencies SET percent = 1",
        "DELETE FROM changes",
        "INSERT INTO studies VALUES ('X', 'x')",
        "DROP TABLE changes",
        "CREATE TABLE notes (x INTEGER)",
        "TRUNCATE audit",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            reader.do(statement)
    with pytest.raises(DBAPIError, match="only ever added"):
        writer.do("DELETE FROM runs")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM runs",
        "UPDATE frequencies_history SET percent = 1",
        "DELETE FROM frequencies_history",
        "DELETE FROM changes_history",
        "UPDATE audit SET reason = ''",
        "DELETE FROM audit",
    ],
)
def test_what_is_only_ever_added_is_not_changed_or_deleted_even_by_the_owner(ask, make_run, exported, change):
    asked = ask(exported)
    asked.do(
        "INSERT INTO audit SELECT study, 't', coalesce(max(number), 0) + 1, exported_at_utc, 'run', 'u', 'b', '', "
        "NULL, '{}', '', 'h' FROM runs LEFT JOIN audit USING (study) WHERE is_current GROUP BY study, exported_at_utc"
    )
    with pytest.raises(DBAPIError, match="only ever added") as refused:
        asked.do(change)
    assert isinstance(refused.value, IntegrityError)
