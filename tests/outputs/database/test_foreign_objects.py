"""What others put on our tables is named and refused; what it falsifies all the same never comes to the commit."""

from __future__ import annotations

import re

import pytest

from immunomon.cli.audit import audit_database
from immunomon.errors import ExportFailed
from immunomon.outputs.database import database as exporting
from immunomon.outputs.database.connection import database_url, transaction
from immunomon.outputs.database.database import export_run
from immunomon.outputs.database.guards import foreign_objects

_FALSIFY = "UPDATE frequencies SET percent = 50 WHERE sample_id = NEW.sample_id"
SQLITE = {
    "trigger falsify on table frequencies": [
        f"CREATE TRIGGER falsify AFTER INSERT ON frequencies BEGIN {_FALSIFY}; END"
    ],
    "trigger audit_no_update on table audit": [
        "DROP TRIGGER audit_no_update",
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT 1; END",
    ],
    "trigger instead on table v_versions": [
        "CREATE TRIGGER instead INSTEAD OF INSERT ON v_versions BEGIN SELECT 1; END"
    ],
    "view mine": ["CREATE VIEW mine AS SELECT * FROM Frequencies"],
    "generated column twice of table frequencies": [
        "ALTER TABLE frequencies ADD COLUMN twice GENERATED ALWAYS AS (percent * 2)"
    ],
    "default more of table frequencies": ["ALTER TABLE frequencies ADD COLUMN more DOUBLE DEFAULT 5"],
    "a view in place of table summary_history": [
        "ALTER TABLE summary_history RENAME TO other",
        "CREATE VIEW summary_history AS SELECT * FROM other",
    ],
}
_FUNCTION = (
    "CREATE FUNCTION falsify() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.percent := 50; RETURN NEW; END $$"
)
SERVER = {
    "trigger falsify on table frequencies": [
        _FUNCTION,
        "CREATE TRIGGER falsify BEFORE INSERT ON frequencies FOR EACH ROW EXECUTE FUNCTION falsify()",
    ],
    "trigger late on table frequencies": [
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE frequencies SET percent = 50"
        " WHERE sample_id = NEW.sample_id; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON frequencies DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION late()",
    ],
    "trigger only_added on table audit": [
        "DROP TRIGGER only_added ON audit",
        "CREATE TRIGGER only_added BEFORE UPDATE ON audit EXECUTE FUNCTION immunomon_only_added()",
    ],
    "rule away on table medians": ["CREATE RULE away AS ON INSERT TO medians DO INSTEAD NOTHING"],
    "policy few on table frequencies": ["CREATE POLICY few ON frequencies USING (percent < 10)"],
    "row-level security on table frequencies": ["ALTER TABLE frequencies ENABLE ROW LEVEL SECURITY"],
    "default gate_se of table frequencies": ["ALTER TABLE frequencies ALTER gate_se SET DEFAULT 5"],
    "generated column twice of table frequencies": [
        "ALTER TABLE frequencies ADD COLUMN twice double precision GENERATED ALWAYS AS (percent * 2) STORED"
    ],
    "inheritance of table frequencies": ["CREATE TABLE more () INHERITS (frequencies)"],
    "view mine": ["CREATE VIEW mine AS SELECT * FROM frequencies"],
    "reference away with an action on table cohorts": [
        "ALTER TABLE cohorts ADD CONSTRAINT away FOREIGN KEY (study) REFERENCES studies ON DELETE CASCADE"
    ],
    "a view or foreign table in place of table summary_history": [
        "ALTER TABLE summary_history RENAME TO other",
        "CREATE VIEW summary_history AS SELECT * FROM other",
    ],
}


@pytest.fixture
def two_runs(run_like):
    return run_like(), run_like(shift=1, digest="d2")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_is_not_ours_is_named_and_refused_by_export_and_by_audit(
    two_runs, tmp_path, request, ask, capsys, kind
):
    url = f"sqlite:///{tmp_path / 'trial.sqlite'}" if kind == "sqlite" else request.getfixturevalue("server_database")
    first, second = two_runs
    export_run(first, url)
    for name, statements in (SQLITE if kind == "sqlite" else SERVER).items():
        with transaction(database_url(url)) as connection:
            connection.exec_driver_sql("SAVEPOINT before")
            for statement in statements:
                connection.exec_driver_sql(statement)
            named = foreign_objects(connection)
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT before")
        assert name in named, (name, named)
    with transaction(database_url(url), change=False) as connection:
        assert foreign_objects(connection) == []
    for statement in (SQLITE if kind == "sqlite" else SERVER)["trigger falsify on table frequencies"]:
        ask(url).do(statement)
    before = ask(url).dump()
    with pytest.raises(ExportFailed, match=r"not immunomon's.*trigger falsify on table frequencies; drop them"):
        export_run(second, url)
    with pytest.raises(ExportFailed, match="trigger falsify"):
        export_run(first, url)
    assert ask(url).dump() == before
    capsys.readouterr()
    assert audit_database(url, entries=False) == 1
    assert "trigger falsify on table frequencies: it is not immunomon's" in capsys.readouterr().out


