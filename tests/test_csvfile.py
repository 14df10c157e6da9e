from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.csvfile import BadCell, date_in, read_csv, read_csv_table
from immunomon.errors import BadSpec

ROWS = [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]


def table(folder, content):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv_table(path, 10_000)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,\n",
        "a;b\r\n1;x\r\n2;\r\n",
        "a\tb\n1\tx\n2\t\n",
        "sep=;\na;b\n1;x\n2;\n",
        '"sep=\t"\na\tb\n1\tx\n2\t\n',
        "SEP=|".replace("|", ",") + "\na,b\n1,x\n2,\n",
        "\ufeffa,b\n1,x\n2,\n",
        "a;b\n1;x\n2;\n".encode("utf-16"),
        "\ufeffa\tb\n1\tx\n2\t\n".encode("utf-16-be"),
        "a,b,,\n1,x,,\n,,,\n2,,,\n,,,\n",
        "a,b,,\n1,x\n2,\n",
        " a ,\u00a0B\u00a0\n\u00a01 , x\u202f\n2,\u200b\n",
        "\n\na,b\n\n1,x\n\n2,\n\n",
        'a,b\n"1","x"\n2,""\n',
        "a,b\r1,x\r2,\r",
    ],
    ids=[
        "commas",
        "semicolons",
        "tabs",
        "sep=;",
        "sep=tab",
        "sep=,",
        "BOM",
        "UTF-16",
        "big-endian UTF-16",
        "blank columns and rows",
        "blank columns in the header",
        "blanks",
        "blank lines",
        "quotes",
        "old Macintosh",
    ],
)
def test_the_ways_a_table_is_saved_are_one_table(tmp_path, content):
    found = table(tmp_path, content)
    assert [dict(cells) for _, cells in found.rows] == ROWS
    assert found.problems == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1\n2,y\n", "t.csv line 2: 1 cell, but the header has 2 columns; put cells that hold the separator"),
        ("a,b\n1,x,\n", "t.csv line 2: 3 cells, but the header has 2 columns"),
        ("a,b,\n1,x,z\n", "t.csv line 2: 3 cells, but the header has 2 columns"),
        ("a,A\n1,x\n", "t.csv line 1: header: column 'a' is given twice; keep one of them"),
        ("a,,b\n1,x,y\n", "t.csv line 1: header: column 2 has no name; name it, or remove it"),
        ('a,b\n1,"x\n', "t.csv line 2: not CSV: unexpected end of data; check the quotes on this line"),
    ],
)
def test_what_does_not_fit_is_a_problem_with_its_line(tmp_path, content, said):
    problems = [str(problem).removeprefix(str(tmp_path)).lstrip("/\\") for problem in table(tmp_path, content).problems]
    assert len(problems) == 1
    assert problems[0].startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n\xe4,1\n", "line 2: not UTF-8 text; save the file as 'CSV UTF-8'"),
        (b"a\x00,b\n", "not text: it has NUL characters"),
        ("a" * 10_001, "larger than 0.01 MB"),
        ("sep=|\na|b\n", "line 1: its first line says that '|' separates the cells; save it with commas"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, said):
    with pytest.raises(BadSpec) as refusal:
        table(tmp_path, content)
    assert said in str(refusal.value)


def test_comments_are_passed_over_but_not_what_excel_writes_for_an_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# note\na,b\n#1,x\n#N/A,y\n", encoding="utf-8")
    assert [row.cells for row in read_csv(path, 1000, comments=True).rows] == [("a", "b"), ("#N/A", "y")]
    assert [row.cells[0] for row in read_csv(path, 1000).rows] == ["# note", "a", "#1", "#N/A"]


@pytest.mark.parametrize(
    ("separator", "others", "text", "number"),
    [
        (",", "", "1.520", 1.52),
        (",", "", '"0,5"', 0.5),
        (",", "", '"1,520"', None),
        (";", "", "1,520", 1.52),
        (";", "", "1.520", None),
        (";", "0.5", "1.520", 1.52),
        (";", "0.5", "1,520", None),
        (";", "0.5;0,5", "1.520", None),
        (";", "0,5", "1520,25", 1520.25),
        ("\t", "", "1,520", None),
        ("\t", "0,5", "1,520", 1.52),
        (",", "", "1.520.000", None),
        (",", "", "1e3", 1000.0),
        (",", "", "1 520", None),
        (",", "", "\u0661", None),
        (",", "", "nan", None),
        (",", "", "0x10", None),
    ],
)
def test_a_number_is_read_only_where_it_means_one_number(tmp_path, separator, others, text, number):
    path = tmp_path / "t.csv"
    path.write_text(f"a{separator}b{separator}c\n{text}{separator}x{separator}\n{others}\n", encoding="utf-8")
    found = read_csv(path, 1000)
    cell = found.rows[1].cells[0]
    if number is None:
        with pytest.raises(BadCell):
            found.number(cell)
    else:
        assert found.number(cell) == number


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("03/04/2024", "2024-04-03 or 2024-03-04"),
        ("31.12.2024", "2024-12-31"),
        ("3-4-24", "2024-04-03 or 2024-03-04"),
        ("24-01-05", "2005-01-24 or 2024-01-05"),
        ("2024/04/03", "2024-04-03"),
        ("20240403", "2024-04-03"),
        ("3 Apr 2024", "2024-04-03"),
        ("April 3, 2024", "2024-04-03"),
        ("03-APR-2024", "2024-04-03"),
        ("2024-04-03 00:00:00", "2024-04-03"),
        ("2024-4-3", "2024-04-03"),
        ("45385", "2024-04-03"),
    ],
)
def test_a_date_in_another_form_is_refused_with_its_possible_readings(text, readings):
    with pytest.raises(BadCell, match=f"may be {readings}; write it as year-month-day"):
        date_in(text)


@pytest.mark.parametrize("text", ["2024-02-30", "soon", "1.2", "12", "\u0662024-01-01", ""])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(BadCell, match="is not a date; write it as year-month-day, such as 2025-01-31"):
        date_in(text)


@given(st.binary(max_size=80) | st.text('a1;,.\t"\n=sep#\ufeff', max_size=60).map(str.encode))
def test_whatever_the_bytes_it_is_a_table_or_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(raw)
    try:
        found = read_csv_table(path, 1000, comments=True)
    except BadSpec:
        return
    assert all(set(cells) == set(found.columns) for _, cells in found.rows)
