import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest

from immunomon.api import validating
from immunomon.assurance.simulate.biology import TRAITS
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.populations import truth_populations
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.agreement import agreements, f1, frequencies_beside_truth
from immunomon.assurance.validation.document import document
from immunomon.assurance.validation.effects import Tally, effects
from immunomon.assurance.validation.measure import measure
from immunomon.assurance.validation.targets import ACTED_ON, target_of
from immunomon.assurance.validation.trials import Design, make_trial
from immunomon.cli import validate as command
from immunomon.runs.run import default_jobs

DESIGN = Design(events=6000, seed=4, subjects_per_group=1, visits=("D-1", "W4"), panels=("thelper",))


def silent(*_):
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("validated")


@pytest.fixture(scope="module")
def found(folder):
    return measure(folder, design=DESIGN, jobs=default_jobs(), progress=silent)


@pytest.fixture(scope="module")
def trial(found, folder):
    return make_trial(Scenario.MECHANISM, folder / "mechanism", design=DESIGN, jobs=1, progress=silent)


def shown(found):
    return document(found, command="immunomon validate", made="Made on a day.")


def test_every_population_of_the_truth_is_compared(found):
    wanted = {(panel, p.id) for panel in DESIGN.panels for p in truth_populations(panel)}
    wanted |= {(panel, name) for panel in DESIGN.panels for name in ("singlets", "live", "lymphocytes")}
    assert {(row.panel, row.population) for row in found.agreements} == wanted


def test_every_file_is_either_compared_or_left_out_with_a_reason(found):
    assert {row.n + sum(count for _, count in row.left_out) for row in found.agreements} == {6}


def test_lineages_are_gated_as_they_are(found):
    row = next(row for row in found.agreements if (row.panel, row.population) == ("thelper", "cd4"))
    assert row.met
    assert row.absolute < 0.5
    assert 0.98 < row.f1 <= 1


def test_errors_are_those_of_plain_numpy(found, trial):
    beside = frequencies_beside_truth(trial)
    for row in found.agreements:
        used = beside[(beside["panel"] == row.panel) & (beside["population"] == row.population) & beside["reportable"]]
        error = used["percent"].to_numpy() - used["percent_of_parent"].to_numpy()
        if row.n:
            assert row.absolute == pytest.approx(np.median(np.abs(error)))
            assert row.bias == pytest.approx(error.mean())


def test_a_gated_percent_is_compared_with_the_truth_of_the_same_file_and_parent(trial):
    beside = frequencies_beside_truth(trial)
    samples = trial.tables["samples"].set_index("file")["sample_id"]
    table = trial.tables["frequencies"].set_index(["sample_id", "population", "denominator"])["percent"]
    for row in beside.sample(12, random_state=1).to_dict("records"):
        assert row["percent"] == table[samples[row["file"]], row["population"], row["parent"]]


def test_a_population_that_is_never_reported_has_no_figures_and_its_reason(trial, found):
    beside = frequencies_beside_truth(trial)
    beside["reportable"] = False
    beside["reason"] = "below LOD: 3 events, 20 are needed"
    row = agreements(beside, found.scores)[0]
    assert row.n == 0
    assert math.isnan(row.absolute)
    assert row.met is False
    assert row.left_out == (("below LOD", 6),)


def with_a_change(trial):
    """Return the patients whose Th1 may be reported at both visits, straight from the run's table."""
    rows = trial.tables["frequencies"]
    mine = rows[(rows["population"] == "th1") & (rows["denominator"] == "cd4") & rows["reportable"]]
    visits = mine[mine["role"] == "sample"].groupby("subject")["visit"].nunique()
    return sorted(visits[visits == 2].index)


def test_an_effect_is_compared_over_the_patients_who_have_an_estimate(trial, found):
    th1 = next(e for e in found.primary if e.population == "th1")
    truth = trial.truth[(trial.truth["population"] == "th1") & (trial.truth["visit"] == "W4")].set_index("subject")
    estimated = with_a_change(trial)
    assert (th1.n, th1.subjects) == (len(estimated), 3)
    assert th1.n >= 2
    assert th1.built_in == pytest.approx(truth.loc[estimated, "log_odds_effect"].mean())
    assert th1.built_in_all == pytest.approx(truth["log_odds_effect"].mean())
    assert th1.low < th1.estimate < th1.high
    assert th1.inside == (th1.low <= th1.built_in <= th1.high)


def test_the_change_in_the_files_truth_is_that_of_its_percents(trial, found):
    th1 = next(e for e in found.primary if e.population == "th1")
    truth = trial.truth[trial.truth["population"] == "th1"]
    odds = truth.pivot_table(index="subject", columns="visit", values="percent_of_parent").apply(
        lambda percent: np.log(percent / (100 - percent))
    )
    assert th1.in_files == pytest.approx((odds["W4"] - odds["D-1"])[with_a_change(trial)].mean())


def test_a_group_of_one_has_an_estimate_and_no_interval(found):
    alone = [e for e in found.mechanism if e.dose_group == "A" and e.visit == "W4" and e.population == "th1"]
    assert len(alone) == 1
    assert not alone[0].has_interval
    assert not alone[0].inside
    assert not alone[0].excludes_zero


