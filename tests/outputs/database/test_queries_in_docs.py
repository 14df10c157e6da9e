"""The SQL that docs/database.md shows runs on every database, and the queries about values find some."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from immunomon.outputs.database.connection import database_url
from immunomon.outputs.database.schema import HISTORIES, metadata
from immunomon.outputs.database.views import STATIC

PAGE = (Path(__file__).parents[3] / "docs" / "database.md").read_text(encoding="utf-8")
QUERIES = [query for query in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) if query.startswith("SELECT")]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_query_of_the_documentation_runs(exported, query):
    engine = create_engine(database_url(exported), poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(text(query.replace("DEMO-ITP", "DEMO").replace("2025-03-01", "2999-03-01"))).all()
    assert rows or "'missing'" in query or "window_" in query


def test_every_table_is_documented():
    assert len(QUERIES) > 5
    histories = {table.name for table in HISTORIES.values()}
    for name in (*(set(metadata.tables) - histories), *STATIC, "v_wide"):
        assert f"`{name}`" in PAGE
