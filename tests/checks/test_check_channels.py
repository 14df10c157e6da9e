def told(study):
    return [one.replace("\\", "/") for one in study.problems()]


def test_a_detector_of_the_panel_that_a_file_lacks_is_told(study):
    study.fcs("w2", without=["PE-A"])
    assert told(study)[0] == (
        "fcs/w2.fcs: $PnN: panel 'treg' needs the detectors PE-A (CD25); correct the panel's detectors, or the panel "
        "in the sample list"
    )


def test_a_missing_scatter_or_time_channel_is_told(study):
    study.fcs("w2", without=["FSC-H", "Time"])
    assert told(study) == ["fcs/w2.fcs: $PnN: the channels FSC-H, Time are missing; correct panel 'treg'"]


def test_another_marker_than_the_panel_s_is_told(study):
    study.fcs("w2", markers={"PE-A": "CXCR3"})
    assert told(study) == [
        "fcs/w2.fcs: $PnS: not panel 'treg': PE-A carries 'CXCR3' instead of 'CD25'; correct the sample list, or add "
        "the spelling to the panel's aliases"
    ]


def test_a_file_of_another_panel_of_the_study_is_recognised(study):
    from immunomon.specs.catalog import find_panel
    from immunomon.specs.panel import load_panel

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


def test_other_voltages_than_most_files_are_told_of_the_minority_with_both_values(study):
    study.fcs("w2", voltages={"PE-A": 500, "APC-A": 505})
    assert told(study) == [
        "fcs/w2.fcs: $PnV: voltages differ from most files of panel 'treg': PE-A 500 V where 4 have 465 V, APC-A 505 V "
        "where 4 have 431 V; intensities cannot be compared: check the cytometer's settings that day"
    ]


def test_files_without_voltages_are_not_compared(study):
    study.fcs("w2", **{f"p{number}v": None for number in range(1, 13)})
    assert study.problems() == []
