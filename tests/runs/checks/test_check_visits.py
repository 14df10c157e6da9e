import datetime

import pytest

from immunomon.cytometry.formats.fcs_header import fcs_date

WHOSE = "subject S01, panel treg"


def test_a_planned_visit_without_a_file_is_told(study, rows):
    study.rows({name: row for name, row in rows.items() if name != "w2"})
    assert study.problems() == [f"samples.csv: {WHOSE}: no file for visit W2; add it to the sample list"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("treg,sample", "treg,,sample", "samples.csv line 3: 9 cells"),
        ("treg,sample", "treg,smple", "samples.csv line 3: role"),
        (",W2,", ",W3,", "samples.csv line 3: visit: no visit named 'W3'"),
        ("S01,", "S07,", "samples.csv line 3: subject: no subject named 'S07'"),
    ],
)
def test_the_visit_of_a_row_with_a_problem_is_not_told_as_missing_as_well(study, rows, old, new, said):
    study.spoil_row("w2", old, new)
    assert [problem[: len(said)] for problem in study.problems()] == [said]
    spoilt = {**rows, "w2": rows["w2"].replace(old, new)}
    study.rows({name: row for name, row in spoilt.items() if name != "w4"})
    missing = [problem for problem in study.problems() if "no file for visit" in problem]
    expected = [f"samples.csv: {WHOSE}: no file for visit W4; add it to the sample list"]
    assert missing == ([] if new == ",W3," else expected)  # W3 may be W4 misspelt as well as W2


def test_a_visit_that_is_still_to_come_is_not_missing(study, rows):
    study.rows({name: row for name, row in rows.items() if name not in {"w2", "w4"}})
    text = (
        (study.folder / "study.yaml").read_text().replace("planned_day: 29, window_days: [26, 32]", "planned_day: 9999")
    )
    study.write("study.yaml", text)
    assert study.problems() == [f"samples.csv: {WHOSE}: no file for visit W2; add it to the sample list"]


def test_a_file_date_that_is_none_is_told(study):
    path = study.folder / "fcs" / "w2.fcs"
    path.write_bytes(path.read_bytes().replace(b"27-JAN-2025", b"99-FOO-2025"))
    assert any("$DATE: '99-FOO-2025' is no date" in one for one in study.problems())


def test_a_subject_without_any_file_is_not_entered_yet(study):
    assert not any("S02" in one for one in study.problems())


def test_a_panel_without_any_file_of_an_entered_subject_is_told_once(study):
    text = (
        (study.folder / "study.yaml")
        .read_text()
        .replace("strategy: treg}\n", "strategy: treg}\n  - {panel: nk, strategy: nk}\n")
    )
    study.write("study.yaml", text)
    assert study.problems() == [
        "samples.csv: subject S01, panel nk: no file at any visit; add its files to the sample list, or take the panel "
        "out of study.yaml"
    ]


def test_a_second_file_for_a_visit_is_told_with_the_first(study):
    study.spoil_row("w4", "W4", "W2")
    told = study.problems()
    assert (
        f"samples.csv line 4: {WHOSE}: a second file for visit W2, fcs/w4.fcs, after fcs/w2.fcs (line 3); keep one, or "
        "correct its visit, panel or role"
    ) in told
    assert f"samples.csv: {WHOSE}: no file for visit W4; add it" in "\n".join(told)


def test_controls_stand_for_no_visit(study, rows):
    study.rows(rows | {"fmo": rows["fmo"].replace("D-1", "W2")})
    assert not any("second file" in one for one in study.problems())


def test_collection_dates_out_of_the_visits_order_are_told(study):
    study.spoil_row("w4", "2025-02-10", "2025-01-20")
    told = study.problems()
    assert (
        "samples.csv line 4: collection_date: 2025-01-20 of visit W4 is before 2025-01-27 of visit W2 (line 3); "
        "correct the dates or the visits"
    ) in told


def test_a_collection_date_outside_the_visit_s_window_is_told_with_its_study_day(study):
    study.spoil_row("w2", "2025-01-27", "2025-02-03")
    assert any(
        one.startswith("samples.csv line 3: collection_date: 2025-02-03 is study day 22, outside visit W2 (12 to 18)")
        for one in study.problems()
    )


def test_file_dates_out_of_the_visits_order_are_told(study):
    study.fcs("w4", date="20-JAN-2025")
    told = [one.replace("\\", "/") for one in study.problems()]
    assert (
        "fcs/w4.fcs: $DATE: 2025-01-20 of visit W4 is before 2025-01-27 of visit W2 (w2.fcs); check that the file "
        "belongs to this visit"
    ) in told


def test_cells_measured_before_they_were_collected_are_told(study):
    study.fcs("w2", date="26-JAN-2025")
    assert [one.replace("\\", "/") for one in study.problems()] == [
        "fcs/w2.fcs: $DATE: measured 1 day before the collection_date 2025-01-27 (sample list line 3); correct the "
        "date or the file"
    ]


def test_a_file_measured_months_later_is_odd_in_a_study_of_fresh_blood(study):
    study.fcs("w4", date="10-JUN-2025")
    assert any("measured 120 days after the collection_date 2025-02-10" in one for one in study.problems())


def test_months_between_collection_and_measurement_are_normal_for_frozen_cells(study):
    for name in ("base", "w2", "w4", "fmo"):
        study.fcs(name, date="10-JUN-2025")
    assert study.problems() == []


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("13-JAN-2025", datetime.date(2025, 1, 13)),
        ("3-Feb-2025", datetime.date(2025, 2, 3)),
        ("2025-JAN-13", datetime.date(2025, 1, 13)),
        ("2025-01-13", datetime.date(2025, 1, 13)),
        ("13-JAN-25", datetime.date(2025, 1, 13)),
        ("13 January 2025", datetime.date(2025, 1, 13)),
        ("01/02/2025", None),
        ("31-FEB-2025", None),
        ("", None),
        ("13-XYZ-2025", None),
    ],
)
def test_a_file_s_date_is_read_where_it_has_one_meaning(text, date):
    assert fcs_date(text) == date
