import csv

import numpy as np
import pytest

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.trial import simulate_trial

ASKED = {"events": 4000, "visits": ["D-1", "W4"], "panels": ["treg"], "seed": 1, "jobs": 2}


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    root = tmp_path_factory.mktemp("novel")
    return {name: simulate_trial(root / name, scenario=Scenario(name), **ASKED) for name in ("mechanism", "novel")}


def share_of_novel(trial, subject, visit):
    with np.load(trial / "truth" / f"{subject}_{visit}_treg.npz") as truth:
        names = truth["names"].tolist()
        masks = np.unpackbits(truth["masks"], axis=1)[:, : int(truth["n"])]
    return masks[names.index("novel")].sum() / masks[names.index("lymphocytes")].sum()


def test_novel_cells_are_there_in_responders_from_week_4_and_in_nobody_else(trials):
    with (trials["novel"] / "truth" / "subjects.csv").open(encoding="utf-8") as file:
        responds = {row["subject"]: row["responder"] == "true" for row in csv.DictReader(file)}
    assert any(responds.values())
    for subject, responder in responds.items():
        assert share_of_novel(trials["novel"], subject, "D-1") == 0
        share = share_of_novel(trials["novel"], subject, "W4")
        assert 0.001 < share < 0.012 if responder else share == 0


def test_without_novel_cells_a_file_is_that_of_the_trial_without_them_down_to_the_frequencies(trials):
    for subject in ("S01", "S09"):
        with np.load(trials["novel"] / "truth" / f"{subject}_D-1_treg.npz") as novel:
            masks = np.unpackbits(novel["masks"], axis=1)[:, : int(novel["n"])]
            kept = [place for place, name in enumerate(novel["names"].tolist()) if name != "novel"]
        with np.load(trials["mechanism"] / "truth" / f"{subject}_D-1_treg.npz") as known:
            before = np.unpackbits(known["masks"], axis=1)[:, : int(known["n"])]
            assert "novel" not in known["names"].tolist()
        assert (masks[kept] == before).all()
