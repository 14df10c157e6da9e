"""What ``immunomon check`` says of the channels, marker names and voltages of a study's files."""

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.paths import check_paths
from immunomon.study.specs.catalog import find_panel

ROWS_OF_STUDY = ("base", "w2", "w4", "fmo", "pe")


def told(study):
    return [one.replace("\\", "/") for one in study.problems()]


def test_a_detector_of_the_panel_that_a_file_lacks_is_told(study):
    study.fcs("w2", without=["PE-A"])
    assert told(study)[0] == (
        "fcs/w2.fcs: $PnN: panel 'treg' needs the detectors PE-A (CD25); this is so in one file of 5 of the panel: "
        "look whether it is the right tube, correct the panel in the sample list, or correct the panel's detectors"
    )


def test_a_missing_scatter_or_time_channel_is_told(study):
    study.fcs("w2", without=["FSC-H", "Time"])
    assert told(study) == [
        "fcs/w2.fcs: $PnN: the channels FSC-H, Time are missing; this is so in one file of 5 of the panel: look "
        "whether it is the right tube, correct the panel in the sample list, or correct panel 'treg'"
    ]


def test_another_marker_than_the_panel_s_is_told(study):
    study.fcs("w2", markers={"PE-A": "CXCR3"})
    assert told(study) == [
        "fcs/w2.fcs: $PnS: not panel 'treg': PE-A carries 'CXCR3' instead of 'CD25'; this is so in one file of 5 of "
        "the panel: look whether it is the right tube, correct the panel in the sample list, or correct the panel or "
        "its markers' aliases"
    ]


def test_a_file_of_another_panel_of_the_study_is_recognised(study):
    from immunomon.study.specs.catalog import find_panel
    from immunomon.study.specs.panel import load_panel

    text = (study.folder / "study.yaml").read_text()
    study.write("study.yaml", text.replace("strategy: treg}\n", "strategy: treg}\n  - {panel: nk, strategy: nk}\n"))
    study.fcs("w2", markers={marker.detector: marker.name for marker in load_panel(find_panel("nk")).markers})
    assert any(one.endswith("its markers are those of panel 'nk': correct the sample list") for one in told(study))


def test_spellings_aliases_and_names_with_the_dye_are_the_panel_s_marker(study):
    study.fcs("w2", markers={"PE-A": "cd25 PE", "V500-A": "HLA DR", "APC-A": "IL7RA", "V450-A": "V450 CD3"})
    assert study.problems() == []


def test_a_stained_detector_that_the_panel_does_not_use_is_told(study):
    study.fcs("w2", markers={"BV605-A": "CD8"})
    assert "fcs/w2.fcs: $PnS: not panel 'treg': BV605-A carries 'CD8', but the panel does not use it" in told(study)[0]


def test_a_channel_that_the_panel_s_other_files_do_not_have_is_told_of_the_minority(study):
    study.fcs("w2", markers={"BV605-A": ""})
    assert told(study) == [
        "fcs/w2.fcs: $PnN: channels differ from 4 files of panel 'treg': it has BV605-A besides; check that it was "
        "recorded with the same settings"
    ]


def test_a_blank_marker_name_where_other_files_have_one_is_told(study):
    study.fcs("w2", markers={"PE-A": ""})
    assert told(study) == [
        "fcs/w2.fcs: $PnS: marker names differ from most files of panel 'treg': PE-A is blank, 3 files have CD25; "
        "check that it is the right tube"
    ]


def test_blank_names_in_all_files_contradict_nothing(study):
    for name in ("base", "w2", "w4", "fmo"):
        study.fcs(name, markers={"PE-A": ""})
    assert study.problems() == []


def test_a_fluorescence_minus_one_tube_may_leave_its_marker_blank(study):
    study.fcs("fmo", markers={"PE-A": ""})
    assert study.problems() == []


def test_what_single_stains_carry_is_their_own_affair(study):
    study.fcs("pe", markers={"PE-A": "CD8", "APC-A": ""})
    assert study.problems() == []


def one_batch(study, rows):
    return study.rows(
        {name: row.replace(",2,2025", ",1,2025").replace(",3,2025", ",1,2025") for name, row in rows.items()}
    )


def test_other_voltages_than_most_files_of_the_batch_are_told_of_the_minority_with_both_values(study, rows):
    one_batch(study, rows)
    study.fcs("w2", voltages={"PE-A": 500, "APC-A": 505})
    assert told(study) == [
        "fcs/w2.fcs: $PnV: voltages differ from most files of batch '1' of panel 'treg': PE-A 500 V where 4 have 465 "
        "V, APC-A 505 V where 4 have 431 V; intensities cannot be compared: check the cytometer's settings that day, "
        "or accept it in study.yaml with a reason (accept:)"
    ]


def notes(study):
    return check_paths([study.folder], methods=GATE_METHODS).notes


def test_voltages_of_another_batch_are_no_problem_but_said(study):
    study.fcs("w2", voltages={"PE-A": 500, "APC-A": 505})
    assert study.problems() == []
    between = "voltages of panel 'treg' differ between batches (PE-A 465 and 500 V, APC-A 431 and 505 V)"
    assert [note for note in notes(study) if note.startswith(between)]


