import csv

import numpy as np
import pytest

from immunomon.assurance.simulate.layouts import EXTRA_LAYOUTS
from immunomon.assurance.simulate.stimulation import CYTOKINE_SUBSETS, STIMULATED
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stimulation") / "trial"
    return simulate_trial(folder, events=4000, visits=["W4"], panels=[STIMULATED], subjects_per_group=1, jobs=1)


def truth(trial):
    with (trial / "truth/frequencies.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_stimulated_tube_has_an_unstimulated_twin(trial):
    with (trial / "samples.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["subject"]]
    roles = {(row["subject"], row["role"]) for row in rows}
    assert roles == {(f"S0{n}", role) for n in (1, 2, 3) for role in ("sample", "unstimulated")}


def test_cytokines_come_with_the_stimulus(trial):
    rows = [row for row in truth(trial) if row["population"] == "th1_ifng"]
    with_it = [float(row["percent_of_parent"]) for row in rows if "unstimulated" not in row["file"]]
    without = [float(row["percent_of_parent"]) for row in rows if "unstimulated" in row["file"]]
    assert min(with_it) > 5
    assert max(without) < 1


def test_the_truth_has_every_cytokine_subset(trial):
    assert set(CYTOKINE_SUBSETS) <= {row["population"] for row in truth(trial)}
    stored = np.load(trial / "truth" / f"S01_W4_unstimulated_{STIMULATED}.npz")
    assert set(CYTOKINE_SUBSETS) <= set(stored["names"].tolist())


def test_the_tube_carries_the_shipped_panel():
    layout, panel = EXTRA_LAYOUTS[STIMULATED], load_panel(find_panel(STIMULATED))
    assert layout.markers == tuple(marker.name for marker in panel.markers)
