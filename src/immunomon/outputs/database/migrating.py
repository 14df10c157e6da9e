"""Bringing a database into the present form: a new one is made as it is, one of a released version is migrated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, delete, insert, inspect, select, table, text
from sqlalchemy import column as named

from immunomon.errors import ExportFailed
from immunomon.outputs.database.connection import shown, transaction
from immunomon.outputs.database.forms import REVISIONS, read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.schema import HEAD, SCHEMA_VERSION, metadata, schema_info, views
from immunomon.outputs.database.sealing import seal_as_it_stands
from immunomon.outputs.database.views import refresh_views

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["migrate", "prepare", "revision_of"]

_ALEMBIC = "alembic_version"
_MARK = table(_ALEMBIC, named("version_num"))
# What was released before there were revisions: told apart by the columns that they have.
_UNMARKED = ("0001", "0002")


def revision_of(connection: Connection, database: str) -> str | None:
    """Return the revision that a database is of, None if it holds no tables of immunomon's.

    database: its name in messages. Raises ExportFailed for tables of somebody else's, or of a later version.
    """
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    if _ALEMBIC in present and schema_info.name in present:
        revision = connection.scalar(select(_MARK.c.version_num))
        if revision not in REVISIONS:
            raise ExportFailed(
                f"{database}: its tables are of revision {revision}, this immunomon knows them up to {HEAD}; "
                "use the immunomon that wrote them last, or export to a new database; nothing was changed there"
            )
        return str(revision)
    if schema_info.name in present:
        return _unmarked(connection, database)
    foreign = sorted(present & set(metadata.tables))
    if foreign:
        raise ExportFailed(
            f"{database}: has tables named {', '.join(foreign)} that are not immunomon's; "
            "export to an empty database or schema; nothing was changed there"
        )
    return None


def _unmarked(connection: Connection, database: str) -> str:
    """Return which released form the tables have; raises ExportFailed if it is none."""
    version = connection.scalar(select(schema_info.c.version))
    inspector = inspect(connection)
    for revision in _UNMARKED if version == 1 else ():
        form = read_form(revision)
        if all(
            [column[0] for column in item["columns"]] == [column["name"] for column in inspector.get_columns(name)]
            for name, item in form.items()
            if inspector.has_table(name)
        ) and all(map(inspector.has_table, form)):
            return revision
    raise ExportFailed(
        f"{database}: its tables are of version {version}, but not as any released immunomon made them; "
        "export to a new database: a run can be exported as often as you like; nothing was changed there"
    )


def migrate(url: URL) -> str | None:
    """Bring a database of an earlier released version into the present form, in a transaction of its own.

    Returns the revision it had if it was migrated, None if there was nothing to do. Raises ExportFailed; then it is as
    it was. Every row stays, and is sealed as it stands; the versions that follow count from here.
    """
    with transaction(url, change=False) as connection:
        revision = revision_of(connection, shown(url))
    if revision in (None, HEAD):
        return None
    with transaction(url) as connection:
        revision = revision_of(connection, shown(url))
        if revision in (None, HEAD):
            return None  # another export was quicker
        for view in inspect(connection).get_view_names():
            if view.startswith("v_"):
                connection.execute(text(f"DROP VIEW {view}"))
        if inspect(connection).has_table(views.name):
            connection.execute(delete(views))
        _upgrade(connection, str(revision))
        refresh_views(connection)
        seal_as_it_stands(connection)
    return revision


def prepare(connection: Connection, database: str) -> bool:
    """Make the tables if there are none, and return whether; raises ExportFailed if there are others."""
    revision = revision_of(connection, database)
    if revision is None:
        metadata.create_all(connection, checkfirst=False)
        guard(connection)
        connection.execute(insert(schema_info).values(version=SCHEMA_VERSION))
        _stamp(connection, HEAD)
    elif revision != HEAD:
        raise ExportFailed(f"{database}: its tables were changed by another program; export again")
    return revision is None


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    if not inspect(connection).has_table(_ALEMBIC):
        _stamp(connection, revision)
    command.upgrade(_config(connection), "head")


def _stamp(connection: Connection, revision: str) -> None:
    from alembic import command

    command.stamp(_config(connection), revision)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
