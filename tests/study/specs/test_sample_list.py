import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunomon.errors import BadSpec
from immunomon.study.model.study import DoseGroup, Role, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit
from immunomon.study.specs.samples import COLUMNS, load_samples, read_samples, sample_id_of

STUDY = Study(
    name="DEMO",
    title="",
    dose_groups=(DoseGroup("A", 1.0),),
    cohorts=(),
    subjects=(Subject("S01", "A"),),
    visits=(Visit("D-1", -1, baseline=True), Visit("W2", 15)),
    panels=(PanelUse("treg", "treg"),),
)
SAMPLES = """\
file,subject,visit,panel,role,batch,collection_date,lymphocytes_per_ul,beads_counted,beads_added,sample_volume_ul
fcs/a.fcs,S01,D-1,treg,sample,1,2025-01-12,1520.5,,,
fcs/b.fcs,S01,W2,treg,sample,2,,,900,50000,100
fcs/fmo.fcs,S01,D-1,treg,fmo:CD25,1,,,,,
fcs/comp.fcs,,,treg,single-stain:PE,1,,,,,
"""


@pytest.fixture(autouse=True)
def in_the_studys_folder(tmp_path, monkeypatch):
    """The study lies where the lists are written."""
    monkeypatch.chdir(tmp_path)


def test_rows_are_read_as_written(write):
    first, second, fmo, comp = load_samples(write(SAMPLES, "samples.csv"), STUDY)
    assert (first.file, first.id, first.subject, first.visit) == (Path("fcs/a.fcs"), "fcs__a", "S01", "D-1")
    assert (first.collection_date, first.lymphocytes_per_ul) == (datetime.date(2025, 1, 12), 1520.5)
    assert (second.beads_counted, second.beads_added, second.sample_volume_ul) == (900, 50000, 100)
    assert second.collection_date is None
    assert (fmo.role, comp.role) == (Role.parse("fmo:CD25"), Role.parse("single-stain:PE"))
    assert [row.line for row in (first, second, fmo, comp)] == [2, 3, 4, 5]


def test_a_list_from_excel_with_semicolons_and_decimal_commas_reads_the_same(tmp_path, write):
    plain = load_samples(write(SAMPLES, "samples.csv"), STUDY)
    excel = SAMPLES.replace(",", ";").replace("1520.5", "1520,5").replace("\n", "\r\n")
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbf" + excel.encode())
    assert load_samples(tmp_path / "excel.csv", STUDY) == plain


def test_blank_lines_and_comments_are_passed_over_and_counted(write):
    text = SAMPLES.replace("\nfcs/b", '\n\n,,,,,,,,,,\n# fcs/x.fcs,"not yet\nfcs/b')
    assert [sample.line for sample in load_samples(write(text, "samples.csv"), STUDY)][:2] == [2, 6]


def test_columns_may_come_in_any_order_and_the_last_five_may_be_left_out(write):
    text = "role,panel,visit,subject,file,batch\nsample,treg,W2,S01,a.fcs,\n"
    assert load_samples(write(text, "samples.csv"), STUDY)[0].visit == "W2"


def test_a_list_with_a_header_only_is_empty_and_fine(write):
    assert load_samples(write(",".join(COLUMNS) + "\n", "samples.csv"), STUDY) == ()


def test_paths_written_on_windows_are_the_same_paths(write):
    text = SAMPLES.replace("fcs/a.fcs", "fcs\\a.fcs")
    assert load_samples(write(text, "samples.csv"), STUDY)[0].file == Path("fcs/a.fcs")


