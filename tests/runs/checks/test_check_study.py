import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.paths import check_paths
from immunomon.study.specs.catalog import shipped_panels


def test_a_study_without_mistakes_has_no_problems_and_says_what_was_read(study):
    report = check_paths([study.folder], methods=GATE_METHODS)
    assert report.problems == ()
    assert (report.specs, report.fcs_files) == (4, 5)


def test_a_study_is_checked_the_same_by_its_folder_its_file_and_its_sample_list(study):
    study.spoil_row("w2", "S01", "S0")
    told = study.problems()
    assert told
    assert study.problems(study.folder / "study.yaml") == told
    assert study.problems(study.folder / "samples.csv") == told
    assert study.problems(study.folder, study.folder / "samples.csv") == told


def test_mistakes_in_yaml_in_the_list_and_in_headers_are_told_at_once(study):
    study.write("panels/treg.yaml", "schema: immunomon.panel/1\n")
    study.spoil_row("w2", "2025-01-27", "27.01.2025")
    study.fcs("w4", spillover=None)
    told = "\n".join(study.problems())
    assert "panels/treg.yaml line 1: markers: is missing" in told.replace("\\", "/")
    assert "samples.csv line 3: collection_date: '27.01.2025' may be 2025-01-27; write it" in told
    assert "w4.fcs: $SPILLOVER: the file carries no spillover matrix" in told


def test_a_broken_study_file_does_not_hide_the_sample_list_s_mistakes(study):
    study.write("study.yaml", "schema: immunomon.study/1\nname: [1\n")
    study.spoil_row("w2", "sample", "smaple")
    told = study.problems()
    assert told[0].startswith("study.yaml line")
    assert "samples.csv line 3: role: no role named 'smaple'; did you mean 'sample'?" in told


def test_a_file_that_is_not_there_gets_the_nearest_name(study):
    study.spoil_row("w2", "fcs/w2.fcs", "fcs/W2.fcs")
    (study.folder / "fcs" / "base.fcs").unlink()
    assert study.problems() == [
        "samples.csv line 2: file: there is no file 'fcs/base.fcs'; correct the path, or take the row out until the "
        "file is there",
        "samples.csv line 3: file: there is no file 'fcs/W2.fcs'; did you mean 'w2.fcs'?",
    ]


def test_a_file_listed_twice_is_told_once(study):
    study.rows({"1": "fcs/base.fcs,S01,D-1,treg,sample,1,,", "2": "fcs/base.fcs,S01,D-1,treg,sample,1,,"})
    assert [one for one in study.problems() if "listed already" in one] == [
        "samples.csv line 3: file: 'fcs/base.fcs' is listed already, on line 2; remove one of the lines"
    ]
    assert not any("second file" in one for one in study.problems())


def test_equal_content_under_two_names_is_told_with_both(study):
    source, copy = study.folder / "fcs" / "base.fcs", study.folder / "fcs" / "w2.fcs"
    copy.write_bytes(source.read_bytes())
    assert any(
        one.startswith(
            "samples.csv line 3: file: 'fcs/w2.fcs' has the same content as 'fcs/base.fcs' (line 2); put the right file"
        )
        for one in study.problems()
    )


def test_an_fcs_file_that_is_broken_or_cut_off_says_so(study):
    (study.folder / "fcs" / "base.fcs").write_bytes(b"FCS3.1 and no more")
    whole = (study.folder / "fcs" / "w2.fcs").read_bytes()
    (study.folder / "fcs" / "w2.fcs").write_bytes(whole[: len(whole) - 600])
    told = [one.replace("\\", "/").split(":")[0] for one in study.problems()]
    assert told == ["fcs/base.fcs", "fcs/w2.fcs"]


def test_a_file_with_fewer_events_than_it_promises_says_how_many_bytes_it_lacks(study):
    path = study.folder / "fcs" / "w2.fcs"
    path.write_bytes(path.read_bytes().replace(b"tot/20/", b"tot/99/").replace(b"TOT/20/", b"TOT/99/"))
    assert [one.replace("\\", "/") for one in study.problems()] == [
        "fcs/w2.fcs: cut off: 99 events need 4752 bytes of data, it has 960; copy it again from the cytometer"
    ]


def test_a_strategy_whose_markers_the_panel_has_not_is_told(study):
    study.write("study.yaml", (study.folder / "study.yaml").read_text().replace("strategy: treg", "strategy: nk"))
    assert any("nk.yaml" in one and "panel 'treg' has no " in one for one in study.problems())


