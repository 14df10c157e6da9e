"""The measure of wrong values without a word: what it calls wrong, said and silent, and that a wrong gate is found."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, condition_named
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.robustness import WholeTrial, missed_targets, outcomes_of, section
from immunomon.assurance.validation.robustness_values import judged, values_of
from immunomon.assurance.validation.sections import Settings
from immunomon.assurance.validation.trials import Design, make_trial
from immunomon.errors import UnknownName
from immunomon.study.specs.catalog import shipped_strategies

DESIGN = Design(
    events=3000, seed=1, subjects_per_group=2, visits=("D-1", "W4"), panels=("thelper",), subjects=1, controls=False
)
RIGHT = {
    "panel": "thelper",
    "population": "cd4",
    "f1": 0.95,
    "percent": 42.0,
    "true_percent": 40.0,
    "count": 500.0,
    "low": 38.0,
    "high": 45.0,
    "reportable": True,
    "noted": False,
}


WHOLE = WholeTrial(files=252, right=2000, withheld=6)
_TOO_LOW = "gate: {method: interval, axis: CXCR3, low: 200}"


def value(**changes):
    return judged(pd.DataFrame([{**RIGHT, **changes}])).iloc[0]


@pytest.fixture(scope="module")
def worked_in(tmp_path_factory):
    return tmp_path_factory.mktemp("robustness")


@pytest.fixture(scope="module")
def found(worked_in):
    figures = worked_in / "figures.json"
    return section(Settings(20_000, 1, worked_in, 1, quick=True, json=figures)), json.loads(figures.read_bytes())


def test_the_quick_measurement_has_the_figures_of_every_condition(found):
    _, figures = found
    assert list(figures["conditions"]) == ["ordinary", "range-1e7-wide", "low-voltage", "failed-PE", "monocytes-60"]
    for condition in figures["conditions"].values():
        assert condition["values"] > 120
        assert condition["wrong"] == condition["said"] + condition["silent"]
        assert condition["silent"] == len(condition["silent_values"])
        assert 0 <= condition["withheld"] <= 100
        assert set(condition["f1_median"]) >= {"treg/treg", "thelper/th1", "bcell/b_cells", "nk/nk"}


def test_ordinary_files_are_gated_well_and_what_is_wrong_is_said(found):
    ordinary = found[1]["conditions"]["ordinary"]
    assert ordinary["silent"] == 0
    assert ordinary["withheld"] <= 10  # files of 3,000 events show fewer borders than ordinary ones
    assert ordinary["f1_median"]["thelper/cd4"] > 0.98


def test_a_whole_trial_is_measured_at_all_its_visits(found):
    part, figures = found
    whole = figures["whole_trial"]
    assert whole["files"] == 2 * 7
    assert whole["values"] > 60
    assert 0 <= whole["withheld"] <= 10
    assert f"of {whole['values']:,} right values" in part.text


def test_withholding_right_values_of_a_whole_trial_misses_the_target():
    ordinary = outcome(ORDINARY_CONDITION)
    assert not missed_targets((ordinary,), replace(WHOLE, withheld=60))
    (missed,) = missed_targets((ordinary,), replace(WHOLE, withheld=61))
    assert missed == "a whole trial: 3.0 % of the right values of 100 events are withheld"
    assert not missed_targets((ordinary,), WholeTrial(0, 0, 0))


def test_where_cd25_and_cd56_were_not_stained_their_populations_are_wrong(found):
    failed = found[1]["conditions"]["failed-PE"]
    assert failed["f1_median"]["treg/treg"] < 0.8
    assert failed["f1_median"]["nk/nk"] < 0.8
    assert failed["f1_median"]["treg/cd4"] > 0.97


def test_the_section_and_the_lines_say_which_target_is_missed(found):
    part, figures = found
    assert part.met == figures["met"] == (not figures["missed"])
    for reason in figures["missed"]:
        assert f"NOT met  {reason}" in part.lines
        assert reason in part.text
    assert "immunomon validate --robustness --quick --events 3000 --seed 1 --seeds 1" in part.text


def test_nothing_but_the_figures_is_left_in_the_folder_it_worked_in(worked_in, found):
    assert [path.name for path in worked_in.iterdir()] == ["figures.json"]


def test_a_condition_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'dead-40'"):
        section(Settings(600, 1, tmp_path, 1, conditions=("dead-4",)))


@pytest.mark.parametrize(
    ("changes", "wrong", "silent"),
    [
        ({}, False, False),
        ({"f1": 0.79, "low": 41.0}, True, True),
        ({"percent": 57.0, "low": 50.0, "high": 60.0}, True, True),
        ({"percent": 55.0, "low": 50.0, "high": 60.0}, False, False),
        ({"f1": 0.1}, True, False),
        ({"f1": 0.1, "low": 41.0, "noted": True}, True, False),
        ({"f1": 0.1, "low": 41.0, "reportable": False}, True, False),
        ({"f1": float("nan"), "percent": float("nan"), "reportable": False}, True, False),
        ({"f1": float("nan"), "percent": 0.0, "true_percent": 0.0, "low": 0.0, "high": 1.0}, False, False),
        ({"percent": 3.0, "true_percent": 0.0, "f1": 0.0, "low": 2.0, "high": 4.0}, True, True),
    ],
)
def test_what_is_wrong_and_what_is_silent(changes, wrong, silent):
    row = value(**changes)
    assert (row["wrong"], row["silent"]) == (wrong, silent)
    assert row["said"] == (row["wrong"] and not row["silent"])


@pytest.mark.parametrize(
    ("changes", "withheld"),
    [({"reportable": False}, True), ({"reportable": False, "count": 99.0}, False), ({}, False)],
)
def test_only_right_values_of_100_events_count_as_withheld(changes, withheld):
    assert value(**changes)["withheld"] == withheld
    assert not value(f1=0.1, **changes)["withheld"]


def outcome(condition, **changes):
    rows = judged(pd.DataFrame([{**RIGHT, **changes}])).assign(condition=condition.name)
    return outcomes_of(rows, [condition])[0]


def test_a_lost_f1_misses_the_target_only_where_the_instrument_alone_differs():
    ordinary = outcome(ORDINARY_CONDITION)
    assert not missed_targets((ordinary, outcome(condition_named("fsc-x0.4"), f1=0.925)), WHOLE)
    (missed,) = missed_targets((ordinary, outcome(condition_named("fsc-x0.4"), f1=0.91)), WHOLE)
    assert "thelper/cd4 0.910 for 0.950" in missed
    assert not missed_targets((ordinary, outcome(condition_named("monocytes-60"), f1=0.91)), WHOLE)


def test_withholding_right_values_misses_the_target_on_ordinary_files():
    (missed,) = missed_targets((outcome(ORDINARY_CONDITION, reportable=False),), WHOLE)
    assert "100.0 %" in missed
    dead = outcome(condition_named("dead-40"), reportable=False)
    assert not missed_targets((outcome(ORDINARY_CONDITION), dead), WHOLE)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gated") / "trial"
    return make_trial(Scenario.MECHANISM, folder, design=DESIGN, jobs=1, progress=lambda *_: None)


def test_every_population_of_the_truth_has_one_value_in_each_file(trial):
    values = values_of(trial, jobs=1)
    assert not values.duplicated(["file", "population"]).any()
    assert len(values) == len(trial.truth)
    assert not values.loc[values["true_count"] >= 100, "wrong"].any()
    assert not values["silent"].any()


def test_a_file_that_failed_is_wrong_and_said(trial):
    failing = replace(trial, tables={**trial.tables, "frequencies": trial.tables["frequencies"].iloc[:0]})
    values = values_of(failing, jobs=1)
    assert values["wrong"].all()
    assert not values["silent"].any()


def test_a_gate_that_is_deliberately_wrong_is_found_to_be_wrong_and_silent(trial):
    """Th1 is drawn into its negatives, by a declared border that no note speaks of."""
    declared = Path(shipped_strategies()["thelper"]).read_text(encoding="utf-8")
    wrong = re.sub(r"(id: th1\n.*?)gate: helper\n    keep: x\+ y-", r"\1" + _TOO_LOW, declared, flags=re.DOTALL)
    assert wrong != declared
    wrong = wrong.partition("\nexpect:")[0] + "\n"  # what is expected of it would say so
    (trial.folder / "gating").mkdir()
    (trial.folder / "gating" / "thelper.yaml").write_text(wrong, encoding="utf-8")
    again = make_trial(Scenario.MECHANISM, trial.folder, design=DESIGN, jobs=1, progress=lambda *_: None)
    values = values_of(again, jobs=1).set_index("population")
    assert values.loc["th1", "wrong"].all()
    assert values.loc["th1", "silent"].all()
    assert not values.loc["t_cells", "wrong"].any()


def test_the_border_of_cd14_is_placed_where_there_are_monocytes(tmp_path):
    """Among lymphocytes no cell is CD14+, and a border that nothing shows is a fallback: NK cells would rest on it."""
    design = replace(DESIGN, panels=("nk",))
    run = make_trial(Scenario.MECHANISM, tmp_path / "nk", design=design, jobs=1, progress=lambda *_: None)
    populations = run.tables["populations"]
    assert set(populations.loc[populations["population"] == "cd14_neg", "placed_by"]) <= {"data", "consensus"}
