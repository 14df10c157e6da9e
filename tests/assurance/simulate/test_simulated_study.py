import csv
from datetime import date
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from immunomon.assurance.simulate import assessments
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.protocol import VISITS, Scenario, date_of_study_day, draw_patients

PANELS = Path(__file__).parents[3] / "panels"


def read_yaml(path):
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_tubes_carry_the_markers_of_the_shipped_panels(name):
    declared = read_yaml(PANELS / f"{name}.yaml")["markers"]
    by_fluorochrome = {entry["fluorochrome"]: entry for entry in declared}
    layout = LAYOUTS[name]
    assert {dye: layout.marker_on(dye) for dye in by_fluorochrome} == {
        d: e["marker"] for d, e in by_fluorochrome.items()
    }
    assert set(layout.fmo) == {entry["marker"] for entry in declared if entry["fmo"]}


def test_the_study_file_declares_the_trial(tiny_trial):
    study = read_yaml(tiny_trial / "study.yaml")
    assert study["schema"] == "immunomon.study/1"
    assert [group["cells_per_kg"] for group in study["dose_groups"]] == [0.5e6, 1.0e6, 2.0e6]
    assert [subject["id"] for subject in study["subjects"]] == ["S01", "S02", "S03"]
    assert [visit["label"] for visit in study["visits"]] == ["D-1", "W4"]
    assert [visit.get("baseline", False) for visit in study["visits"]] == [True, False]
    assert {entry["panel"] for entry in study["panels"]} == set(LAYOUTS)
    first = study["subjects"][0]["infusion_dates"]
    assert [(day - first[0]).days for day in first] == [0, 7, 14, 21]


def test_every_sample_was_collected_within_its_visits_window(tiny_trial):
    study = read_yaml(tiny_trial / "study.yaml")
    started = {subject["id"]: subject["infusion_dates"][0] for subject in study["subjects"]}
    window = {visit["label"]: visit["window_days"] for visit in study["visits"]}
    samples = [row for row in rows(tiny_trial / "samples.csv") if row["role"] == "sample"]
    assert len(samples) == 3 * 2 * 4
    for row in samples:
        days = (date.fromisoformat(row["collection_date"]) - started[row["subject"]]).days
        low, high = window[row["visit"]]
        assert low <= (days + 1 if days >= 0 else days) <= high
        assert 900 <= int(row["lymphocytes_per_ul"]) <= 2600


def test_controls_and_bridges_belong_to_no_patient_and_to_a_batch(tiny_trial):
    controls = [row for row in rows(tiny_trial / "samples.csv") if row["role"] != "sample"]
    assert all(row["subject"] == row["visit"] == row["lymphocytes_per_ul"] == "" for row in controls)
    bridged = {(row["batch"], row["panel"]) for row in controls if row["role"] == "bridge"}
    assert bridged == {(f"{group}-{visit}", panel) for group in "ABC" for visit in ("D-1", "W4") for panel in LAYOUTS}


def test_there_is_no_day_zero():
    first = date(2025, 3, 3)
    assert date_of_study_day(first, 1) == first
    assert (date_of_study_day(first, 1) - date_of_study_day(first, -1)).days == 1


def test_the_default_trial_has_the_patients_that_were_asked_for():
    for seed in range(20):
        patients = draw_patients(Scenario.MECHANISM, 3, seed=seed)
        assert [patient.group.name for patient in patients] == list("AAABBBCCC")
        assert sum(patient.sex == "F" for patient in patients) == 8
        assert sum(patient.flags["recent_rituximab"] for patient in patients) == 2
        assert all(p.flags["prior_rituximab"] for p in patients if p.flags["recent_rituximab"])
        responders = [sum(p.responder for p in patients if p.group.name == name) for name in "ABC"]
        assert responders[0] in (0, 1)
        assert responders[1] in (1, 2)
        assert responders[2] == 2


def platelet_response(counts):
    """IWG 2009: at least 30 and twice the baseline without bleeding, at two visits 7 days or more apart."""
    baseline = int(counts[0]["platelets_1e9_per_l"])
    days = [
        int(row["study_day"])
        for row in counts[1:]
        if int(row["platelets_1e9_per_l"]) >= max(30, 2 * baseline) and row["bleeding"] == "false"
    ]
    return len(days) > 1 and days[-1] - days[0] >= 7


def test_platelets_rise_in_responders_and_in_nobody_else():
    for seed in range(30):
        for patient in draw_patients(Scenario.MECHANISM, 3, seed=seed):
            assert platelet_response(assessments.platelet_rows(patient, seed)) == patient.responder


def test_cell_concentrations_are_measured_in_women_only_and_fall_below_quantification():
    for patient in draw_patients(Scenario.MECHANISM, 3, seed=1):
        measured = assessments.msc_rows(patient, 1)
        if patient.sex != "F":
            assert measured == []
            continue
        assert [float(row["planned_time_h"]) for row in measured] == [-0.5, 0.5, 1, 2, 4, 8, 16, 24, 48, 96]
        assert (measured[0]["below_quantification"], measured[0]["concentration_cells_per_ml"]) == ("true", "")
        assert float(measured[1]["concentration_cells_per_ml"]) > float(measured[1]["lloq"])
        assert measured[-1]["below_quantification"] == "true"


def test_adverse_events_have_grades_and_days_that_make_sense(tiny_trial):
    for seed in range(20):
        for row in assessments.adverse_event_rows(draw_patients(Scenario.NULL, 3, seed=seed), seed):
            assert 1 <= int(row["grade"]) <= 5
            assert 1 <= int(row["start_day"]) <= int(row["end_day"])
            assert (row["serious"] == "true") == (int(row["grade"]) >= 3)


def test_viruses_are_sought_at_screening_and_weeks_4_and_16(tiny_trial):
    found = {(row["visit"], row["virus"]) for row in rows(tiny_trial / "viruses.csv")}
    assert found == {
        (visit, virus) for visit in ("screening", "W4", "W16") for virus in ("HBV", "HCV", "HIV", "syphilis")
    }
    assert {visit.label for visit in VISITS} >= {"W4", "W16"}
