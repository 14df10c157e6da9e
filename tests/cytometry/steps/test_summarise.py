"""The summary: what counts, what the numbers are, and that every subject's value stays to be seen."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunomon.cytometry.model.populations import CHANGES, SUMMARY
from immunomon.cytometry.steps.summarise import summarise
from immunomon.study.model.study import DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit

DAYS = {"D-1": -1, "W2": 15, "W4": 29}
GROUPS = {"S1": "low", "S2": "low", "S3": "low", "S4": "high"}


STUDY = Study(
    name="T",
    title="t",
    dose_groups=(DoseGroup("low", 5e5), DoseGroup("high", 1e6)),
    cohorts=(),
    subjects=tuple(Subject(name, group) for name, group in GROUPS.items()),
    visits=tuple(Visit(label, day, baseline=day < 0) for label, day in DAYS.items()),
    panels=(PanelUse("treg", "treg"), PanelUse("nk", "nk")),
)


@pytest.fixture
def study():
    return STUDY


def a_row(subject, visit, value, baseline=None, status="ok", **about):
    change = None if baseline is None else value - baseline
    return {
        "subject": subject,
        "dose_group": GROUPS.get(subject, "low"),
        "visit": visit,
        "planned_day": DAYS[visit],
        "panel": "treg",
        "quantity": "percent",
        "population": "treg",
        "label": "Treg",
        "denominator": "cd4",
        "value": value,
        "baseline": baseline,
        "change": change,
        "percent_change": 100 * change / baseline if baseline else None,
        "log_odds_change": change,
        "status": status,
    } | about


def changes_of(*rows):
    return pd.DataFrame(rows, columns=CHANGES.names).astype(CHANGES.dtypes)


def at(summary, group, visit, measure, **wanted):
    wanted = {"dose_group": group, "visit": visit, "measure": measure} | wanted
    rows = summary
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_table_keeps_its_contract(study):
    summary = summarise(changes_of(a_row("S1", "D-1", 5.0, 5.0), a_row("S1", "W4", 6.0, 5.0)), study)
    assert {name: str(dtype) for name, dtype in summary.dtypes.items()} == SUMMARY.dtypes
    assert not summary.duplicated(list(SUMMARY.key)).any()


def test_the_figures_are_those_of_the_subjects_values(study):
    values = {"S1": 5.0, "S2": 7.0, "S3": 12.0}
    summary = summarise(changes_of(*(a_row(who, "W4", value, 4.0) for who, value in values.items())), study)
    row = at(summary, "low", "W4", "value")
    assert (row["n"], row["mean"], row["median"]) == (3, 8.0, 7.0)
    assert row["sd"] == pytest.approx(statistics.stdev(values.values()))
    # Delta method: on the log-odds of the mean its standard error is that of the mean over p (1 - p).
    log_odds = math.log(0.08 / 0.92), stats.sem(list(values.values())) / 100 / (0.08 * 0.92)
    interval = stats.t.interval(0.95, 2, loc=log_odds[0], scale=log_odds[1])
    assert (row["low"], row["high"]) == pytest.approx([100 / (1 + math.exp(-end)) for end in interval])
    change = at(summary, "low", "W4", "change")
    interval = stats.t.interval(0.95, 2, loc=4.0, scale=stats.sem(list(values.values())))
    assert (change["low"], change["high"]) == pytest.approx(interval)
    assert json.loads(row["subjects"]) == values


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=3), st.sampled_from(["percent", "cells_per_ul", "ratio"]))
def test_no_interval_names_a_value_that_cannot_be(values, quantity):
    rows = [a_row(who, "W4", value, 50.0) | {"quantity": quantity} for who, value in zip(GROUPS, values, strict=False)]
    summary = summarise(changes_of(*rows), STUDY)
    value, change = (at(summary, "low", "W4", measure) for measure in ("value", "percent_change"))
    assert 0 <= value["low"] <= value["mean"] * (1 + 1e-9) <= value["high"] * (1 + 1e-9) + 1e-9
    assert value["high"] <= 100 or quantity != "percent"
    assert change["low"] >= -100


def test_all_groups_together_hold_every_subject_once(study):
    rows = (a_row(who, "W4", float(place), 1.0) for place, who in enumerate(GROUPS, start=1))
    summary = summarise(changes_of(*rows), study)
    assert at(summary, "low", "W4", "change")["n"] == 3
    assert at(summary, "high", "W4", "change")["n"] == 1
    everyone = at(summary, "all", "W4", "change")
    assert json.loads(everyone["subjects"]) == {"S1": 0.0, "S2": 1.0, "S3": 2.0, "S4": 3.0}
    assert everyone["mean"] == 1.5


def test_one_subject_has_a_mean_but_neither_a_deviation_nor_an_interval(study):
    row = at(summarise(changes_of(a_row("S1", "W4", 5.0, 4.0)), study), "low", "W4", "value")
    assert (row["n"], row["mean"], row["median"]) == (1, 5.0, 5.0)
    assert row[["sd", "low", "high"]].isna().all()


def test_nobody_with_a_value_leaves_a_row_that_says_so(study):
    row = at(summarise(changes_of(a_row("S1", "W4", 5.0, status="doubled")), study), "low", "W4", "value")
    assert (row["n"], row["subjects"]) == (0, "{}")
    assert row[["mean", "sd", "median", "low", "high"]].isna().all()


@pytest.mark.parametrize(
    ("status", "measures"),
    [
        ("ok", {"value", "change", "percent_change", "log_odds_change"}),
        ("missing baseline", {"value"}),
        ("baseline not reportable", {"value"}),
        ("not reportable", set()),
        ("doubled", set()),
        ("failed", set()),
        ("missing", set()),
    ],
)
def test_what_counts_follows_from_the_status(study, status, measures):
    summary = summarise(changes_of(a_row("S1", "W4", 5.0, 4.0, status=status)), study)
    counted = summary[(summary["n"] > 0) & (summary["dose_group"] == "all")]
    assert set(counted["measure"]) == measures


def test_the_baseline_visit_has_values_and_no_changes(study):
    summary = summarise(changes_of(a_row("S1", "D-1", 5.0, 5.0)), study)
    assert list(summary["measure"]) == ["value", "value"]


def test_absolute_counts_have_no_log_odds(study):
    row = a_row("S1", "W4", 50.0, 40.0, quantity="cells_per_ul", denominator=None, log_odds_change=None)
    summary = summarise(changes_of(row), study)
    assert list(summary["measure"].unique()) == ["value", "change", "percent_change"]
    assert summary["denominator"].isna().all()
    assert at(summary, "low", "W4", "change")["mean"] == 10.0


def test_a_missing_percent_change_lowers_only_its_own_n(study):
    summary = summarise(changes_of(a_row("S1", "W4", 5.0, 0.0), a_row("S2", "W4", 5.0, 4.0)), study)
    assert at(summary, "low", "W4", "change")["n"] == 2
    assert json.loads(at(summary, "low", "W4", "percent_change")["subjects"]) == {"S2": 25.0}


def test_names_of_subjects_are_kept_as_they_are_and_sorted(study):
    rows = [a_row(who, "W4", 1 / 3, 4.0) for who in ('S"9', "S10", "Ü1")]
    row = at(summarise(changes_of(*rows), study), "low", "W4", "value")
    assert list(json.loads(row["subjects"]).items()) == [('S"9', 1 / 3), ("S10", 1 / 3), ("Ü1", 1 / 3)]


def test_groups_panels_visits_and_measures_stand_in_the_studys_order(study):
    rows = [a_row(who, visit, 2.0, 1.0, panel=panel) for who in GROUPS for visit in DAYS for panel in ("nk", "treg")]
    summary = summarise(changes_of(*rows), study)
    assert list(dict.fromkeys(summary["dose_group"])) == ["low", "high", "all"]
    assert list(dict.fromkeys(summary["panel"])) == ["treg", "nk"]
    assert list(dict.fromkeys(summary["visit"])) == list(DAYS)
    assert list(dict.fromkeys(summary["measure"])) == ["value", "change", "percent_change", "log_odds_change"]


def test_the_summary_does_not_depend_on_the_order_of_the_rows(study):
    rng = np.random.default_rng(3)
    rows = [a_row(who, visit, float(rng.normal()), 1.0) for who in GROUPS for visit in DAYS]
    changes = changes_of(*rows)
    shuffled = changes.sample(frac=1, random_state=rng)
    pd.testing.assert_frame_equal(summarise(shuffled, study), summarise(changes, study), check_exact=True)


def test_an_empty_table_of_changes_gives_an_empty_summary(study):
    summary = summarise(changes_of(), study)
    assert len(summary) == 0
    assert {name: str(dtype) for name, dtype in summary.dtypes.items()} == SUMMARY.dtypes


def test_a_trial_of_many_populations_is_summarised_by_every_subject(study):
    one = changes_of(*(a_row(who, visit, 2.0, 1.0) for who in GROUPS for visit in DAYS))
    copies = [one.assign(population=f"p{i}", subject=one["subject"] + str(j)) for i in range(60) for j in range(6)]
    changes = pd.concat(copies, ignore_index=True).astype(CHANGES.dtypes)
    summary = summarise(changes, study)
    assert summary["n"].max() == 24
