"""What the notebooks read of a study: its subjects, and its files of other assessments."""

import pandas as pd
import pytest
from support.small_run import shared_run

import immunomon as im
from immunomon.errors import UnknownName


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> im.StudyRun:
    return im.open_run(shared_run(tmp_path_factory, events=9000))


def test_subjects_are_those_of_the_study_with_their_planned_infusions(run):
    subjects = run.subjects.set_index("subject")
    declared = {subject["id"]: subject["dose_group"] for subject in run.study["subjects"]}
    assert subjects["dose_group"].to_dict() == declared
    assert list(subjects["dose_group"].cat.categories) == [group["name"] for group in run.study["dose_groups"]]
    assert subjects["infusion_days"].to_dict() == dict.fromkeys(declared, [1, 8, 15, 22])


def test_a_file_of_other_assessments_is_the_file_as_it_is_read(run):
    table = run.assessment("msc_concentration")
    raw = pd.read_csv(run.study_folder / "msc_concentration.csv")
    assert list(table["subject"]) == list(raw["subject"])
    known = raw["concentration_cells_per_ml"].notna()
    assert list(table["concentration_cells_per_ml"][known]) == list(raw["concentration_cells_per_ml"][known])
    assert "line" not in table.columns
    with pytest.raises(UnknownName, match="no assessment 'platelet'; did you mean 'platelets'"):
        run.assessment("platelet")
