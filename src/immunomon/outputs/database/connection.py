"""A connection to a database, and what its errors mean for the person who wanted an export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, RootTransaction, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError

from immunomon.errors import ExportFailed
from immunomon.outputs.database.secrets import misplaced_signs, secrets_of, shown

__all__ = ["LOCK_SECONDS", "database_url", "reading", "shown", "sqlite_url", "transaction"]

LOCK_SECONDS = 10
_SQLITE_CACHE_KB = 200_000
_SQLITE_PAGE_BYTES = 16_384  # of a new file: rows of some 200 bytes go in faster than into pages of 4,096
_UNCHANGED = "; nothing was changed there"
_EXAMPLES = "for a file write sqlite:///results.sqlite, for a server postgresql://user@host/database"
_UNFIT = "the run's tables do not fit together; run the study again, and report it if that does not help"
_WRITTEN_BEFORE_ANSWERED = (
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
)
_REMEDIES = (
    ("database is locked", "another program is using it; close that and export again"),
    ("lock timeout", "another export is running; wait for it and export again"),
    ("disk is full", "free some space on that disk and export again"),
    ("no space left", "free some space on the server's disk and export again"),
    ("check free disk space", "free some space on the server's disk and export again"),
    ("disk i/o error", "check that the disk is there and has space, and export again"),
    ("not a database", "the file is something else; give another name"),
    ("malformed", "the file is damaged; export to a new one"),
    ("readonly", "the file may not be written; change that or give another place"),
    ("unable to open database file", "the folder must exist and be writable"),
    ("terminating connection", "the server was stopped; export again when it runs"),
    ("server closed the connection", "the server was stopped; export again when it runs"),
    ("read-only", "the database takes no changes from this user or server; ask its owner"),
    ("password", "check the user and the password (PGPASSWORD or a password file keep it off the command line)"),
    ("does not exist", "check the name of the database and the user"),
    ("permission denied for table", "ask its owner for the role immunomon_reader, or immunomon_writer to export"),
    ("permission denied", "ask the database's owner for the right to create tables in it"),
    ("resolve host", "check the name of the host"),
    ("connect", "check the host, the port, and that the server is running"),
    ("could not create unique index", _UNFIT),
    ("constraint", _UNFIT),
)


def database_url(text: str, purpose: str = "export to") -> URL:
    """Read a database URL; PostgreSQL is reached through psycopg.

    purpose: what is to be done with it, in messages. Raises ExportFailed if it is none, of another kind of database, or
    written so that a part of its password would be read as something else. No message repeats the text.

    >>> database_url("postgresql://monitor:secret@db/trial").drivername
    'postgresql+psycopg'
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ExportFailed(f"what was given as a database is no database URL; {_EXAMPLES}") from None
    kind = url.get_backend_name()
    if kind == "postgres":
        kind = "postgresql"
    if kind not in {"sqlite", "postgresql"}:
        raise ExportFailed(f"no {purpose} '{kind}' databases; {_EXAMPLES}")
    if kind == "postgresql":
        misplaced_signs(text)
    return url.set(drivername="sqlite" if kind == "sqlite" else "postgresql+psycopg")


@contextmanager
def transaction(url: URL, *, change: bool = True) -> Iterator[Connection]:
    """Open one transaction: it is committed at the end of the block, or nothing has happened.

    change: whether it writes: one export at a time writes to a database, others wait for up to ``LOCK_SECONDS``.
    Raises ExportFailed, which names the database, what it said, and the remedy.
    """
    try:
        engine = _engine(url, change=change)
        try:
            with engine.connect() as connection:
                began = connection.begin()
                yield connection
                _check_references(connection)
                _commit(url, began)
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise ExportFailed(
            'PostgreSQL needs the psycopg driver; install it with: pip install "immunomon[postgresql]"'
        ) from error
    except (SQLAlchemyError, OSError) as error:
        # Not "from error": what the driver said is in the message, and may hold the password in the cause.
        raise ExportFailed(_message(url, error)) from None


@contextmanager
def reading(url: URL) -> Iterator[Connection]:
    """Open a database that is there, to read it; raises ExportFailed, and makes no file where there is none."""
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file is not None and not Path(file).is_file():
        raise ExportFailed(f"{shown(url)}: there is no such file; check the path, or export a run to it first")
    with transaction(url, change=False) as connection:
        yield connection


def _commit(url: URL, began: RootTransaction) -> None:
    try:
        began.commit()
    except OperationalError as error:
        if not error.connection_invalidated:
            raise
        message = _message(url, error).removesuffix(_UNCHANGED)
        unknown = "it is not known whether all of it was written, or nothing: export again, which finds out"
        raise ExportFailed(f"{message}; the connection broke at the last moment; {unknown}") from None


def _engine(url: URL, *, change: bool) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": LOCK_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite if change else _begin_reading_sqlite)
    else:
        timeout = {} if "connect_timeout" in url.query else {"connect_timeout": LOCK_SECONDS}
        engine = create_engine(url, poolclass=NullPool, connect_args=timeout)
        event.listen(engine, "begin", _begin_postgresql if change else _begin_reading_postgresql)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transactions start late and leave out the making of tables: we begin them ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    # All references are checked before the commit: much faster than row by row, and tables can be made anew.
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.execute(f"PRAGMA page_size = {_SQLITE_PAGE_BYTES}")
    cursor.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KB}")
    cursor.close()


def _check_references(connection: Connection) -> None:
    """Raise IntegrityError if a row in an SQLite database that was changed refers to nothing."""
    if connection.dialect.name != "sqlite" or not getattr(connection.connection.driver_connection, "total_changes", 1):
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        problem = f"FOREIGN KEY constraint failed: a row of {broken[0]} refers to nothing in {broken[2]}"
        raise IntegrityError("PRAGMA foreign_key_check", None, ValueError(problem))


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    # Any number does, if it is always the same: exports to one database go one after the other.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305441)")
    # Where a server answers a commit before it is written, a power cut would lose an export that was called done.
    connection.exec_driver_sql(_WRITTEN_BEFORE_ANSWERED)


def _begin_reading_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _message(url: URL, error: Exception) -> str:
    message = " ".join(str(getattr(error, "orig", None) or error).split())
    for secret in secrets_of(url):
        message = message.replace(secret, "***")
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in message.casefold()), "")
    return f"{shown(url)}: {message[:500]}" + (f"; {remedy}" if remedy else "") + _UNCHANGED


def sqlite_url(path: Path) -> URL:
    """Return the URL of an SQLite file.

    >>> str(sqlite_url(Path("run") / "immunomon.sqlite")).replace(chr(92), "/")
    'sqlite:///run/immunomon.sqlite'
    """
    return URL.create("sqlite", database=str(path))