@pytest.mark.parametrize(
    ("file", "sample_id"), [("a.fcs", "a"), ("x/y/a.b.fcs", "x__y__a.b"), ("x\\a.fcs", "x__a"), ("a", "a")]
)
def test_the_sample_id_is_the_path_without_suffix(file, sample_id):
    assert sample_id_of(file) == sample_id


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "batch,",
            "",
            "line 1: header: column 'batch' is missing; add it (batch the tube was stained and run in; may be",
        ),
        ("visit,", "vist,", "line 1: header: no column named 'vist'; did you mean 'visit'?"),
        ("batch,", "visit,", "line 1: header: column 'visit' is given twice; keep one of them"),
        ("fcs/a.fcs,", ",", "line 2: file: is blank; write the FCS file, relative to the sample list"),
        ("fcs/a.fcs", "/data/a.fcs", "line 2: file: '/data/a.fcs' is a path of one computer; write it relative to the"),
        (
            "fcs/a.fcs",
            "C:\\a.fcs",
            "line 2: file: 'C:\\\\a.fcs' is a path of one computer; write it relative to the sample",
        ),
        (
            "fcs/a.fcs",
            "fcs/a?.fcs",
            "line 2: file: 'fcs/a?.fcs' is no file name that works everywhere; avoid < > : \" | ? *",
        ),
        ("fcs/b.fcs", "fcs/a.fcs", "line 3: file: 'fcs/a.fcs' is listed already, on line 2; remove one of the lines"),
        ("fcs/b.fcs", "fcs//a.fcs", "line 3: file: 'fcs//a.fcs' is listed already, on line 2; remove one of the lines"),
        (
            "fcs/b.fcs",
            "fcs/a.lmd",
            "line 3: file: 'fcs/a.lmd' and 'fcs/a.fcs' (line 2) would share the sample id 'fcs__a'",
        ),
        (
            "fcs/b.fcs",
            "fcs/A.fcs",
            "line 3: file: 'fcs/A.fcs' and 'fcs/a.fcs' (line 2) would share the sample id 'fcs__A'",
        ),
        ("a.fcs,S01", "a.fcs,S1", "line 2: subject: no subject named 'S1'; did you mean 'S01'?"),
        ("a.fcs,S01", "a.fcs,", "line 2: subject: is blank, but a sample belongs to a subject; write the subject"),
        ("S01,W2", "S01,W3", "line 3: visit: no visit named 'W3'; known are: D-1, W2"),
        ("S01,W2", "S01,", "line 3: visit: is blank, but a sample belongs to a visit; write the visit"),
        ("D-1,treg,sample", "D-1,trge,sample", "line 2: panel: no panel in use named 'trge'; did you mean 'treg'?"),
        ("D-1,treg,sample", "D-1,,sample", "line 2: panel: is blank; write the panel name"),
        ("treg,sample,1", "treg,smaple,1", "line 2: role: no role named 'smaple'; did you mean 'sample'?"),
        ("treg,sample,1", "treg,,1", "line 2: role: is blank; write the sample, fmo:MARKER"),
        ("fmo:CD25", "fmo", "line 4: role: role 'fmo' is incomplete or has too much; write fmo:MARKER"),
        (
            "2025-01-12",
            "12.01.2025",
            "line 2: collection_date: '12.01.2025' may be 2025-01-12 or 2025-12-01; write it as",
        ),
        ("2025-01-12", "2025-02-30", "line 2: collection_date: '2025-02-30' is not a date; write it as year-month-day"),
        ("1520.5", "-3", "line 2: lymphocytes_per_ul: '-3' is negative; correct it or leave it blank"),
        (
            "1520.5",
            "1.5 G/L",
            "line 2: lymphocytes_per_ul: '1.5 G/L' is not a number; write digits with a decimal point",
        ),
        ("1520.5", "nan", "line 2: lymphocytes_per_ul: 'nan' is not a number; write digits with a decimal point"),
        (
            "900,",
            "0,",
            "line 3: beads_counted: is zero, and nothing can be counted with that; correct it or leave it blank",
        ),
        (
            "900,50000,",
            "900,,",
            "line 3: beads_counted: counting by beads needs beads_added as well; fill all three or",
        ),
        (
            "1520.5,,,",
            "1520.5,,,,",
            "line 2: 12 cells, but the header has 11 columns; put cells that hold the separator",
        ),
        ("fcs/comp.fcs", '"fcs/comp.fcs', "line 5: not CSV: "),
    ],
)
def test_each_mistake_is_told_with_line_column_and_remedy(write, problems_of, old, new, expected):
    assert old in SAMPLES
    told = problems_of(lambda: load_samples(write(SAMPLES.replace(old, new, 1), "samples.csv"), STUDY))
    assert any(one.startswith(expected) for one in told), told


def test_mistakes_of_several_rows_are_told_at_once_and_the_good_rows_kept(write):
    text = SAMPLES.replace("a.fcs,S01", "a.fcs,S09").replace("fmo:CD25", "fmo").replace(",900,", ",many,")
    samples, problems = read_samples(write(text, "samples.csv"), STUDY)
    assert [problem.line for problem in problems] == [2, 3, 4]
    assert [sample.line for sample in samples] == [2, 3, 5]


def test_an_empty_file_is_told_what_it_lacks(write, problems_of):
    assert len(problems_of(lambda: load_samples(write("", "samples.csv"), STUDY))) == 6


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from(list("aS01/\\.:;,\"'#\n\r\t -\x00µ")), max_size=60))
def test_whatever_a_row_holds_it_is_read_or_refused_as_a_bad_spec(write, text):
    path = write(",".join(COLUMNS) + "\n" + text, "samples.csv")
    try:
        told = read_samples(path, STUDY)[1]
    except BadSpec as error:
        told = error.problems
    assert all(problem.what for problem in told)


def test_the_visits_that_there_are_are_named_in_the_order_of_the_study(write):
    later = replace(STUDY, visits=(*STUDY.visits, Visit("W12", 85), Visit("EOS", 100)))
    _, problems = read_samples(write(SAMPLES.replace("S01,W2", "S01,X"), "samples.csv"), later)
    assert problems[0].remedy == "known are: D-1, W2, W12, EOS"
