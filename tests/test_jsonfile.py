import pytest

from immunomon import jsonfile
from immunomon.jsonfile import parse_json, refuse_cells


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" + b"[]," * 5_000_000 + b"0]", "more than 5,000,000 arrays and objects"),
        (b"[" * 200_000, "too deep"),
        (b"9" * 1_001, "a number of 1,001 digits"),
        (b"\xff", "codec can't decode"),
        (b"{", "Expecting property name"),
    ],
)
def test_what_would_fill_the_memory_or_is_no_json_is_a_value_error(content, said):
    with pytest.raises(ValueError, match=said):
        parse_json(content)


def test_json_is_read_as_it_stands():
    assert parse_json('\ufeff{"a": [1, -2.5e3, "µ", null, true]}'.encode()) == {"a": [1, -2500.0, "µ", None, True]}
    assert parse_json("9" * 1_000) == int("9" * 1_000)


def test_cells_are_counted_before_they_are_split(monkeypatch):
    monkeypatch.setattr(jsonfile, "_MOST_VALUES", 3)
    refuse_cells(b"a,b,c,d")
    with pytest.raises(ValueError, match="more than 3 values"):
        refuse_cells(b",,,,")
