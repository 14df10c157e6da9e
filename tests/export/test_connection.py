"""Database URLs: what is one, and that no password is ever shown."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from immunomon.cli.audit_database import audit_database
from immunomon.errors import ExportFailed
from immunomon.export.connection import _message, database_url, shown

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