def test_what_a_panel_lacks_the_markers_for_is_a_warning_that_names_marker_and_populations(study):
    lines = shipped_panels()["treg"].read_text(encoding="utf-8").replace("name: treg", "name: flow7").splitlines()
    study.write("panels/flow7.yaml", "\n".join(line for line in lines if "marker: CCR4" not in line))
    text = (study.folder / "study.yaml").read_text().replace("panel: treg", "panel: flow7")
    study.write("study.yaml", text)
    report = check_paths([study.folder], methods=GATE_METHODS)
    assert [line.partition(": ")[2] for line in report.warnings] == [
        "panel 'flow7' has no CCR4: strategy 'treg' leaves out treg_memory"
    ]


def test_limits_for_a_population_that_no_strategy_has_are_told(study):
    text = (study.folder / "study.yaml").read_text().replace("{treg: {", "{tregs: {")
    study.write("study.yaml", text)
    assert study.problems() == [
        "study.yaml line 14: reportability.populations: no population named 'tregs' in the strategies in use; "
        "remove it, or correct it: did you mean 'treg'?"
    ]


def test_a_study_file_with_a_mistake_does_not_hide_what_is_wrong_with_the_files(study):
    text = (study.folder / "study.yaml").read_text().replace("dose_groups:", "dose_groop:")
    study.write("study.yaml", text)
    (study.folder / "fcs" / "w2.fcs").unlink()
    told = study.problems()
    assert any("did you mean 'dose_groups'" in one for one in told)
    assert any("there is no file 'fcs/w2.fcs'" in one for one in told)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FITC-A,PE-A\n1,1\n1,1\n", "compensation.path: the spillover matrix has no inverse"),
        ("FITC-A,QQ-A\n1,0\n0,1\n", "compensation.path: the matrix has the detector 'QQ-A', which base.fcs lacks"),
    ],
)
def test_a_matrix_that_cannot_compensate_is_told_before_the_run(study, text, message):
    study.write("matrix.csv", text)
    old = (study.folder / "study.yaml").read_text()
    study.write("study.yaml", old + "compensation: {source: matrix, path: matrix.csv}\n")
    assert any(message in one for one in study.problems())


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("fmo", "fmo:CD25", "fmo:CD52", "line 5: role: panel 'treg' has no marker 'CD52'; did you mean 'CD25'?"),
        (
            "pe",
            "single-stain:PE",
            "single-stain:PEE",
            "line 6: role: panel 'treg' has no fluorochrome 'PEE'; did you mean",
        ),
        (
            "w2",
            ",1600",
            ",1.6",
            "line 3: lymphocytes_per_ul: 1.6 lymphocytes per microlitre is hardly possible; in 10^9/L it",
        ),
        (
            "w2",
            ",1600",
            ",1.6e6",
            "line 3: lymphocytes_per_ul: 1.6e+06 lymphocytes per microlitre is hardly possible; in cells per mL it",
        ),
        (
            "fmo",
            "2025-01-12,",
            "2025-01-12,900",
            "line 5: lymphocytes_per_ul: 900, but 1500 on line 2 for the same blood",
        ),
    ],
)
def test_what_a_row_says_that_cannot_be_is_told(study, name, old, new, expected):
    study.spoil_row(name, old, new)
    assert [one for one in study.problems() if one.startswith(f"samples.csv {expected}")], study.problems()


def test_detectors_that_the_matrix_lacks_are_noted(study):
    study.write("matrix.csv", ",FITC-A,PE-A\nPE,10,100\nFITC,100,20\n")
    old = (study.folder / "study.yaml").read_text()
    study.write("study.yaml", old + "compensation: {source: matrix, path: matrix.csv}\n")
    notes = [note for note in check_paths([study.folder], methods={}).notes if "not compensated" in note]
    assert len(notes) == 1
    assert notes[0].startswith("panel treg: the matrix of base.fcs")
    assert "FITC-A" not in notes[0]


def test_two_matrices_of_a_file_are_noted_unless_the_study_has_one_of_its_own(study):
    study.fcs("w4", spill="2,FITC-A,PE-A,1,0.5,0,1")
    notes = [note for note in check_paths([study.folder], methods={}).notes if "hold different" in note]
    assert [note.rpartition("w4.fcs: ")[2].partition(" hold")[0] for note in notes] == ["$SPILLOVER and SPILL"]
    study.write("study.yaml", (study.folder / "study.yaml").read_text() + "compensation: {source: none}\n")
    assert not [note for note in check_paths([study.folder], methods={}).notes if "hold different" in note]


