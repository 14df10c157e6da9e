"""Database URLs as they may be read and shown: no part of a password ever leaves, however the URL was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

from sqlalchemy import URL

from immunomon.errors import ExportFailed

__all__ = ["misplaced_signs", "secrets_of", "shown", "without_passwords"]

# What may be shown of a URL's parameters; all others are hidden, however their names are written.
_HARMLESS = {
    *("host", "hostaddr", "port", "user", "sslmode", "sslrootcert", "connect_timeout", "application_name"),
    *("target_session_attrs", "client_encoding", "gssencmode", "channel_binding", "mode", "uri"),
}
_PLAIN = re.compile(r"[\w./,:-]*")
_HOST = re.compile(r"[\w./,:%\[\]-]*")
_NAME = re.compile(r"[^\s=@?&;:/]*")
_IN_URL = re.compile(r"([\w+.-]+://[^\s:/@?#]*:)\S*@|([\w+.-]+://)[^\s/?#]*@(?=[^\s/?#]*@)")
_IN_WORDS = re.compile(r"(\b\w*(?:pass|pwd|secret|token)\w*\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&;]+)", re.IGNORECASE)


def misplaced_signs(text: str) -> None:
    """Raise ExportFailed for a server's URL whose password could be taken for its host, database or parameters.

    >>> misplaced_signs("postgresql://mon:S3cr@etPw@host/trial")
    Traceback (most recent call last):
        ...
    immunomon.errors.ExportFailed: a database URL has one @, in front of the host: write %40 for @, ...
    >>> misplaced_signs("postgresql://mon:S3cr%40etPw@host/trial")
    """
    whole = text.partition("://")[2]
    authority = re.split(r"[/?#]", whole, maxsplit=1)[0]
    if whole.count("@") > 1 or authority.count("@") != whole.count("@"):
        raise ExportFailed(
            "a database URL has one @, in front of the host: write %40 for @, %2F for / and %3F for ? in a user or "
            "password, or leave the password to PGPASSWORD or a password file"
        )


def shown(url: URL) -> str:
    """Return a URL as it may be shown: without any password, wherever it stands.

    >>> from sqlalchemy import make_url
    >>> shown(make_url("postgresql://monitor:secret@db/trial?sslpassword=secret&sslmode=require"))
    'postgresql://monitor:***@db/trial?sslmode=require&sslpassword=hidden'
    """
    backend = url.get_backend_name()
    hidden = {name: "hidden" for name, values in url.query.items() if not _is_harmless(name, values)}
    plain = url.set(drivername=backend).update_query_dict(hidden)
    if backend != "sqlite":  # whose database is a path, without a user or host
        plain = plain.set(
            username=_if_fits(_NAME, url.username),
            host=_if_fits(_HOST, url.host),
            database=_if_fits(_NAME, url.database),
        )
    return plain.render_as_string(hide_password=True)


def _if_fits(form: re.Pattern[str], part: str | None) -> str | None:
    return part if part is None or form.fullmatch(part) else "hidden"


def _is_harmless(name: str, values: str | tuple[str, ...]) -> bool:
    listed = (values,) if isinstance(values, str) else values
    return name in _HARMLESS and all(_PLAIN.fullmatch(value) for value in listed)


def secrets_of(url: URL) -> list[str]:
    """Return every text that must not be shown of a URL, longest first, as it stands and as it may be written."""
    values = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if not _is_harmless(name, value):
            values += [value] if isinstance(value, str) else list(value)
    return sorted({form for value in values for form in _forms(value) if form}, key=len, reverse=True)


def _forms(value: str) -> Iterator[str]:
    yield from (value, unquote(value), quote(value, safe=""), quote(value), quote_plus(value), repr(value)[1:-1])


def without_passwords(text: str) -> str:
    """Return what a person wrote without the passwords of the URLs and settings in it.

    >>> without_passwords("moved from postgresql://mon:S3cr@etPw@host/trial, password=abc")
    'moved from postgresql://mon:***@host/trial, password=***'
    """
    hidden = _IN_URL.sub(lambda match: f"{match[1] or match[2]}***@", text)
    return _IN_WORDS.sub(r"\1***", hidden)
