"""Models over all visits: how visits and doses enter them, and what a fit that did not converge says."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from immunomon.errors import ImmunomonError
from immunomon.trial.kernels.course import spline_basis
from immunomon.trial.model.analysis import Endpoint, VisitsOverTime, default_plan
from immunomon.trial.statistics import bayes, over_time
from immunomon.trial.statistics.design import DOSE, design_of, visit_basis
from immunomon.trial.statistics.facts import facts_of
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.over_time import over_time_words
from immunomon.trial.statistics.posterior import Posterior, layout_of

DAYS = (-1, 15, 29, 57, 85, 113, 197)
FACTS = facts_of(
    {
        "study": {
            "visits": [{"label": f"D{day}", "planned_day": day, "baseline": day < 0} for day in DAYS],
            "dose_groups": [
                {"name": name, "cells_per_kg": dose} for name, dose in (("A", 5e5), ("B", 1e6), ("C", 2e6))
            ],
            "subjects": [{"id": f"S{i}", "dose_group": "ABC"[i // 2]} for i in range(6)],
        }
    }
)
PLAN = default_plan(FACTS.visits)
SMOOTH = replace(PLAN, visits_over_time=VisitsOverTime.SMOOTH)
WEEKS = (np.array(DAYS) + 1) / 7


def measured(scaled, plan=PLAN):
    scaled = np.asarray(scaled, dtype=float)
    count = np.round(8000 / (1 + np.exp(-scaled)))
    blank = np.full(scaled.shape, "", dtype=object)
    series = Series(
        Endpoint("treg", "treg", "treg", "cd4"),
        label="Treg",
        declared=True,
        value=count / 80,
        count=count,
        total=np.full(scaled.shape, 8000.0),
        scaled=scaled,
        with_counts=scaled,
        variance=np.full(scaled.shape, 0.01),
        gate_se=np.full(scaled.shape, np.nan),
        day=np.broadcast_to(np.array(DAYS, dtype=float), scaled.shape).copy(),
        reason=blank,
    )
    return Measured(FACTS, plan, (series,), ())


def course(weeks):
    return spline_basis(np.sqrt(weeks), np.sqrt([0.0, *WEEKS[[2, 4, 6]]])) @ [0.4, 0.3, 0.1]


LEVELS = np.array([-3.0, -2.8, -2.6, -3.1, -2.9, -2.7])[:, None]


def test_a_smooth_course_through_its_own_spline_is_found_again_at_every_visit():
    found = measured(LEVELS + course(WEEKS), SMOOTH)
    design = design_of(found, found.series[0], with_dose=False)
    assert design.matrix.shape[1] == 4
    who = (design.patient[:, None] == np.arange(6)).astype(float)
    fit = np.linalg.lstsq(np.hstack([design.matrix[:, 1:], who]), design.scaled, rcond=None)[0]
    np.testing.assert_allclose(design.contrasts[:, 1:] @ fit[:3], course(WEEKS[1:]), atol=1e-9)
    assert design.terms == FACTS.later


def test_a_smooth_course_is_at_each_patient_s_own_day():
    found = measured(np.broadcast_to(LEVELS, (6, 7)), SMOOTH)
    late = found.series[0].day.copy()
    late[1, 3] += 14
    moved = visit_basis(found, replace(found.series[0], day=late)).basis
    plain = visit_basis(found, found.series[0]).basis
    assert np.argwhere((moved != plain).any(axis=2)).tolist() == [[1, 3]]
    assert not plain[:, 0].any()


def test_a_visit_as_a_factor_is_its_own_mean_change():
    rng = np.random.default_rng(1)
    found = measured(LEVELS + rng.normal(0, 0.1, (6, 7)))
    rows = over_time.over_time(found)
    mixed = rows[(rows["model"] == "MixedLM") & (rows["term"] != DOSE)]
    change = found.series[0].change(0).mean(axis=0)[1:]
    np.testing.assert_allclose(mixed["estimate"].to_numpy(float), change, atol=1e-6)


def test_smooth_courses_borrow_from_other_visits_and_say_so():
    rng = np.random.default_rng(2)
    scaled = LEVELS + course(WEEKS) + rng.normal(0, 0.15, (6, 7))
    errors = {}
    for plan in (PLAN, SMOOTH):
        rows = over_time.over_time(measured(scaled, plan))
        errors[plan.visits_over_time] = rows.loc[(rows["model"] == "MixedLM") & (rows["term"] == "D57"), "se"].to_numpy(
            float
        )[0]
    assert errors[VisitsOverTime.SMOOTH] < errors[VisitsOverTime.FACTOR]
    assert rows["note"].str.contains("smooth course").all()


def test_a_fit_that_did_not_converge_has_no_numbers(monkeypatch):
    monkeypatch.setattr(over_time, "_mixed", lambda design: (np.ones(9), np.eye(9), 5.0, False))
    rows = over_time.over_time(measured(LEVELS + course(WEEKS)))
    failed = rows[rows["model"] == "MixedLM"]
    assert failed[["estimate", "se", "low", "high", "p"]].isna().all(axis=None)
    assert set(failed["note"]) == {"the fit did not converge: no numbers"}
    assert not failed["converged"].any()


def test_the_bayesian_layout_says_nothing_where_there_is_no_value():
    scaled = LEVELS + course(WEEKS)
    scaled[0, 2], scaled[5, 1:] = np.nan, np.nan
    found = measured(scaled)
    layout = layout_of(found, found.series[0])
    assert (layout.count[0, 2], layout.total[0, 2]) == (0, 0)
    assert not layout.total[5].any()  # a patient with a single value has no change
    assert layout.weight.tolist() == [0.2] * 5 + [0.0]
    assert layout.terms == (*FACTS.later, "dose B against A", "dose C against A")
    assert layout.levels == 3
    assert layout.patient.size == 5 * 7 - 1


@pytest.mark.parametrize(("divergences", "r_hat", "ess"), [(1, 1.0, 4000.0), (0, 1.02, 4000.0), (0, 1.0, 399.0)])
def test_a_posterior_that_did_not_converge_twice_has_no_numbers_but_the_reason(monkeypatch, divergences, r_hat, ess):
    tried = []

    def poor(compiled, layout, width, *, settings):
        tried.append((width, settings["target_accept"]))
        bad = width == 1.0
        draws = np.zeros((len(layout.terms), 100)) + np.linspace(-1, 1, 100)
        return Posterior(draws, r_hat if bad else 1.0, ess if bad else 4000.0, divergences if bad else 0)

    monkeypatch.setattr(bayes, "_need_libraries", lambda: None)
    monkeypatch.setattr(bayes, "compiled_model", lambda layout: None)
    monkeypatch.setattr(bayes, "sampled", poor)
    rows = bayes.bayesian(measured(LEVELS + course(WEEKS)))
    main, others = rows[rows["model"] == bayes.BAYESIAN], rows[rows["model"] != bayes.BAYESIAN]
    assert main[["estimate", "se", "low", "high"]].isna().all(axis=None)
    assert main["note"].str.startswith("did not converge, no numbers: r-hat").all()
    assert others["converged"].all()
    assert set(others["model"]) == {bayes.BAYESIAN + name for name in bayes.WIDTHS if name}
    assert [accept for width, accept in tried if width == 1.0] == [0.95, 0.995]


def test_the_page_puts_the_models_side_by_side_and_a_reason_in_place_of_numbers():
    found = measured(LEVELS + course(WEEKS))
    rows = over_time.over_time(found)
    lost = rows.iloc[[1]].assign(model="other", note="did not converge", estimate=pd.array([None], dtype="Float64"))
    text = "\n".join(over_time_words(found, pd.concat([rows, lost], ignore_index=True)))
    assert "treg, D29 (42 values of 6 patients): MixedLM" in text
    assert "other: did not converge" in text
    assert "dose doubling" in text


def test_without_the_libraries_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nutpie", None)
    with pytest.raises(ImmunomonError, match=r'pip install "immunomon\[bayes\]"'):
        bayes.bayesian(measured(LEVELS + course(WEEKS)))
