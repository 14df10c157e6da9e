from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.errors import BadSpec
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.specs.assessment_tables import load_assessments, read_assessment_files

PLATELETS = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy"
NAMES = PLATELETS.split(",")
FIRSTS = {"S01": "2025-01-13", "S02": None}


def problems(folder, name, text):
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return [str(one).removeprefix(f"{folder}").lstrip("\\/") for one in read_assessment_files(folder, FIRSTS).problems]


def test_rows_are_values_blanks_are_none_and_a_day_comes_from_its_date(tmp_path):
    (tmp_path / "platelets.csv").write_text(
        f"\ufeff{PLATELETS}\r\nS01,W4,,2025-02-10,35.5,false,TRUE\r\n,,,,,,\r\nS02,,5,,,,\r\n", encoding="utf-8"
    )
    first, second = load_assessments(tmp_path, FIRSTS).rows("platelets")
    assert first == {
        "line": 2, "subject": "S01", "visit": "W4", "study_day": 29, "date": "2025-02-10",
        "platelets_1e9_per_l": 35.5, "bleeding": False, "rescue_therapy": True,
        "bleeding_grade": None,
    }  # fmt: skip
    assert (second["visit"], second["platelets_1e9_per_l"], second["bleeding"]) == (None, None, None)


def test_files_may_lie_in_the_folder_assessments_and_a_study_may_have_none(tmp_path):
    assert load_assessments(tmp_path, FIRSTS).tables == {}
    (tmp_path / "assessments").mkdir()
    (tmp_path / "assessments" / "platelets.csv").write_text(f"{PLATELETS}\nS01,W4,29,,9,,\n", encoding="utf-8")
    found = load_assessments(tmp_path, FIRSTS)
    assert len(found.rows("platelets")) == 1
    assert found.rows("viruses") == ()
    assert len(found.digests["platelets"]) == 64


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("S09,W4,29,,9,,", "line 2: subject: the study has no subject 'S09'; did you mean 'S0"),
        ("S01,W4,0,,9,,", "line 2: study_day: '0' does not fit: there is no Day 0"),
        ("S01,W4,2.5,,9,,", "line 2: study_day: '2.5' does not fit: a study day is wanted"),
        ("S01,W4,28,2025-02-10,9,,", "study_day: 28, but 2025-02-10 is day 29 after the first infusion on 2025-01-13"),
        ("S01,W4,29,2025-02-30,9,,", "date: '2025-02-30' is not a date; write it as year-month-day"),
        ("S01,W4,29,,nan,,", "platelets_1e9_per_l: 'nan' is not a number; write digits"),
        ("S01,W4,29,,-1,,", "platelets_1e9_per_l: '-1' does not fit: at least 0 is wanted"),
        ("S01,W4,29,,9,yes,", "bleeding: 'yes' does not fit: true or false is wanted"),
        ("S01,W4,29,,9,,,surplus", "line 2: 8 cells, but the header has 7 columns"),
        ("S01,W4", "line 2: 2 cells, but the header has 7 columns"),
        ("S01,W4\x01,29,,9,,", "visit: 'W4\\x01' does not fit: text on one line is wanted"),
        (",W4,29,,9,,", "line 2: subject: is blank; fill it in, or take the row out"),
        ("S01,W4,29,,9,,\nS01,W4,29,,8,,", "line 3: date: the same subject, visit, study_day, date as on line 2"),
        ('S01,"W4,29,,9,,', "not CSV: unexpected end of data; check the quotes on this line"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(tmp_path, row, said):
    assert said in "\n".join(problems(tmp_path, "platelets", f"{PLATELETS}\n{row}\n"))


def test_all_problems_of_all_files_are_said_at_once(tmp_path):
    problems(tmp_path, "platelets", f"{PLATELETS}\nS01,W4,0,,x,,\nS07,W4,5,,9,,\n")
    said = problems(tmp_path, "adverse_events", "subject,term\nS01,Chills\n")
    assert len(said) == 3
    with pytest.raises(BadSpec, match="line 1: has no column system_organ_class, grade"):
        load_assessments(tmp_path, FIRSTS)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("adverse_events", "S01,Chills,,6,1,2,false,false,false", "grade: '6' does not fit: at least 1 and at most 5"),
        ("adverse_events", "S01,Chills,,2,5,2,false,false,false", "end_day: the event ends on day 2, before day 5"),
        ("viruses", "S01,W4,29,,HBV,perhaps", "result: 'perhaps' does not fit: one of positive, negative"),
        ("antibodies", "S01,,29,,40,positive", "timepoint: is blank"),
        ("msc_concentration", "S01,1,1,30,true,10", "below_quantification: 30 is not below the limit of"),
        ("msc_concentration", "S01,1,1,3,false,10", "below_quantification: the concentration 3 is below the limit of"),
        ("msc_concentration", "S01,1,1,3,,10", "below_quantification: the concentration 3 is below the limit of"),
        (
            "msc_concentration",
            "S01,1,1,30,false,10\nS01,2,1,20,false,10",
            "line 3: actual_time_h: S01 has another concentration at 1 h, on line 2",
        ),
        (
            "msc_concentration",
            "S01,1,2,30,false,10\nS01,2,,20,false,10",
            "line 3: planned_time_h: S01 has another concentration at 2 h, on line 2",
        ),
        (
            "msc_concentration",
            "S01,1,4,30,false,10\nS01,4,1,20,false,10",
            "line 3: actual_time_h: the sample planned at 4 h was taken at 1 h, before the one planned at 1 h (line 2)",
        ),
        ("antibodies", "S01,before,1,,40,negative", "result: negative, but the titre is 40; correct one of them"),
        ("antibodies", "S01,before,1,,0,positive", "result: positive, but the titre is 0; correct one of them"),
        ("antibodies", "S01,before,1,,40,", "result: is blank (not done), but the titre is 40; write the result"),
        ("antibodies", "S01,a,1,,,negative\nS01,a,,2025-01-13,4,positive", "line 3: result: positive, but line 2 has"),
        (
            "viruses",
            "S01,W4,29,,HBV,negative\nS01,,29,,HBV,positive",
            "line 3: result: positive, but line 2 has another",
        ),
        (
            "platelets",
            "S01,W4,29,,9,,\nS01,,29,,80,,",
            "line 3: platelets_1e9_per_l: 80, but line 2 has another platelet count on day 29: 9; keep the one",
        ),
        (
            "platelets",
            "S02,W4,,2025-02-10,9,,\nS02,,,2025-02-10,80,,",
            "line 3: platelets_1e9_per_l: 80, but line 2 has another platelet count on 2025-02-10: 9; keep the one",
        ),
        (
            "platelets",
            "S02,W4,29,2025-02-10,9,,\nS02,,,2025-02-10,80,,",
            "line 3: platelets_1e9_per_l: 80, but line 2 has another platelet count on 2025-02-10: 9; keep the one",
        ),
        (
            "platelets",
            "S01,W4,29,,9000,,",
            "platelets_1e9_per_l: 9000 * 10^9 per litre is hardly possible; in platelets per microlitre it would be 9;",
        ),
        ("platelets", "S01,W4,29,,150000,,", "in platelets per microlitre it would be 150; give 10^9 per litre"),
        (
            "msc_concentration",
            "S01,1,1,3e6,false,10",
            "concentration_cells_per_ml: 3e+06 cells per mL is hardly possible; in cells per litre it would be 3000",
        ),
        ("antibodies", "S01,a,1,,0.025,positive", "titre: 0.025 is no titre; write the last dilution: 40 for 1:40"),
        ("antibodies", "S02,a,,2025-01-13,,negative\nS02,a,1,2025-01-13,4,positive", "another result on 2025-01-13"),
        (
            "viruses",
            "S02,W4,,2025-02-10,HBV,negative\nS02,,,2025-02-10,HBV,positive",
            "line 3: result: positive, but line 2 has another result on 2025-02-10: negative",
        ),
        ("adverse_events", "S01,Chills,,5,1,2,false,false,false", "serious: false, but grade 5 is death"),
    ],
)
def test_each_file_has_its_own_rules(tmp_path, name, row, said):
    head = ",".join(ASSESSMENT_INPUTS[name].needed_names)
    assert said in "\n".join(problems(tmp_path, name, f"{head}\n{row}\n"))