def test_nothing_is_built_into_the_null_scenario(found):
    assert {e.built_in_all for e in found.null} == {0.0}
    assert found.null_tally.intervals == len(found.null_all) > 5


def test_only_populations_asked_for_have_effects(trial):
    assert {(e.panel, e.population) for e in effects(trial, ACTED_ON)} == {("thelper", "th1"), ("thelper", "th17")}


def test_chosen_populations_that_are_not_in_the_trial_are_left_out(trial):
    assert effects(trial, [("nk", "nk")]) == ()


def test_the_populations_acted_on_are_those_that_the_simulator_acts_on():
    assert {name for _, name in ACTED_ON} == {trait.population for trait in TRAITS if any(trait.peak)}
    assert all(name in {p.id for p in truth_populations(panel)} for panel, name in ACTED_ON)


def test_every_target_is_of_a_population_that_is_simulated():
    known = {p.id for panel in LAYOUTS for p in truth_populations(panel)} | {"singlets", "live", "lymphocytes"}
    assert {name for name in known if target_of(name) is None} == {
        *("treg_memory", "treg_activated", "th17_1", "th_dn", "nk_cd56neg_cd16pos")
    }


@pytest.mark.parametrize(("intervals", "allowed"), [(0, 0), (1, 1), (5, 1), (214, 17)])
def test_chance_allows_some_misses(intervals, allowed):
    assert Tally(intervals, 0).allowed == allowed
    assert Tally(intervals, allowed).within_chance
    assert not Tally(intervals, allowed + 1).within_chance


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    rng = np.random.default_rng(1)
    gated, true = rng.random(500) < 0.3, rng.random(500) < 0.4
    precision, recall = (gated & true).sum() / gated.sum(), (gated & true).sum() / true.sum()
    assert f1(gated, true) == pytest.approx(2 * precision * recall / (precision + recall))
    assert math.isnan(f1(np.zeros(3, bool), np.zeros(3, bool)))


def test_a_trial_that_is_there_is_used_again(trial, folder):
    file = next((trial.folder / "fcs").rglob("*.fcs"))
    before = file.stat().st_mtime_ns
    stages = []
    make_trial(trial.scenario, trial.folder, design=DESIGN, jobs=1, progress=lambda stage, *_: stages.append(stage))
    assert file.stat().st_mtime_ns == before
    assert not any(stage.startswith("simulating") for stage in stages)


def test_a_trial_of_another_design_is_simulated_again(tmp_path):
    small = Design(events=600, seed=1, subjects_per_group=1, visits=("D-1",), panels=("nk",))
    for design in (small, dataclasses.replace(small, events=700)):
        trial = make_trial(Scenario.NULL, tmp_path / "t", design=design, jobs=1, progress=silent)
    events = pd.read_parquet(trial.run / "tables" / "samples.parquet").query("role == 'sample'")["events"]
    assert set(events) == {round(700 * LAYOUTS["nk"].run_length)}


def test_the_document_is_the_same_for_the_same_measurement(found, folder):
    again = measure(folder, design=DESIGN, jobs=1, progress=silent)
    assert shown(again) == shown(found)


def test_the_document_names_no_path_of_this_machine(found, folder):
    text = shown(found)
    assert str(folder) not in text
    assert not re.search(r"/tmp|/home|/Users|[A-Z]:\\", text)


def test_every_table_of_the_document_has_as_many_cells_in_each_row(found):
    for table in re.findall(r"(?:^\|.*\n)+", shown(found), flags=re.M):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_target_that_is_missed_is_said_in_the_result_and_fails(found):
    worse = tuple(dataclasses.replace(row, absolute=9.0, relative=99.0) for row in found.agreements)
    spoiled = dataclasses.replace(found, agreements=worse)
    text = shown(spoiled)
    assert not spoiled.met
    assert "**Result: NOT everything as it should be.**" in text
    assert "Not met: singlets (panel thelper)" in text


def test_a_failed_file_fails_the_validation_and_is_named(found):
    spoiled = dataclasses.replace(found, failed={"null/fcs/a.fcs": "it is broken"})
    assert not spoiled.met
    assert "null/fcs/a.fcs: it is broken" in shown(spoiled)


@pytest.mark.parametrize("good", [True, False])
def test_the_command_writes_the_document_and_fails_if_a_target_is_missed(found, tmp_path, monkeypatch, capsys, good):
    few = tuple(row for row in found.agreements if row.population == "cd4")
    rows = few if good else tuple(dataclasses.replace(row, absolute=9.0) for row in few)
    result = dataclasses.replace(found, agreements=rows)
    monkeypatch.setattr(validating, "measure", lambda *_, **__: result)
    out = tmp_path / "docs" / "validation.md"
    assert command.validate(out, events=6000, seed=4, keep=None, jobs=1) == (0 if good else 1)
    assert "immunomon validate --events 6000 --seed 4" in out.read_text(encoding="utf-8")
    assert ("NOT met" in capsys.readouterr().out) is not good
