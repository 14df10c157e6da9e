import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunomon.cytometry.formats.matrix_csv import read_matrix_csv, write_matrix_csv
from immunomon.cytometry.formats.spillover import parse_spillover, spillover_of
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover, SingularSpillover
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import FcsHeader

CHANNELS = (Channel("FSC-A"), Channel("FITC-A", "CD3"), Channel("PE-A", "CD4"), Channel("Time"))


def header(tmp_path, **keywords):
    return FcsHeader(tmp_path / "a.fcs", "3.1", keywords, CHANNELS, 0)


@pytest.mark.parametrize(
    "text",
    [
        "2,FITC-A,PE-A,1,0.2,0.05,1",
        "2,2,3,1,0.2,0.05,1",
        "2,CD3,CD4,1,0.2,0.05,1",
        " 2, FITC-A, PE-A, 1, 0.2, 0.05, 1,",
        "2,1,0.2,0.05,1",
        "2;FITC-A;PE-A;1,0;0,2;0,05;1,0",
        "2\tFITC-A\tPE-A\t1\t0.2\t0.05\t1",
        "2,FITC-A,PE-A,1,00,0,20,0,05,1,00",
        "2,2,3,1,00,0,20,0,05,1,00",
        "2,1,00,0,20,0,05,1,00",
        "2,FITC-A,PE-A,100,20,5,100",
    ],
    ids=[
        "names",
        "numbers",
        "markers",
        "blanks",
        "no names",
        "semicolons",
        "tabs",
        "decimal commas",
        "both",
        "all",
        "%",
    ],
)
def test_the_ways_vendors_write_a_matrix_are_one_matrix(text):
    matrix = parse_spillover(text, CHANNELS)
    assert matrix == SpilloverMatrix(("FITC-A", "PE-A"), ((1.0, 0.2), (0.05, 1.0)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("two,FITC-A", "does not begin with the number"),
        ("2,FITC-A,PE-A,1,0.2", "takes 7 fields; it has 5"),
        ("2,FITC-A,APC-A,1,0,0,1", "names the detector 'APC-A', which the file lacks"),
        ("2,FITC-A,PE-A,1,x,0,1", "could not convert"),
        ("2,FITC-A,FITC-A,1,0,0,1", "FITC-A.*twice"),
        ("2,FITC-A,PE-A,0,0.2,0,1", "row 'FITC-A', column 'FITC-A': 0 on the diagonal"),
        ("2,FITC-A,PE-A,1,nan,0,1", "not a number"),
        ("2,FITC-A,PE-A,0,90,0,20,0,05,0,90", "takes 7 fields; it has 11"),
        ("\u00b2,FITC-A,PE-A,1,0,0,1", "does not begin with the number"),
        ("9" * 5000, "does not begin with the number"),
        ("1,2", "2 on the diagonal|1 x 1 without names"),
        ("3,1,0,0,0,1,0,0,0,1", "3 x 3 without names; the file has 2"),
    ],
)
def test_a_matrix_that_is_wrong_says_what_is_wrong(text, message):
    with pytest.raises(BadSpillover, match=message):
        parse_spillover(text, CHANNELS)


@pytest.mark.parametrize("keyword", ["$SPILLOVER", "SPILL", "$COMP"])
def test_the_matrix_is_found_under_every_usual_keyword(tmp_path, keyword):
    found = spillover_of(header(tmp_path, **{keyword: "2,FITC-A,PE-A,1,0.2,0.05,1"}))
    assert found is not None
    assert found.detectors == ("FITC-A", "PE-A")
    assert not found.is_identity


def test_a_file_without_a_matrix_has_none(tmp_path):
    assert spillover_of(header(tmp_path)) is None


def test_a_malformed_keyword_is_named_with_its_file(tmp_path):
    with pytest.raises(BadSpillover, match=r"a\.fcs.*SPILL"):
        spillover_of(header(tmp_path, SPILL="2,x"))


@given(arrays(float, (3, 3), elements=st.floats(0.001, 1)))
def test_a_matrix_written_as_csv_reads_back_the_same(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("m") / "matrix.csv"
    np.fill_diagonal(values, 1.0)
    matrix = SpilloverMatrix(("A", "B", "C"), tuple(map(tuple, values.tolist())))
    write_matrix_csv(path, matrix)
    assert read_matrix_csv(path) == matrix


def test_a_csv_without_row_names_reads_too(tmp_path):
    (tmp_path / "m.csv").write_text("A,B\n1,0.5\n0,1\n", encoding="utf-8")
    np.testing.assert_array_equal(read_matrix_csv(tmp_path / "m.csv").array, [[1, 0.5], [0, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A,B\n", "a header row"),
        ("A,B\n1,x\n0,1\n", "line 2"),
        ("A,B\n1,0\n", "1 rows without names and 2 columns"),
        ("A,B\n1,0,3,4\n0,1,2,3\n", "m.csv"),
    ],
)
def test_a_csv_that_is_no_matrix_says_where(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadSpillover, match=message):
        read_matrix_csv(tmp_path / "m.csv")


def test_a_binary_file_is_no_csv(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\x80\x00,\xff\n")
    with pytest.raises(BadSpillover, match=r"NUL|not UTF-8"):
        read_matrix_csv(tmp_path / "m.csv")


@pytest.mark.parametrize("text", ["", " ", "0", "0,", "0;"])
def test_a_blank_or_empty_matrix_is_none_and_the_next_keyword_is_looked_at(tmp_path, text):
    assert spillover_of(header(tmp_path, **{"$SPILLOVER": text})) is None
    found = spillover_of(header(tmp_path, **{"$SPILLOVER": text, "SPILL": "1,PE-A,1"}))
    assert found == SpilloverMatrix(("PE-A",), ((1.0,),))


def test_a_matrix_without_an_inverse_names_the_file_and_the_keyword(tmp_path):
    with pytest.raises(SingularSpillover, match=r"a\.fcs: keyword SPILL: .*no inverse.*; give a matrix as CSV"):
        spillover_of(header(tmp_path, SPILL="2,FITC-A,PE-A,1,1,1,1"))


@given(st.text(st.sampled_from("0123456789,;.-eFITCA \t\u00b2"), max_size=40))
def test_any_text_is_a_matrix_or_refused(text):
    with contextlib.suppress(BadSpillover):
        parse_spillover(text, CHANNELS)