def test_a_column_that_is_not_known_is_not_passed_over(tmp_path):
    said = problems(tmp_path, "platelets", f"{PLATELETS},unit\nS01,W4,29,,9,,,G/L\n")
    known = ", ".join(sorted((*NAMES, "bleeding_grade")))
    assert said == [f"platelets.csv line 1: header: no column named 'unit'; known are: {known}"]


@pytest.mark.parametrize(
    "rows",
    [
        "S01,W4,29,,9,,\nS01,,29,,9,,",
        "S01,W4,29,,9,,\nS02,W4,29,,80,,",
        "S01,W4,,,9,,\nS01,W5,,,80,,",
        "S02,W4,,2025-02-10,9,,\nS02,W5,,2025-02-17,2000,,",
    ],
    ids=["the same count", "another subject", "no day", "another date"],
)
def test_counts_that_do_not_differ_on_one_day_are_no_problem(tmp_path, rows):
    assert problems(tmp_path, "platelets", f"{PLATELETS}\n{rows}\n") == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("35,5", 35.5), ("1.520,5", None), ("0.5", 0.5), ("1.520", None)],
)
def test_a_table_from_a_german_excel_reads_its_decimal_commas(tmp_path, text, count):
    content = f"sep=;\r\n{PLATELETS};;\r\nS01,W4,29,,COUNT,WAHR,;;\r\n".replace(",", ";")
    content = content.replace("COUNT", text).replace("WAHR", "TRUE")
    (tmp_path / "platelets.csv").write_bytes(content.encode("utf-16"))
    found = read_assessment_files(tmp_path, FIRSTS)
    assert [row["platelets_1e9_per_l"] for row in found.rows("platelets")] == ([] if count is None else [count])
    assert len(found.problems) == (count is None)


def test_two_equal_adverse_events_are_two_events(tmp_path):
    head, row = ",".join(ASSESSMENT_INPUTS["adverse_events"].needed_names), "S01,Chills,,1,1,2,false,false,false"
    assert problems(tmp_path, "adverse_events", f"{head}\n{row}\n{row}\n") == []


@given(st.text(max_size=300))
def test_no_text_crashes_the_reader(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "fuzz-assessments"
    folder.mkdir(exist_ok=True)
    (folder / "platelets.csv").write_bytes(f"{PLATELETS}\n{text}".encode("utf-8", errors="replace"))
    read_assessment_files(folder, FIRSTS)
