import csv
import hashlib
from pathlib import Path

import pytest

from immunomon.api.simulating import simulate
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.errors import FolderNotEmpty, UnknownName

TINY = {"events": 300, "visits": ["D-1", "W4"], "subjects_per_group": 1, "panels": ["nk", "thelper"]}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_jobs(tmp_path):
    one = simulate_trial(tmp_path / "one", seed=5, jobs=1, **TINY)
    three = simulate_trial(tmp_path / "three", seed=5, jobs=3, **TINY)
    assert digests(one) == digests(three)


def test_another_seed_gives_other_cells_in_every_file(tmp_path):
    one = digests(simulate_trial(tmp_path / "one", seed=5, **TINY))
    other = digests(simulate_trial(tmp_path / "other", seed=6, **TINY))
    fcs = [name for name in one if name.endswith(".fcs")]
    assert fcs
    assert all(one[name] != other[name] for name in fcs)


def test_a_file_does_not_depend_on_what_else_is_simulated(tmp_path):
    both = digests(simulate_trial(tmp_path / "both", seed=5, **TINY))
    alone = digests(simulate_trial(tmp_path / "alone", seed=5, **{**TINY, "panels": ["thelper"]}))
    assert alone["truth/S01_W4_thelper.npz"] == both["truth/S01_W4_thelper.npz"]


def test_scenarios_share_patients_and_baseline_cells(tmp_path):
    null = digests(simulate_trial(tmp_path / "null", scenario=Scenario.NULL, seed=5, **TINY))
    mechanism = digests(simulate_trial(tmp_path / "mechanism", scenario=Scenario.MECHANISM, seed=5, **TINY))
    same = {name for name in null if null[name] == mechanism[name]}
    assert "fcs/thelper/S03_D-1_thelper.fcs" in same
    assert "fcs/thelper/S03_W4_thelper.fcs" not in same
    assert "platelets.csv" in same


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderNotEmpty, match="choose a new or empty folder"):
        simulate_trial(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_whose_manifest_is_not_a_simulations_is_refused(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "simulation.json").write_text('{"schema": "other/1", "files": []}', encoding="utf-8")
    with pytest.raises(FolderNotEmpty):
        simulate_trial(tmp_path, **TINY)


def test_an_earlier_simulation_is_replaced_and_what_lies_beside_it_stays(tmp_path):
    folder = simulate_trial(tmp_path / "trial", seed=5, **TINY)
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text("{}", encoding="utf-8")
    simulate_trial(folder, seed=6, **{**TINY, "panels": ["nk"]})
    assert not list((folder / "fcs" / "thelper").glob("*"))
    assert (folder / "run" / "run.json").exists()
    fresh = digests(simulate_trial(tmp_path / "fresh", seed=6, **{**TINY, "panels": ["nk"]}))
    again = digests(folder)
    assert {name: again[name] for name in fresh} == fresh


def test_a_manifest_cannot_have_files_outside_the_folder_removed(tmp_path):
    folder = simulate_trial(tmp_path / "trial", seed=5, **TINY)
    outside = tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    manifest = folder / "truth" / "simulation.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"files": [', '"files": ["../outside.txt",'), encoding="utf-8")
    simulate_trial(folder, seed=5, **TINY)
    assert outside.exists()


def test_progress_counts_every_file_once(tmp_path):
    seen: list[tuple[int, int]] = []
    folder = simulate_trial(tmp_path / "trial", progress=lambda done, of: seen.append((done, of)), **TINY)
    files = len(list(folder.rglob("*.fcs")))
    assert seen == [(done, files) for done in range(1, files + 1)]


def test_unknown_visits_and_panels_are_named_with_the_nearest_known_one(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'W28'"):
        simulate_trial(tmp_path / "a", visits=["W288"])
    with pytest.raises(UnknownName, match="did you mean 'treg'"):
        simulate_trial(tmp_path / "b", panels=["tregs"])


@pytest.mark.parametrize("nothing", [{"events": 0}, {"subjects_per_group": 0}, {"visits": []}, {"panels": []}])
def test_a_trial_without_anything_in_it_is_refused(tmp_path, nothing):
    with pytest.raises(ValueError, match="at least one"):
        simulate_trial(tmp_path / "trial", **nothing)


def test_the_command_writes_nine_patients_at_seven_visits_in_four_panels(tmp_path):
    simulate(tmp_path / "trial", "responders", events=60, seed=2, jobs=2)
    with (tmp_path / "trial" / "samples.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all((tmp_path / "trial" / row["file"]).is_file() for row in rows)
    roles = [row["role"].partition(":")[0] for row in rows]
    assert {role: roles.count(role) for role in set(roles)} == {
        "sample": 9 * 7 * 4,
        "bridge": 21 * 4,
        "fmo": 21 * (4 + 2 + 4),
        "single-stain": 4 * 8,
        "unstained": 4,
    }
