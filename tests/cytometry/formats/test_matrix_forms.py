"""The forms in which laboratories keep a spillover matrix: each is read as what its labels say, or refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.formats.spillover import differing_matrices, parse_spillover
from immunomon.cytometry.model.channel_names import ChannelNames
from immunomon.cytometry.model.matrix_labels import MatrixTable, fitted_to
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.panel import Marker, Panel

RIGHT = SpilloverMatrix(("FITC-A", "PE-A"), ((1.0, 0.2), (0.1, 1.0)))
PANEL = Panel(
    "p", "P", (Marker("CD3", "FITC-A", "FITC"), Marker("CD4", "PE-A", "PE"), Marker("CD8", "V450-A", "Pacific Blue"))
)
CHANNELS = tuple(map(Channel, ("FSC-A", "FITC-A", "FITC-H", "PE-A", "V450-A", "Time")))


def read(folder, content, panels=()):
    path = folder / "m.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_matrix_csv(path, panels)


@pytest.mark.parametrize(
    "content",
    [
        ",FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.1,1\n",
        ",FITC-A,PE-A\nPE-A,0.1,1\nFITC-A,1,0.2\n",
        ",FITC-A,PE-A\nPE,0.1,1\nFITC,1,0.2\n",
        ",FITC-A,PE-A\nComp-PE-A,0.1,1\nComp-FITC-A,1,0.2\n",
        ",FITC-A,PE-A\n<PE-A>,0.1,1\n<FITC-A>,1,0.2\n",
        ",FITC-A,PE-A\nPE-A :: CD4,0.1,1\nFITC-A::CD3,1,0.2\n",
        ",FITC-A,PE-A\npe-a,0.1,1\nfitc a,1,0.2\n",
        ",FITC-A,PE-A\nFITC-A,100,20\nPE-A,10,100\n",
        ",FITC-A,PE-A\nPE-A,10%,100%\nFITC-A,100%,20 %\n",
        ";FITC-A;PE-A\nFITC-A;1;0,2\nPE-A;0,1;1\n",
        ";FITC-A;PE-A\nFITC-A;1,000;0,200\nPE-A;0,100;1,000\n",
        ";FITC-A;PE-A\nFITC-A;1.000;0.200\nPE-A;0.100;1.000\n",
        "sep=;\n;FITC-A;PE-A\nFITC-A;1;0,2\nPE-A;0,1;1\n",
        "\tFITC-A\tPE-A\nFITC-A\t1\t0.2\nPE-A\t0.1\t1\n",
        "FITC-A\tPE-A\nFITC-A\t1\t0.2\nPE-A\t0.1\t1\n",
        '"FITC-A" "PE-A"\n"FITC-A" 1 0.2\n"PE-A" 0.1 1\n',
        ",FITC-A,PE-A,\nFITC-A,1,0.2,\nPE-A,0.1,1,\n,,,\n",
        "fluorochrome,FITC-A,PE-A\nPE-A,0.1,1\nFITC-A,1,0.2\n",
        '"","FITC-A","PE-A"\n"1",1,0.2\n"2",0.1,1\n',
        ",FITC-A,PE-A\n0,1,0.2\n1,0.1,1\n",
        "id,FITC-A,PE-A\n1,1,0.2\n2,0.1,1\n",
        "FITC-A,PE-A\n1,0.2\n0.1,1\n",
        "FITC-A,PE-A\n1,.2\n.1,1\n",
        "FITC-A;PE-A\n1;0,2\n0,1;1\n",
        "FITC-A,PE-A\n100%,20%\n10%,100 %\n",
        "FITC-A,PE-A\n1E0,2E-1\n1e-1,1\n",
        ",FITC-A,PE-A\n,1,0.2\n,0.1,1\n",
        "\ufeff,FITC-A,PE-A\r\nFITC-A,1,0.2\r\nPE-A,0.1,1\r\n",
        ",FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.1,1\n".encode("utf-16"),
        ",\u00a0FITC-A , PE-A\u00a0\n PE-A\u00a0,0.1,1\nFITC-A,1,0.2\n",
    ],
)
def test_each_form_is_the_same_matrix(tmp_path, content):
    found = read(tmp_path, content)
    assert found.detectors == RIGHT.detectors
    np.testing.assert_allclose(found.array, RIGHT.array, rtol=1e-15)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_rows_in_any_order_are_the_same_matrix(tmp_path, order):
    names, values = ("A-A", "B-A", "C-A"), ((1, 0.2, 0.3), (0.4, 1, 0.5), (0.6, 0.7, 1))
    rows = [",".join([names[place], *map(str, values[place])]) for place in order]
    assert read(tmp_path, "\n".join([",A-A,B-A,C-A", *rows])) == SpilloverMatrix(names, values)


@pytest.mark.parametrize(
    "content",
    [
        ",CD3,CD4\nCD4,0.1,1\nCD3,1,0.2\n",
        ",FITC,PE\nPE,0.1,1\nFITC,1,0.2\n",
        ",FITC-A,PE-A\nCD4,0.1,1\nCD3,1,0.2\n",
        ",fitc,R-PE\nPE,0.1,1\nFITC,1,0.2\n",
    ],
)
def test_a_panels_fluorochromes_and_markers_name_its_detectors(tmp_path, content):
    assert read(tmp_path, content, [PANEL]) == RIGHT


def test_a_stained_detector_without_a_row_of_its_own_is_not_unmixed_into_what_is_left_over(tmp_path):
    content = ",FITC-A,PE-A,V450-A\nFITC-A,1,0.2,0.1\nPE-A,0.1,1,0\n"
    with pytest.raises(BadSpillover, match=r"m\.csv: .*no row has the detector V450-A \(Pacific Blue, .*add the row"):
        read(tmp_path, content, [PANEL])
    spare = content.replace("V450-A", "V500-A")  # no panel looks there: a detector that only helps to unmix
    assert read(tmp_path, spare, [PANEL]).detectors == ("FITC-A", "PE-A", "V500-A")


@pytest.mark.parametrize(
    ("second", "differs"),
    [
        ("2,FITC-A,PE-A,1,0.2,0.1,1", False),
        ("2,PE-A,FITC-A,100,10,20,100", False),
        ("2,FITC-A,PE-A,1,0.20004,0.1,1", False),
        ("2,FITC-A,PE-A,1,0.1,0.2,1", True),
        ("2,FITC-A,PE-A,1,0,0,1", True),
        ("3,FITC-A,PE-A,V450-A,1,0.2,0,0.1,1,0.3,0,0,1", True),
        ("2,FITC-A,PE-A,1,0.2", False),
    ],
)
def test_two_keywords_with_different_matrices_are_said(second, differs):
    words = {"$SPILLOVER": "2,FITC-A,PE-A,1,0.2,0.1,1", "SPILL": second}
    remark = differing_matrices(FcsHeader(Path("a.fcs"), "3.1", words, CHANNELS, 0))
    assert remark.startswith("$SPILLOVER and SPILL hold different") == differs
    assert differs or not remark


def test_people_shorten_the_names_of_fluorochromes(tmp_path):
    assert read(tmp_path, ",PB,FITC\nFITC,0.1,1\nPB,1,0\n", [PANEL]).detectors == ("V450-A", "FITC-A")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (",FITC-A,PE-A\nFITC-A,1,0.2\nAPC-A,0.1,1\n", "row 'APC-A' (line 3): no column is named so"),
        (",FITC-A,PE-A\nPE-A,1,0.2\nFITC-A,0.1,1\n", "row 'PE-A' (line 2), column 'PE-A': 0.2 on the diagonal"),
        (",FITC-A,PE-A\nPE-A,1,0.2\nFITC-A,0.1,1\n", "its 1 is under 'FITC-A': correct the label"),
        (",FITC-A,PE-A\nFITC-A,1,0.2\nFITC-A,0.1,1\n", "row 'FITC-A' (line 3) and row 'FITC-A' are both FITC-A"),
        (",FITC-A,FITC-A\nFITC-A,1,0.2\nPE-A,0.1,1\n", "twice"),
        (",FITC-A,PE-A\nFITC-A,100,20\nPE-A,10,1\n", "100 on the diagonal, which must be 1 in every row (or 100"),
        (",FITC-A,PE-A\nFITC-A,1,20\nPE-A,10,1\n", "row 'FITC-A' (line 2), column 'PE-A': 20 cannot be spillover"),
        (",FITC-A,PE-A\nFITC-A,1,-20\nPE-A,10,1\n", "row 'FITC-A' (line 2), column 'PE-A': -20 cannot be spillover"),
        (",FITC-A,PE-A\nFITC-A,0.9,0.2\nPE-A,0.1,1\n", "0.9 on the diagonal"),
        (",FITC-A,PE-A\nFITC-A,1.0005,-0.05\nPE-A,-0.01,1.0005\n", "this is the inverse, a compensation matrix"),
        (",FITC-A,PE-A\nFITC-A,1,nan\nPE-A,0.1,1\n", "line 2, row 'FITC-A', column 'PE-A': 'nan' is not a number"),
        (",FITC-A,PE-A\nFITC-A,1,1e999\nPE-A,0.1,1\n", "row 'FITC-A' (line 2), column 'PE-A': inf is not a number"),
        (",FITC-A,PE-A\nFITC-A,1,\nPE-A,0.1,1\n", "line 2, row 'FITC-A', column 'PE-A': is blank; write 0 where"),
        (",FITC-A,PE-A\nFITC-A,1,-0.2\nPE-A,0.1,1\n", "row 'FITC-A' (line 2), column 'PE-A': -0.2 cannot be spillover"),
        ("<xml>\n<a>\n</a>\n", "a header row of detectors and one row per fluorochrome are needed"),
        (",FITC-A,PE-A\nFITC-A,1\nPE-A,0.1,1\n", "line 2: 2 cells, but the header and the other rows make 3 columns"),
        (",FITC-A,\nFITC-A,1,0.2\nPE-A,0.1,1\n", "line 2: 3 cells, but the header and the other rows make 2"),
        (",FITC-A,,PE-A\nFITC-A,1,,0.2\nPE-A,0.1,,1\n", "column '': is blank"),
        (",FITC,PE\nFITC-A,1,0.1\nPE-A,0.2,1\n", "its rows are named by detectors and its columns by fluorochromes"),
        (",FITC-A\nFITC-A,1\nPE-A,0.1\n", "row 'PE-A' (line 3): no column is named so; take the row out"),
        (",FITC-A\nA,1\nB,0.1\n", "it has 2 rows and 1 columns, but a row is a fluorochrome"),
        (
            "Matrix of May,,\n,FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.1,1\n",
            "line 1: 'Matrix of May' stands above the row of detectors (line 2); take it out",
        ),
        (
            "Matrix of May\nLab 4;;\n;FITC-A;PE-A\nFITC-A;1;0,2\nPE-A;0,1;1\n",
            "line 1: 'Matrix of May' stands above the row of detectors (line",
        ),
        (
            ",FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.1,1\nsource: lab,,\n",
            "line 4: 'source: lab' stands in a row without values; take the row out",
        ),
        (
            "FITC-A,PE-A\n1,0.2\n0.1,1\nsource: lab\n",
            "line 4: 'source: lab' stands in a row without values; take the row out",
        ),
        (
            ",,FITC-A,PE-A\nCD3,FITC-A,1,0.2\nCD4,PE-A,0.1,1\n",
            "line 2: 'CD3' and 'FITC-A' are both names of the row; keep one column of names",
        ),
        (
            "marker,detector,FITC-A,PE-A\nCD3,FITC-A,1,0.2\nCD4,PE-A,0.1,1\n",
            "line 2: 'CD3' and 'FITC-A' are both names of the row; keep one column of names",
        ),
        (
            ";FITC-A;PE-A\nFITC-A;1.000,0;200,0\nPE-A;100,0;1.000,0\n",
            "column 'FITC-A': '1.000,0' has thousands separators; write it without them: 1000,0",
        ),
        (
            ",FITC-A,PE-A\nFITC-A,1,\u2212.01\nPE-A,0.1,1\n",
            "column 'PE-A': '\u2212.01' begins with a dash that is no minus sign of a number; write -.01",
        ),
        (",B1-A,B2-A\nFITC,1,1\nPE,0.1,1\n", "row 'FITC' (line 2): the rows have other names than the columns"),
        (",B1-A,B2-A,B3-A\nFITC,5000,200,3\nPE,10,900,4\n", "its largest value is 5000"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused_with_row_and_column(tmp_path, content, said):
    with pytest.raises(BadSpillover) as refusal:
        read(tmp_path, content)
    assert str(refusal.value).startswith(str(tmp_path / "m.csv"))
    assert said in str(refusal.value)


def test_rows_of_fluorochromes_that_nobody_knows_are_told_by_their_ones(tmp_path):
    found = read(tmp_path, ",B1-A,B2-A\nPE,0.1,1\nFITC,1,0.2\n")
    assert found == SpilloverMatrix(("B1-A", "B2-A"), RIGHT.values)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_spectrum_in_percent_unmixes_as_one_in_fractions(tmp_path, scale):
    values = np.array([[1.0, 0.3, 0.05], [0.1, 1.0, 0.4]]) * scale
    rows = [",".join([name, *map(repr, row)]) for name, row in zip(("X", "Y"), values.tolist(), strict=True)]
    found = read(tmp_path, "\n".join([",B1-A,B2-A,B3-A", *rows]))
    np.testing.assert_allclose(found.array[:2], values / scale)


@pytest.mark.parametrize(
    ("numbers", "right"),
    [
        ("100,20,10,100", RIGHT.values),
        ("100,20,10,99.99", ((1.0, 0.2), (0.1, 0.9999))),
        ("1,0.2,0.1,0.9999", ((1.0, 0.2), (0.1, 0.9999))),
        ("1,0.2,-0.002,1", ((1.0, 0.2), (-0.002, 1.0))),
        ("1,1.4,0.1,1", ((1.0, 1.4), (0.1, 1.0))),
    ],
)
def test_a_keyword_has_the_same_rules(numbers, right):
    found = parse_spillover(f"2,FITC-A,PE-A,{numbers}", CHANNELS)
    np.testing.assert_allclose(found.array, right, rtol=1e-14)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ("90,20,10,90", "row 'FITC-A', column 'FITC-A': 90 on the diagonal"),
        ("100,20,10,1", "100 on the diagonal"),
        ("1,20,10,1", "row 'FITC-A', column 'PE-A': 20 cannot be spillover"),
        ("1,nan,0,1", "row 'FITC-A', column 'PE-A': nan is not a number"),
    ],
)
def test_a_keyword_that_does_not_fit_is_refused_with_row_and_column(numbers, said):
    with pytest.raises(BadSpillover) as refusal:
        parse_spillover(f"2,FITC-A,PE-A,{numbers}", CHANNELS)
    assert said in str(refusal.value)


@pytest.mark.parametrize("names", ["Comp-FITC-A,Comp-PE-A", "<FITC-A>,<PE-A>", "FITC-A :: CD3,PE-A :: CD4", "FITC,PE"])
def test_a_keyword_may_name_its_detectors_as_other_programs_do(names):
    assert parse_spillover(f"2,{names},1,0.2,0.1,1", CHANNELS) == RIGHT


@pytest.mark.parametrize("names", [("FITC", "PE"), ("Comp-FITC-A", "Comp-PE-A"), ("fitc-a", "PE-A :: CD4")])
def test_a_matrix_is_fitted_to_the_names_of_a_file(names):
    assert fitted_to(SpilloverMatrix(names, RIGHT.values), CHANNELS) == RIGHT


def test_a_file_whose_channels_are_named_comp_keeps_them():
    channels = [Channel("Comp-FITC-A"), Channel("FITC-A")]
    matrix = SpilloverMatrix(("Comp-FITC-A",), ((1.0,),))
    assert fitted_to(matrix, channels) == matrix


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("FITC-A", "APC-A"), "the detector 'APC-A', which the file lacks; .*; or give the matrix of these files"),
        (("FITC-A", "FITC"), "the detector 'FITC', which is 'FITC-A' in the file, as another of its detectors is"),
    ],
)
def test_a_matrix_of_another_file_is_refused(names, said):
    with pytest.raises(BadSpillover, match=said):
        fitted_to(SpilloverMatrix(names, RIGHT.values), CHANNELS)


def test_a_label_that_two_detectors_answer_to_is_refused():
    names = ChannelNames.of([Channel("FL1-A", "CD3"), Channel("FL2-A", "CD3")])
    with pytest.raises(BadSpillover, match="'CD3' may be the detector FL1-A or FL2-A; write the detector's own name"):
        names.detector_of("CD3")


def test_a_height_is_not_taken_for_an_area():
    assert ChannelNames.of([Channel("PE-A")]).detector_of("PE-H") is None


def test_a_matrix_of_nothing_is_a_matrix():
    assert MatrixTable((), (), ()).spillover() == SpilloverMatrix((), ())


def test_a_keyword_with_decimal_commas_in_some_of_its_numbers_says_so():
    with pytest.raises(BadSpillover, match="it has 9, perhaps because its decimal signs are commas"):
        parse_spillover("2,FITC-A,PE-A,1,0,2,0,1,1", CHANNELS)
    with pytest.raises(BadSpillover, match=r"it has 6$"):
        parse_spillover("2,FITC-A,PE-A,1,0.2,0.1", CHANNELS)
