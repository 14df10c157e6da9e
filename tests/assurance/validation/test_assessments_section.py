from __future__ import annotations

import math

import pytest

from immunomon.assurance.validation.assessments import (
    kinetic_deviation,
    least_coverage,
    section,
    simulated_trials,
    theophylline,
)
from immunomon.assurance.validation.sections import Settings


def test_a_published_figure_that_is_not_met_is_seen():
    subjects = [dict(one) for one in theophylline()]
    assert kinetic_deviation(subjects) < 1e-6
    subjects[3]["half_life"] *= 1.01
    assert kinetic_deviation(subjects) == pytest.approx(0.01, rel=0.02)
    subjects[0] |= {"hours": [0, 1], "mg_per_l": [0, 1]}
    assert kinetic_deviation(subjects) == math.inf


def test_the_least_coverage_is_that_of_the_worst_share():
    # One subject: 0 of 1 is 0 to 97.5 %, 1 of 1 is 2.5 to 100 %: a share just above 97.5 % is held by the second alone.
    assert least_coverage(1, steps=4000) == pytest.approx(0.975, abs=1e-3)


def test_simulated_trials_count_every_patient_and_repeat():
    found = simulated_trials(2, seed=3)
    assert found.responders[1] + found.others[1] == 18
    assert found.slopes_covered[1] == 2
    assert simulated_trials(2, seed=3) == found


def test_the_section_names_its_command_and_what_it_does_not_show(tmp_path, monkeypatch):
    monkeypatch.setattr("immunomon.assurance.validation.assessments._TRIALS", 5)
    found = section(Settings(events=500, seed=7, folder=tmp_path, jobs=1))
    assert found.text.startswith("## Other assessments")
    assert "`immunomon validate --assessments --seed 7`; 5 simulated trials" in found.text
    assert "What this does not show" in found.text
    assert any("platelet courses" in line and line.startswith("met") for line in found.lines)
