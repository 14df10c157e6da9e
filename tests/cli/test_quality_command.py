import numpy as np
import pytest

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.formats.write_fcs import write_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.runs.run import run_study
from immunomon.study.model.channels import Channel

CHANNELS = (Channel("FSC-A"), Channel("PE-A", "CD25"), Channel("Time"))


def fcs(path, *, events=4000, spoiled=0):
    rng = np.random.default_rng(2)
    values = np.column_stack(
        [60_000 + 5000 * rng.standard_normal(events), rng.lognormal(6, 1, events), np.arange(events) // 5]
    )
    values[:spoiled, 1] *= 4
    write_fcs(path, EventTable(values.astype(np.float32), CHANNELS), {})
    return path


@pytest.fixture
def files(tmp_path):
    return (
        fcs(tmp_path / "good.fcs"),
        fcs(tmp_path / "meagre.fcs", spoiled=300),
        fcs(tmp_path / "bad.fcs", spoiled=1500),
    )


def test_good_files_end_with_0_though_one_has_a_warning(command, files):
    status, out, _ = command("quality", *files[:2])
    assert status == 0
    lines = out.splitlines()
    assert "pass" in lines[1]
    assert "step of CD25 in events 0 to 300" in lines[2]
    assert lines[-1] == "1 pass; 1 warn"


def test_a_failed_acquisition_ends_with_1(command, files):
    status, out, _ = command("quality", *files)
    assert status == 1
    assert out.splitlines()[-1] == "1 pass; 1 warn; 1 fail"


def test_a_file_that_cannot_be_read_is_said_and_costs_no_other(command, files, tmp_path):
    broken = tmp_path / "broken.fcs"
    broken.write_bytes(b"nothing")
    status, out, err = command("quality", broken, files[0])
    assert status == 1
    assert "1 pass" in out
    assert "broken.fcs: it is not an FCS file" in err.replace("\n", " ")


def test_every_check_is_printed_on_demand_and_pictures_are_drawn(command, files, tmp_path):
    status, out, _ = command("quality", files[1], "--checks", "--pictures", tmp_path / "pictures")
    assert status == 0
    assert "signal CD25" in out
    assert "(limit 0.08)" in out
    assert [path.suffix for path in (tmp_path / "pictures").iterdir()] == [".png"]


def test_a_run_says_the_same_of_its_samples_as_its_table(command, tmp_path):
    study = simulate_trial(
        tmp_path / "trial", events=2500, visits=["D-1"], subjects_per_group=1, panels=["treg"], seed=8
    )
    run_study(study, study / "run", jobs=2)
    status, out, _ = command("quality", study / "run")
    assert status == 0
    assert out.splitlines()[-1] == "3 pass; 3 cannot be judged"  # bridges are short: fewer than 2000 events
    assert len(out.splitlines()) == 8


def test_a_folder_that_is_no_run_is_refused(command, tmp_path, files):
    assert command("quality", tmp_path)[0] == 1
    status, _, err = command("quality", tmp_path, files[0])
    assert status == 1
    assert "name FCS files, or one run folder" in err


def test_the_thresholds_of_a_study_hold_for_files(command, files, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "schema: immunomon.study/1\nname: small\ndose_groups: [{name: A, cells_per_kg: 1.0e+6}]\n"
        "visits: [{label: D-1, planned_day: -1, baseline: true}]\npanels: [{panel: treg, strategy: treg}]\n"
        "quality: {min_events: 5000}\n",
        encoding="utf-8",
    )
    status, out, _ = command("quality", files[0], "--study", study)
    assert status == 1
    assert "too few events: 4000, 5000 are needed" in out
