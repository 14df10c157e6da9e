"""Many rows at once: however many there are, each arrives, and what is missing stays missing."""

from __future__ import annotations

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from immunomon.outputs.database.bulk import CHUNK, load


@pytest.fixture
def connection():
    with create_engine("sqlite://").connect() as opened:
        opened.execute(text("CREATE TABLE values_ (study TEXT, number INTEGER NOT NULL, word TEXT, blank DOUBLE)"))
        yield opened


@pytest.mark.parametrize("rows", [1, 498, 499, 500, CHUNK, CHUNK + 1])
def test_every_row_arrives_however_they_fill_statements_and_chunks(connection, rows):
    words = [None if number % 7 == 0 else f"it's {number}" for number in range(1, rows + 1)]
    blank = pa.array([None] * rows, pa.float64())
    table = pa.table({"number": pa.array(range(1, rows + 1)), "word": pa.array(words), "blank": blank})
    assert load(connection, "values_", table, {"study": "O'Neil"}) == rows
    found = connection.execute(text("SELECT study, number, word, blank FROM values_ ORDER BY number")).all()
    assert [tuple(one) for one in found] == [("O'Neil", n, w, None) for n, w in enumerate(words, start=1)]


def test_a_column_that_must_have_values_and_has_none_is_refused(connection):
    with pytest.raises(OperationalError, match="NOT NULL"):
        load(connection, "values_", pa.table({"number": pa.array([None], pa.int64()), "word": ["a"]}))
