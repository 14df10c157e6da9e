import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.assurance.simulate.biology import PARENTS, TRAITS, draw_donor, healthy_donor, visit_frequencies
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.populations import lymphocyte_mixture, truth_populations
from immunomon.assurance.simulate.protocol import DOSE_GROUPS, VISITS, Scenario, draw_patients
from immunomon.assurance.simulate.suspension import draw_yield


def logit(p):
    return math.log(p / (1 - p))


def donor(seed=1, dose=2, factor=1.0, b_depleted=False):
    return draw_donor("S01", dose, factor, b_depleted=b_depleted, rng=np.random.default_rng(seed))


@given(st.integers(0, 10_000), st.sampled_from(sorted(LAYOUTS)), st.booleans())
def test_kinds_of_lymphocyte_make_a_whole_in_every_person_and_tube(seed, panel, b_depleted):
    drawn, _ = visit_frequencies(donor(seed, b_depleted=b_depleted), "W4", np.random.default_rng(seed))
    shares = lymphocyte_mixture(panel, drawn)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0


@given(st.integers(0, 10_000), st.sampled_from(sorted(LAYOUTS)))
def test_truth_populations_add_up_to_the_drawn_fractions_of_their_parents(seed, panel):
    drawn, _ = visit_frequencies(donor(seed), "W8", np.random.default_rng(seed))
    shares = lymphocyte_mixture(panel, drawn)
    size = {"lymphocytes": 1.0}
    for population in truth_populations(panel):
        size[population.id] = sum(shares[kind] for kind in population.kinds)
        assert size[population.id] == pytest.approx(size[population.parent] * drawn[population.id])


def test_nothing_is_changed_by_treatment_in_the_null_scenario():
    for patient in draw_patients(Scenario.NULL, 3, seed=1):
        for visit in VISITS:
            _, effect = visit_frequencies(patient.donor, visit.label, np.random.default_rng(1))
            assert set(effect) == set(PARENTS)
            assert all(value == 0 for value in effect.values())


def test_only_responders_change_in_the_responders_scenario():
    patients = draw_patients(Scenario.RESPONDERS, 3, seed=1)
    effects = {p.id: visit_frequencies(p.donor, "W4", np.random.default_rng(1))[1]["treg"] for p in patients}
    for patient in patients:
        peak = {"A": 0.15, "B": 0.35, "C": 0.55}[patient.group.name]
        assert effects[patient.id] == pytest.approx(1.4 * peak if patient.responder else 0.0)


@pytest.mark.parametrize(("visit", "share"), [("D-1", 0), ("W2", 0.5), ("W4", 1), ("W12", 0.8), ("W28", 0.35)])
def test_the_effect_follows_dose_and_time_on_the_log_odds(visit, share):
    for dose, group in enumerate(DOSE_GROUPS):
        _, effect = visit_frequencies(donor(dose=dose), visit, np.random.default_rng(1))
        for trait in TRAITS:
            assert effect[trait.population] == pytest.approx(share * trait.peak[dose], abs=1e-9), group.name


def test_drawn_visits_scatter_around_the_person_with_the_within_visit_spread():
    person = donor(factor=0.0)
    drawn = [visit_frequencies(person, "W4", np.random.default_rng(seed))[0] for seed in range(1500)]
    for name, within in (("treg", 0.18), ("th17", 0.22), ("plasmablasts", 0.40)):
        log_odds = np.array([logit(one[name]) for one in drawn])
        assert log_odds.mean() == pytest.approx(logit(person.frequencies()[name]), abs=0.05)
        assert log_odds.std() == pytest.approx(within, rel=0.1)


def test_patients_scatter_around_the_frequencies_of_itp():
    people = [donor(seed, factor=0.0).frequencies() for seed in range(800)]
    for name, percent, tolerance in (
        ("treg", 3.5, 0.25),
        ("t_cells", 62.7, 2.0),
        ("b_cells", 18.9, 1.5),
        ("nk", 11.0, 1.0),
    ):
        assert 100 * np.median([one[name] for one in people]) == pytest.approx(percent, abs=tolerance)


def test_the_healthy_donor_has_the_healthy_frequencies():
    frequencies = healthy_donor("D").frequencies()
    for trait in TRAITS:
        assert 100 * frequencies[trait.population] == pytest.approx(trait.healthy, rel=0.03)


def test_rituximab_leaves_less_than_two_percent_of_b_cells():
    for seed in range(50):
        assert donor(seed, b_depleted=True).frequencies()["b_cells"] < 0.02


def test_preparations_hold_mostly_lymphocytes():
    for seed in range(100):
        contents = draw_yield(np.random.default_rng(seed))
        expected = contents.expected()
        share = expected["singlets"] * expected["live"] * expected["lymphocytes"]
        assert 0.55 < share < 0.76
