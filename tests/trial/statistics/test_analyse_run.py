"""The statistics of a made-up run: nine patients, three doses, three visits, six populations."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.made_up_run import counted_tables

from immunomon.errors import ImmunomonError
from immunomon.trial.kernels.trend import jonckheere_terpstra
from immunomon.trial.model.analysis import Composition, Endpoint, NotReportable, default_plan
from immunomon.trial.model.tables import STATISTICS_TABLES
from immunomon.trial.statistics.analyse import analyse
from immunomon.trial.statistics.facts import facts_of
from immunomon.trial.statistics.measured import measure
from immunomon.trial.statistics.power import detectable
from immunomon.trial.statistics.summary import _trend_words, summary
from immunomon.trial.statistics.testing import _tested

VISITS = (("D-1", -1), ("W4", 29), ("W8", 57))
RECORD = {
    "study": {
        "visits": [{"label": label, "planned_day": day, "baseline": day < 0} for label, day in VISITS],
        "dose_groups": [{"name": name, "cells_per_kg": dose} for name, dose in (("C", 2e6), ("A", 5e5), ("B", 1e6))],
        "subjects": [{"id": f"S{i + 1}", "dose_group": "AABBBCCCC"[i]} for i in range(9)],
        "cohorts": [{"name": "more", "dose_group": "C", "expansion": True}],
    }
}
POPULATIONS = (
    ("treg", "treg", "cd4", 0.04, 0.5),
    ("thelper", "th1", "cd4", 0.12, 0.0),
    ("thelper", "th17", "cd4", 0.1, -0.4),
    ("thelper", "th_dn", "cd4", 0.7, 0.0),
    ("bcell", "b_cells", "lymphocytes", 0.15, 0.0),
    ("nk", "nk", "lymphocytes", 0.1, 0.0),
)
FACTS = facts_of(RECORD)
PLAN = default_plan(FACTS.visits)


@pytest.fixture(scope="module")
def tables():
    def status(subject, visit, day, population):
        lost = subject == "S9" and visit == "W4" and population == "treg"
        return {"status": "not reportable", "reason": "too few events"} if lost else {"status": "ok"}

    return counted_tables(
        POPULATIONS,
        FACTS.group_of,
        VISITS,
        rng=np.random.default_rng(1),
        events=8000,
        spread=0.1,
        grown=lambda effect, subject, day: effect if day > 0 else 0,
        beside=status,
    )


@pytest.fixture(scope="module")
def found(tables):
    return analyse(tables, FACTS, PLAN)


def primary(table, **equal):
    for column, value in equal.items():
        table = table[table[column] == value]
    return table


def test_every_table_keeps_its_contract_key_and_plan(found):
    assert set(found.tables) == set(STATISTICS_TABLES) - {"power"}
    for name, table in found.tables.items():
        contract = STATISTICS_TABLES[name]
        assert list(table.columns) == list(contract.names)
        assert not table.duplicated(list(contract.key)).any()
        assert (table["plan_digest"] == PLAN.digest).all()


def test_the_same_run_and_seed_give_the_same_tables(found, tables):
    again = analyse(tables, FACTS, PLAN, models=False)
    for name, table in again.tables.items():
        pd.testing.assert_frame_equal(table, found.tables[name])


def test_the_order_of_rows_does_not_matter(found, tables):
    shuffled = {name: table.sample(frac=1, random_state=2) for name, table in tables.items()}
    again = analyse(shuffled, FACTS, PLAN, models=False).tables["estimates"]
    one = found.tables["estimates"].sort_values(["endpoint", "dose_group", "measure", "at"])
    pd.testing.assert_frame_equal(
        again.sort_values(["endpoint", "dose_group", "measure", "at"]).reset_index(drop=True),
        one.reset_index(drop=True),
    )


def test_groups_that_cannot_reach_alpha_have_a_floor_and_no_p(found):
    estimates = found.tables["estimates"]
    small = estimates[estimates["dose_group"] != "all"]
    assert small[["p_sign_flip", "p_t", "p_moderated"]].isna().all(axis=None)
    assert (small["p_floor"] > PLAN.alpha).all()
    assert small["note"].str.contains("no p: the smallest possible").all()
    everyone = primary(estimates, dose_group="all", endpoint="treg", at="W8")
    assert everyone["p_sign_flip"].iloc[0] == 2 / 2**9


def test_each_estimate_keeps_every_patient_and_finds_what_was_put_in(found):
    row = primary(found.tables["estimates"], dose_group="all", endpoint="treg", at="W8").iloc[0]
    assert row["n"] == row["subjects"].count("S") == 9
    assert row["t_low"] < 0.5 < row["t_high"]


def test_the_gates_error_of_both_visits_is_in_the_patient_s_interval(found):
    changes = primary(found.tables["patient_changes"], endpoint="treg", visit="W8")
    assert changes["se_gate"].to_numpy(float) == pytest.approx(0.05 * 2**0.5)
    assert set(changes["covers"]) == {"counting + gate + assay"}
    total = np.sqrt((changes[["se_counting", "se_gate", "se_assay"]].astype(float) ** 2).sum(axis=1))
    half = (changes["high"] - changes["low"]).astype(float) / 2
    assert half.to_numpy() == pytest.approx(1.959964 * total.to_numpy())


def test_a_run_without_gate_errors_and_later_columns_says_so_and_goes_on(tables):
    old = {
        "changes": tables["changes"].drop(columns=["gate_se", "counting_se", "within_gate_noise"]),
        "frequencies": tables["frequencies"].drop(columns="gate_se"),
    }
    result = analyse(old, FACTS, PLAN, models=False)
    assert set(result.tables["patient_changes"]["covers"].dropna()) == {"counting + assay"}
    page = summary(result.measured, result.tables, study="X", first_sample=None)
    assert "does not say how sure the position of each gate is" in page


def test_a_value_that_is_not_reportable_is_missing_named_and_bounded(found):
    row = primary(found.tables["missing"], endpoint="treg", visit="W4", dose_group="all").iloc[0]
    assert (row["n"], row["patients"], row["n_with_counts"]) == (8, 9, 9)
    assert row["missing"] == "S9: too few events"
    assert row["mean_if_lowest"] <= row["mean"] <= row["mean_if_highest"]
    assert (8 * row["mean"] + row["turns"]) == pytest.approx(0)


def test_a_plan_may_have_counts_below_the_limits_used(tables):
    plan = replace(PLAN, not_reportable=NotReportable.USE_COUNTS)
    series = measure(tables, FACTS, plan).of("treg")
    assert np.isfinite(series.scaled).all()
    assert plan.digest != PLAN.digest


def trend_of(*, means, direction, p=0.2):
    row = {"kind": "dose", "role": "primary", "label": "Treg", "at": "W4", "groups": "A 3, B 3", "statistic": 4.0}
    row |= {"means": means, "direction": direction, "p": p, "alternative": "two-sided", "note": "", "dose_group": "all"}
    return next(iter(_trend_words(pd.DataFrame([row]))))


def test_a_trend_over_dose_says_what_the_changes_do():
    assert "the fall is smaller at higher doses" in trend_of(means="A -0.40, B -0.10", direction="rising")
    assert "the fall is larger at higher doses" in trend_of(means="A -0.10, B -0.40", direction="falling")
    assert "the rise is larger at higher doses" in trend_of(means="A +0.10, B +0.40", direction="rising")
    assert "changes are lower at higher doses" in trend_of(means="A +0.10, B -0.40", direction="falling")
    assert "mean change A -0.40, B -0.10: no direction" in trend_of(means="A -0.40, B -0.10", direction="none", p=1.0)


def test_a_trend_as_likely_as_any_has_no_direction(found):
    # Third of four: one more pair rises than falls, and so it does in half of all arrangements.
    trend = jonckheere_terpstra(np.array([1.0, 2.0, 4.0, 3.0]), np.array([0, 0, 0, 1]), np.random.default_rng(1))
    assert (trend.statistic, trend.expected, trend.p) == (2.0, 1.5, 1.0)
    assert _tested(trend, found.measured, found.measured.of("nk"))["direction"] == "none"


def test_doses_are_ordered_by_cells_and_the_trend_counts_every_arrangement(found):
    row = primary(found.tables["trends"], endpoint="nk", kind="dose", at="W8").iloc[0]
    assert row["groups"] == "A 2, B 3, C 4"
    assert row["exact"]
    assert row["p_floor"] == pytest.approx(2 / 1260)


def test_the_declared_family_is_adjusted_together_and_the_rest_is_exploratory(found):
    families = found.tables["families"]
    declared = families[families["declared"]]
    assert list(declared["endpoint"]) == list(PLAN.primary.endpoints)
    assert (declared["p_max_t"] >= declared["p_sign_flip"] - 0.02).all()
    assert (declared["p_bh"] >= declared["p_sign_flip"]).all()
    assert families[~families["declared"]]["p_max_t"].isna().all()
    assert set(primary(found.tables["estimates"], endpoint="treg", at="W8", measure="change")["role"]) == {
        "exploratory"
    }


def test_steps_of_the_gating_are_no_exploratory_tests_and_repeats_are_named():
    wanted = (
        ("treg", "live", "singlets", 0.9, 0.0),
        ("treg", "t_cells", "lymphocytes", 0.6, 0.0),
        ("bcell", "t_cells", "lymphocytes", 0.6, 0.0),
        ("bcell", "b_naive", "b_cells", 0.4, 0.0),
    )
    rng = np.random.default_rng(2)
    tables = counted_tables(
        wanted,
        FACTS.group_of,
        VISITS,
        rng=rng,
        events=8000,
        spread=0.1,
        grown=lambda *_: 0,
        beside=lambda *_: {"status": "ok"},
    )
    reported = {"treg": ["t_cells"], "bcell": ["t_cells", "b_naive"]}
    told = analyse(tables, facts_of(RECORD | {"reported": reported}), PLAN, models=False)
    rest = told.tables["families"].query("not declared")
    assert set(rest["endpoint"]) == {"treg:t_cells/lymphocytes", "bcell:t_cells/lymphocytes", "bcell:b_naive/b_cells"}
    notes = rest.groupby("endpoint")["note"].first()
    assert notes["treg:t_cells/lymphocytes"] == "also measured with panel bcell: not an independent test"
    assert pd.isna(notes["bcell:b_naive/b_cells"])
    page = summary(told.measured, told.tables, study="S", first_sample=None)
    assert "Steps of the gating that no strategy reports are not tested: live." in page
    assert "4 of the 6 are of what several panels measure, not independent: " in page

    untold = analyse(tables, FACTS, PLAN, models=False)
    assert "treg:live/singlets" in set(untold.tables["families"]["endpoint"])


def test_parts_of_one_parent_add_up_to_nothing_on_the_centred_log_ratio_scale(tables):
    composition = Composition("helpers", "thelper", "cd4", ("th1", "th17", "th_dn"))
    result = measure(tables, FACTS, replace(PLAN, compositions=(composition,)))
    parts = [result.of(f"helpers.{part}").scaled for part in composition.parts]
    assert np.abs(np.sum(parts, axis=0)).max() < 1e-12


def test_children_of_another_parent_are_no_parts(tables):
    mixed = Composition("mixed", "thelper", "lymphocytes", ("th1", "th17"))
    result = measure(tables, FACTS, replace(PLAN, compositions=(mixed,)))
    assert [one.name for one in result.absent] == ["mixed.th1", "mixed.th17"]


def test_what_the_run_lacks_is_said(tables):
    plan = replace(PLAN, endpoints=(*PLAN.endpoints, Endpoint("mait", "mait", "mait", "t_cells")))
    result = analyse(tables, FACTS, plan, models=False)
    assert "Not in this run: mait." in summary(result.measured, result.tables, study="X", first_sample=None)


def test_models_over_time_find_the_effect_and_say_how_far_to_believe_them(found):
    model = primary(found.tables["over_time"], endpoint="treg", term="W8")
    assert set(model["model"]) == {"MixedLM", "beta-binomial (maximum likelihood)"}
    assert model["converged"].all()
    assert ((model["low"] < 0.5) & (model["high"] > 0.5)).all()
    assert model["note"].str.len().gt(20).all()


def test_the_page_leaves_no_caveat_out_and_names_the_expansion(found):
    page = summary(found.measured, found.tables, study="X", first_sample="2025-01-12")
    for words in (
        "compared with a control arm",
        "regression to the mean",
        "confounded with calendar time",
        "conditions on the outcome",
        "Clusters tested on the data that made them",
        "cells are not",
        "cohort more expands dose group C",
        "nobody has confirmed",
        PLAN.digest,
    ):
        assert words in page


def test_in_a_study_with_arms_the_page_does_not_miss_a_control_arm(found):
    facts = replace(found.measured.facts, doses={**found.measured.facts.doses, "A": float("nan")})
    page = summary(replace(found.measured, facts=facts), found.tables, study="X", first_sample="2025-01-12")
    assert "control arm" not in page
    assert "- No test compares the arms (A, B, C) with each other: a change from baseline may be regression" in page


def test_three_patients_detect_nothing_with_sign_flips_and_more_detect_less(found):
    table = detectable(found.measured, np.random.default_rng(1), patients=(3, 6, 12))
    flips = primary(table, endpoint="treg", test="sign-flip").set_index("n")
    assert pd.isna(flips.loc[3, "detectable"])
    assert "cannot reach alpha" in flips.loc[3, "note"]
    t = primary(table, endpoint="treg", test="t")["detectable"].to_numpy(float)
    assert (np.diff(t) < 0).all()
    assert (table["detectable_high"] >= table["detectable"]).dropna().all()


def test_a_record_without_baseline_is_refused():
    visits = [{"label": label, "planned_day": day, "baseline": False} for label, day in (("D-1", -1), ("W4", 29))]
    with pytest.raises(ImmunomonError, match="no visit is the baseline"):
        facts_of({"study": RECORD["study"] | {"visits": visits}})


def test_what_two_strategies_give_of_one_tube_is_tested_once_and_the_plan_finds_its_strategies():
    quantities = (("treg", "cd4"), ("t_cells", "lymphocytes")), (("th1", "cd4"), ("t_cells", "lymphocytes"))
    wanted = [
        (f"blood20~{strategy}", population, denominator, 0.3, 0.0)
        for strategy, of in zip(("treg", "thelper"), quantities, strict=True)
        for population, denominator in of
    ]
    uses = [{"panel": f"blood20~{name}", "strategy": name} for name in ("treg", "thelper")]
    facts = facts_of(RECORD | {"study": RECORD["study"] | {"panels": uses}})
    made = {"rng": np.random.default_rng(2), "events": 8000, "spread": 0.1}
    tables = counted_tables(
        wanted, facts.group_of, VISITS, **made, grown=lambda *_: 0, beside=lambda *_: {"status": "ok"}
    )
    result = analyse(tables, facts, PLAN.on(facts.uses), models=False)
    families = result.tables["families"]
    assert set(families.loc[families["family"] == "primary", "endpoint"]) == {"treg", "th1"}
    rest = set(families.loc[~families["declared"], "endpoint"])
    assert "blood20~treg:t_cells/lymphocytes" in rest
    assert "blood20~thelper:t_cells/lymphocytes" not in rest
    page = summary(result.measured, result.tables, study="S", first_sample=None)
    assert "as another strategy gives them of the same tubes: blood20~thelper:t_cells/lymphocytes." in page
