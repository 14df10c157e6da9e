import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation import placement
from immunomon.assurance.validation.placement import measure_trial
from immunomon.assurance.validation.placement_text import judge_placement, steadiness, text_of
from immunomon.assurance.validation.sections import Settings
from immunomon.assurance.validation.trials import MADE_BY, Design, make_trial


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    design = Design(events=6000, seed=3, subjects_per_group=1, visits=("D-1", "W4"), panels=("treg",))
    folder = tmp_path_factory.mktemp("placement") / "trial"
    trial = make_trial(Scenario.MECHANISM, folder, design=design, jobs=2, progress=lambda *_: None)
    return measure_trial(trial, seed=3, jobs=2)


def test_every_patients_file_is_measured_once_for_each_population(measured):
    rows = measured.populations
    assert not rows.duplicated(["file", "population"]).any()
    assert rows["file"].nunique() == 6
    assert rows["f1"].between(0, 1).all()
    assert rows.loc[rows["population"] == "cd4", "f1"].median() > 0.95


def test_fixed_gates_are_those_of_the_first_baseline_so_that_there_they_are_the_runs_own(measured):
    rows = measured.populations
    first = rows[(rows["file"] == rows["file"].iloc[0]) & (rows["visit"] == "D-1")]
    np.testing.assert_allclose(first["f1"], first["fixed_f1"])
    others = rows[rows["file"] != rows["file"].iloc[0]]
    assert not np.allclose(others["f1"], others["fixed_f1"])


def test_no_gate_does_better_than_the_best_borders_of_somebody_who_knows_the_truth(measured):
    rows = measured.populations.dropna(subset=["best_f1"])
    assert {"live", "t_cells", "cd4", "treg", "treg_memory"} <= set(rows["population"])
    assert (rows["f1"] <= rows["best_f1"] + 0.005).all()  # of two thresholds at once the grid is coarse
    assert measured.populations.loc[measured.populations["population"] == "lymphocytes", "best_f1"].isna().all()


def test_borders_of_quadrants_and_tilted_ones_are_followed_too(measured):
    axes = set(zip(measured.thresholds["population"], measured.thresholds["axis"], strict=True))
    assert {("cd4", "CD4"), ("treg", "CD25 against CD127")} <= axes
    assert (measured.thresholds["placed"] - measured.thresholds["true"]).abs().max() < 0.25


def test_what_was_measured_is_used_again_until_something_it_rests_on_is_changed(measured, tmp_path, monkeypatch):
    made = []

    def instead(scenario, folder, design, **_):
        assert design.panels == ("treg",)
        made.append(scenario)
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        (folder / MADE_BY).write_text("{}")

    monkeypatch.setattr(placement, "make_trial", instead)
    monkeypatch.setattr(placement, "measure_trial", lambda *_, **__: measured)
    settings = Settings(6000, 3, tmp_path, 1, seeds=1, panels=("treg",))
    first, again = placement.section(settings), placement.section(settings)
    assert first.text == again.text
    assert "--seeds 1 --panels treg` on" in first.text
    assert made == list(placement.SCENARIOS)
    assert not list(tmp_path.rglob(MADE_BY))
    monkeypatch.setattr(placement, "code_digest", lambda: "other")
    placement.section(settings)
    assert len(made) == 2 * len(placement.SCENARIOS)


def test_the_seeds_that_nothing_was_chosen_on_are_judged_apart(measured):
    both = pd.concat([measured.populations.assign(seed=1), measured.populations.assign(seed=4)])
    found = text_of(both, measured.thresholds, Settings(6000, 1, None, 1), seconds=1.0)
    assert "which nothing was chosen on (4)" in found.text
    assert (
        "nothing was chosen on"
        not in text_of(both[both["seed"] == 4], measured.thresholds, Settings(6000, 4, None, 1), seconds=1.0).text
    )


def test_thresholds_stand_beside_where_the_true_cells_would_have_them(measured):
    cd4 = measured.thresholds[measured.thresholds["population"] == "cd4"]
    assert len(cd4) == 6
    assert (cd4["placed"] - cd4["true"]).abs().max() < 0.1


def test_what_misses_a_target_is_said_with_its_figures_and_fails_the_section(measured):
    settings = Settings(6000, 3, None, 1)
    spoiled = measured.populations.copy()
    spoiled.loc[spoiled["population"] == "cd4", "f1"] = 0.5
    found = text_of(spoiled, measured.thresholds, settings, seconds=1.0)
    assert not found.met
    assert "not met (F1): cd4 (treg): F1 0.500" in found.text
    assert all(row.misses == ("F1",) for row in judge_placement(spoiled) if row.population == "cd4")


def test_the_bias_of_a_change_is_the_gated_change_less_the_true_one():
    base = {"scenario": "s", "seed": 1, "subject": "S1", "panel": "p", "population": "treg", "baseline": "D-1"}
    same = {"reportable": True, "percent_of_parent": 5.0, "percent": 5.0, "fixed_percent": 5.0, "f1": 1.0}
    more = {"fixed_f1": 1.0, "best_f1": 1.0, "low": 4.0, "high": 6.0, "expected_percent": 5.5}
    rows = pd.DataFrame(
        [
            {**base, **same, **more, "visit": "D-1", "log_odds": -3.0, "true_log_odds": -3.1},
            {**base, **same, **more, "visit": "W4", "log_odds": -2.0, "true_log_odds": -2.5},
        ]
    )
    found = judge_placement(rows)[0]
    assert found.bias_of_change == pytest.approx(1.0 - 0.6)
    assert "bias" in found.misses
    assert found.coverage == 1.0


def test_the_steadiness_of_a_threshold_is_its_spread_over_the_drifts():
    rows = pd.DataFrame(
        {
            "panel": "p",
            "population": "cd4",
            "axis": "CD4",
            "scenario": "s",
            "seed": 1,
            "subject": ["a", "a", "b", "b"],
            "placed": [0.5, 0.54, 0.5, 0.54],
            "true": [0.5, 0.52, 0.5, 0.52],
        }
    )
    assert steadiness(rows)["ratio"].tolist() == pytest.approx([2.0])