def test_tables_of_others_beside_ours_do_not_matter(two_runs, asked, database):
    first, second = two_runs
    export_run(first, database)
    asked.do("CREATE TABLE theirs (number integer DEFAULT 5)")
    asked.do("CREATE VIEW their_view AS SELECT * FROM theirs")
    assert export_run(second, database).outcome == "replaced"
    assert audit_database(database, entries=False) == 0


def _falsified(request, tmp_path, kind, statements, run, other, monkeypatch):
    """Export into a database with a foreign trigger that nothing has named, and return what is said."""
    url = f"sqlite:///{tmp_path / 'trial.sqlite'}" if kind == "sqlite" else request.getfixturevalue("server_database")
    export_run(other, url)
    ask = request.getfixturevalue("ask")
    for statement in statements:
        ask(url).do(statement)
    before = ask(url).dump()
    monkeypatch.setattr(exporting, "refuse_foreign", lambda *_: None)
    with pytest.raises(ExportFailed) as failure:
        export_run(run, url)
    assert ask(url).dump() == before
    return str(failure.value)


_ON_UPDATE = "CREATE TRIGGER f BEFORE UPDATE ON frequencies FOR EACH ROW EXECUTE FUNCTION falsify()"
_ON_SEAL = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.hash := 'x'; RETURN NEW; END $$"
_PERCENT = (
    "table frequencies: the row sample_id=S0._[^,]*, population=[a-z0-9]*, denominator=[a-z0-9]* holds another percent"
)
FALSIFIED = [
    ("sqlite", "OTHER", SQLITE["trigger falsify on table frequencies"], _PERCENT),
    (
        "sqlite",
        "DEMO",
        [
            "CREATE TRIGGER falsify AFTER UPDATE ON frequencies WHEN NEW.percent <> 50 "
            f"BEGIN {_FALSIFY} AND population = NEW.population; END"
        ],
        _PERCENT,
    ),
    (
        "sqlite",
        "OTHER",
        ["CREATE TRIGGER less AFTER INSERT ON medians BEGIN DELETE FROM medians WHERE marker = 'CD25'; END"],
        "table medians: the row sample_id=S0._[^,]*, population=[a-z0-9]*, marker=CD25.* is missing",
    ),
    (
        "sqlite",
        "DEMO",
        ["CREATE TRIGGER title AFTER INSERT ON runs BEGIN UPDATE runs SET software_version = '9'; END"],
        "table runs: the row run_id=2 holds another software_version",
    ),
    ("postgresql", "OTHER", SERVER["trigger falsify on table frequencies"], _PERCENT),
    ("postgresql", "OTHER", SERVER["trigger late on table frequencies"], _PERCENT),
    ("postgresql", "OTHER", SERVER["default gate_se of table frequencies"], "frequencies: .* holds another gate_se"),
    ("postgresql", "DEMO", [_FUNCTION, _ON_UPDATE], _PERCENT),
    (
        "postgresql",
        "DEMO",
        ["CREATE RULE away AS ON UPDATE TO medians DO INSTEAD NOTHING"],
        "table medians: the row .* holds another count",
    ),
    (
        "postgresql",
        "DEMO",
        [_ON_SEAL, "CREATE TRIGGER f BEFORE INSERT ON seals FOR EACH ROW EXECUTE FUNCTION f()"],
        "table seals: the row number=2 holds another hash",
    ),
]


@pytest.mark.parametrize(("kind", "study", "statements", "said"), FALSIFIED)
def test_what_is_falsified_all_the_same_is_found_before_the_commit(
    request, tmp_path, monkeypatch, run_like, kind, study, statements, said
):
    """OTHER: the first run of a study, written in one go; DEMO: one that replaces another."""
    run = run_like(shift=1, digest="d2", name=study)
    message = _falsified(request, tmp_path, kind, statements, run, run_like(), monkeypatch)
    assert re.search(said, message), message


def test_an_earlier_version_that_is_falsified_is_found_before_the_commit(request, tmp_path, monkeypatch, run_like):
    statements = [
        _FUNCTION,
        "CREATE TRIGGER f BEFORE INSERT ON frequencies_history FOR EACH ROW EXECUTE FUNCTION falsify()",
    ]
    message = _falsified(
        request, tmp_path, "postgresql", statements, run_like(shift=1, digest="d2"), run_like(), monkeypatch
    )
    assert "table frequencies_history: " in message
    assert "can be found as they were" in message