def test_voltages_of_channels_that_the_panel_does_not_name_are_not_compared(study, rows):
    one_batch(study, rows)
    for name in ROWS_OF_STUDY:
        study.fcs(name, markers={"BV605-A": ""}, voltages={"BV605-A": 300 if name == "w2" else 400})
    assert study.problems() == []


def test_of_voltages_without_a_majority_none_is_odd_and_that_is_said(study, rows):
    one_batch(study, rows)
    for place, name in enumerate(ROWS_OF_STUDY):
        study.fcs(name, voltages={"PE-A": 460 + place})
    assert study.problems() == []
    assert any("none is that of most files: PE-A 460 to 464 V" in note for note in notes(study))


def test_thirty_files_of_a_cytometer_that_is_set_daily_pass(study):
    rows = {}
    for number in range(30):
        name = f"day{number}"
        rows[name] = f"fcs/{name}.fcs,,,treg,fmo:CD25,,,"
        study.fcs(name, voltages={"PE-A": 450 + number, "APC-A": 430 - number}, date=f"{number % 28 + 1:02d}-JAN-2025")
    study.rows(rows)
    assert study.problems() == []


def test_a_difference_that_the_study_accepts_is_a_note_with_its_reason(study, rows):
    one_batch(study, rows)
    study.fcs("w2", voltages={"PE-A": 500})
    text = (study.folder / "study.yaml").read_text()
    study.write(
        "study.yaml", f"{text}accept:\n  - {{difference: voltages, batch: '1', reason: set daily with beads}}\n"
    )
    assert study.problems() == []
    assert any("PE-A 500 V where 4 have 465 V; accepted: set daily with beads" in note for note in notes(study))
    study.write(
        "study.yaml", f"{text}accept:\n  - {{difference: voltages, batch: '2', reason: set daily with beads}}\n"
    )
    assert len(study.problems()) == 1
    assert any("accept[0]: nothing was found that it would accept" in note for note in notes(study))


def test_a_difference_is_accepted_for_a_reason_only(study):
    text = (study.folder / "study.yaml").read_text()
    study.write("study.yaml", f"{text}accept:\n  - {{difference: voltages}}\n")
    assert any("accept[0].reason" in problem for problem in study.problems())


def test_a_name_that_differs_only_in_case_is_the_panel_s_channel_and_that_is_said(study):
    study.fcs("w2", renamed={"FSC-H": "fsc-h", "PE-A": "pe-a"})
    assert study.problems() == []
    assert "panel 'treg': the channel pe-a is the panel's PE-A, from which it differs only in case (one file of 5)" in (
        notes(study)
    )


def test_a_name_that_could_be_two_channels_but_for_case_is_not_guessed(study):
    study.fcs("w2", renamed={"FSC-H": "fsc-h", "SSC-A": "Fsc-H"})
    assert "FSC-H may be fsc-h (P2) or Fsc-H (P3): list the right one in the panel's aliases" in told(study)[0]


def test_a_channel_of_nearly_the_name_is_proposed_as_an_alias_and_an_alias_of_the_panel_is_taken(study):
    for name in ROWS_OF_STUDY:
        study.fcs(name, renamed={"SSC-A": "SSC1-A"})
    assert told(study)[0] == (
        "fcs/base.fcs: $PnN: the channels SSC-A are missing, as in 4 other files (w2.fcs, w4.fcs, fmo.fcs and 1 more); "
        "if SSC1-A is SSC-A, list it in the panel: 'aliases: {SSC-A: [SSC1-A]}'"
    )
    text = find_panel("treg").read_text(encoding="utf-8")
    study.write("panels/treg.yaml", f"{text}aliases:\n  SSC-A: [SSC2-A, SSC1-A]\n")
    assert study.problems() == []
    said = "panel 'treg': the channel SSC1-A is the panel's SSC-A, by an alias that the panel lists (5 files)"
    assert said in notes(study)


def test_swapped_markers_are_said_to_be_swapped(study):
    for name in ROWS_OF_STUDY:
        study.fcs(name, markers={"PE-A": "CD127", "APC-A": "CD25"})
    assert told(study)[0].endswith(
        "; the markers of PE-A and APC-A are swapped, in 4 files of 5: correct the panel, or the names in the file"
    )


def test_what_all_files_lack_is_the_panel_s_fault(study):
    for name in ROWS_OF_STUDY:
        study.fcs(name, without=["PE-A"])
    (line,) = [line for line in told(study) if "needs the detectors" in line]
    assert line.endswith("this is so in all 5 files of the panel: correct the panel's detectors")
    assert "PE-A (CD25), as in 4 other files (" in line
    assert line.partition("fcs/")[2].partition(":")[0] not in line.partition("other files (")[2]


def test_an_export_of_compensated_channels_is_told_with_its_remedy(study):
    study.fcs("w2", renamed={marker.detector: f"FJComp-{marker.detector}" for marker in study.panel.markers})
    assert "its channels are compensated already (FJComp-" in told(study)[0]
    assert "correct the panel" not in told(study)[0]


def test_files_without_voltages_are_not_compared(study):
    study.fcs("w2", **{f"p{number}v": None for number in range(1, 13)})
    assert study.problems() == []