def test_a_volume_in_another_unit_is_told(study):
    head, first = (study.folder / "samples.csv").read_text().splitlines()[:2]
    cells = dict(zip(head.split(","), first.split(","), strict=True))
    cells |= {"beads_counted": "800", "beads_added": "900", "sample_volume_ul": "0.1"}
    study.write("samples.csv", "\n".join([",".join(cells), ",".join(cells.values())]) + "\n")
    told = "sample_volume_ul: 0.1 microlitres of blood is hardly possible; in mL it would be 100; give microlitres"
    assert any(told in problem for problem in study.problems())


def test_more_beads_counted_than_added_are_told(study):
    head, first = (study.folder / "samples.csv").read_text().splitlines()[:2]
    cells = dict(zip(head.split(","), first.split(","), strict=True))
    cells |= {"beads_counted": "50000", "beads_added": "900", "sample_volume_ul": "100"}
    study.write("samples.csv", "\n".join([",".join(cells), ",".join(cells.values())]) + "\n")
    assert any("beads_counted: 50000 beads were counted, but only 900 added" in told for told in study.problems())


def test_a_visit_that_the_study_lacks_or_that_is_in_anothers_window_is_told(study):
    head = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy"
    study.write("platelets.csv", f"{head}\nS01,W99,29,,9,,\n")
    told = "platelets.csv line 2: visit: W99 is day 694, but the row says day 29; correct the visit or the day"
    assert told in study.problems()
    study.write("platelets.csv", f"{head}\nS01,W04,29,,9,,\nS01,follow-up,,,9,,\n")
    told = [problem.partition("visit: ")[2] for problem in study.problems() if "platelets.csv" in problem]
    assert told[0].startswith("no visit named 'W04'; did you mean 'W4'?")
    assert told[1].startswith("no visit named 'follow-up'; known are")
    study.write("platelets.csv", f"{head}\nS01,W2,29,,9,,\nS01,W4,40,,9,,\n")
    told = [problem for problem in study.problems() if "platelets.csv" in problem]
    assert told == ["platelets.csv line 2: visit: W2, but day 29 is in the window of W4; correct the visit or the day"]


def test_a_matrix_whose_rows_stand_in_another_order_is_no_problem(study):
    study.write("matrix.csv", ",FITC-A,PE-A\nPE,10,100\nFITC,100,20\n")
    old = (study.folder / "study.yaml").read_text()
    study.write("study.yaml", old + "compensation: {source: matrix, path: matrix.csv}\n")
    assert study.problems() == []


def test_a_matrix_that_cannot_be_read_is_told(study):
    study.write("matrix.csv", ",PE-A\nPE,one\n")
    text = (study.folder / "study.yaml").read_text() + "compensation: {source: matrix, path: matrix.csv}\n"
    study.write("study.yaml", text)
    told = study.problems()
    assert len(told) == 1
    assert told[0].startswith("study.yaml: compensation.path: matrix.csv line 2, row 'PE', column 'PE-A': 'one' is")


def test_files_that_are_compensated_already_need_no_matrix(study):
    study.fcs("w4", spillover=None)
    study.write("study.yaml", (study.folder / "study.yaml").read_text() + "compensation: {source: none}\n")
    assert study.problems() == []


def test_a_spillover_keyword_that_makes_no_sense_is_told(study):
    study.fcs("w4", spillover="2,PE-A,V450-A,1,0")
    assert [one.replace("\\", "/").split(";")[0] for one in study.problems()] == [
        "fcs/w4.fcs: $SPILLOVER: keyword $SPILLOVER promises a 2 x 2 matrix, which takes 7 fields"
    ]


@pytest.mark.parametrize(
    ("visit", "day", "is_right"),
    [
        ("W3", "", True),
        ("W3", "22", True),
        ("W3", "90", False),
        ("day 20", "20", True),
        ("day 20", "", False),
        ("w 4", "29", False),
    ],
)
def test_assessments_have_visits_of_their_own_but_no_misspelt_ones(study, visit, day, is_right):
    head = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy"
    study.write("platelets.csv", f"{head}\nS01,{visit},{day},,9,,\n")
    told = [problem for problem in study.problems() if "platelets.csv" in problem]
    assert (told == []) == is_right
