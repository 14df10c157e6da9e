"""Database URLs: what is one, and that no password is ever shown."""

from __future__ import annotations

import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from immunomon.cli.audit import audit_database
from immunomon.errors import ExportFailed
from immunomon.outputs.database.connection import _message, database_url, shown, transaction
from immunomon.outputs.database.secrets import without_passwords

LETTERS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="*"), min_size=6, max_size=20)


@pytest.mark.parametrize("text", ["results.sqlite", "me:hush-hush@host/db", "", "://"])
def test_what_is_no_url_is_refused_without_repeating_it(text):
    with pytest.raises(ExportFailed, match=r"sqlite:///results\.sqlite") as failure:
        database_url(text)
    assert "hush" not in str(failure.value)


def test_other_kinds_of_database_are_refused():
    with pytest.raises(ExportFailed, match="no export to 'mysql' databases; for a file write sqlite:///"):
        database_url("mysql://me:hush@host/db")
    with pytest.raises(ExportFailed, match="no audit of 'oracle' databases; for a file write sqlite:///"):
        audit_database("oracle://me:hush@host/db", entries=False)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg_however_it_is_written(scheme):
    assert database_url(f"{scheme}://host/db").drivername == "postgresql+psycopg"


@given(LETTERS, st.sampled_from(["", "password", "sslpassword"]))
def test_no_password_is_shown_wherever_it_stands(secret, place):
    # A made-up host and user hold no letter of the secrets, so that finding one means it came from the password.
    secret = f"<{secret}>"
    url = URL.create(
        "postgresql+psycopg", "me", None if place else secret, "host", 5432, "db", {place: secret} if place else {}
    )
    error = OperationalError("SELECT 1", {}, Exception(f"could not connect with {secret}"))
    for text in (shown(url), _message(url, error)):
        assert secret not in text
        assert quote(secret, safe="") not in text
        assert "host" in text


ODD = [
    "postgresql://mon:S3cr@etPw@host/db",
    "postgresql://mon:S3cr@etPw@host:5432/db?sslmode=require",
    "postgresql://mon@S3cr:etPw@host/db",
    "postgresql://mon:S3cr@et/Pw@host/db",
    "postgresql://mon:S3cr/etPw@host/db",
    "postgresql://mon:S3cr?etPw@host/db",
    "postgresql://mon:S3cr#etPw@host/db",
    "postgresql://mon/S3cr:etPw@host/db",
    "postgresql://host:5432/db?password=S3cr@etPw",
    "postgres://host/db?user=mon&password=S3cr@etPw",
    "postgresql+psycopg2://mon:S3cr@host/etPw@db",
]


@pytest.mark.parametrize("text", ODD)
def test_a_password_that_would_be_read_as_something_else_is_refused(text):
    with pytest.raises(ExportFailed, match="write %40 for @") as failure:
        database_url(text)
    assert not _parts_in(str(failure.value))
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://mon:S3cr%40etPw@host/db",
        "postgresql://mon:S3cr:etPw@host/db",
        "postgresql://host/db?user=mon&password=S3cr%40etPw",
        "postgresql://host/db?PASSWORD=S3cretPw",
        "postgresql://host/db?pass%77ord=S3cretPw&password=etPw",
        "postgresql://host/db?sslmode=require;password=S3cretPw",
        "postgresql://host/db&password=S3cretPw",
        "postgresql://host/db;password=S3cretPw",
        "postgresql://user=mon password=S3cretPw@host/db",
        "postgresql://host/db?dbname=postgresql://mon:S3cretPw%40host/db",
        "postgresql://host/db?options=-c%20x.password%3DS3cretPw&service=S3cretPw",
        "sqlite:///trial.sqlite?key=S3cretPw",
    ],
)
def test_no_part_of_a_password_is_shown_of_an_odd_url(text):
    url = database_url(text)
    assert not _parts_in(shown(url))
    for value in [url.password or "", *(str(value) for value in url.query.values())]:
        error = OperationalError("SELECT 1", {}, Exception(f"connection failed for '{value}' {quote(value)} {value!r}"))
        assert not _parts_in(_message(url, error).replace("connection failed", ""))


def _parts_in(message):
    return [part for part in ("S3cr", "etPw", "cret") if part in message]


def test_no_password_is_in_a_traceback(server_database):
    """Everything that Python would print of the failure, its causes included."""
    wrong = database_url(server_database).set(password="S3cr@etPw", username="nobody_at_all")
    with pytest.raises(ExportFailed) as failure, transaction(wrong):
        pass
    told = "".join(traceback.format_exception(failure.value))
    assert "nobody_at_all" in told
    assert not _parts_in(told)


@pytest.mark.parametrize(
    "text",
    [
        "moved from postgresql://mon:S3cr@etPw@host/db to here",
        "postgresql://mon:S3cr/etPw@host/db",
        "mon@S3cr was postgresql://mon:S3cr:etPw@host",
        "host=db password = 'S3cr etPw' user=mon",
        "?sslpassword=S3cretPw&x=1",
        "PGPASSWORD=S3cretPw immunomon export",
    ],
)
def test_a_reason_is_kept_without_its_passwords(text):
    kept = without_passwords(text)
    assert not _parts_in(kept.removeprefix("mon@S3cr was "))
    assert "***" in kept


def test_what_holds_no_password_is_kept_as_it_is():
    text = "gates of S03@W4 as Dr. Roe asked (mail roe@example.org), see https://example.org/a?b=c@d"
    assert without_passwords(text) == text
