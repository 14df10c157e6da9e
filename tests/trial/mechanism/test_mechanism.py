"""What a made-up trial says of a mechanism: responders' Tregs rise and Th17 fall, before their platelets rise."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.made_up_trial import RECORD, RESPONDERS, SUBJECTS, assessed, platelet_counts, run_tables

from immunomon.trial.assessments.page_parts import records
from immunomon.trial.kernels.repeated import swapped_lags
from immunomon.trial.mechanism.analyse import leave_one_out, mechanism
from immunomon.trial.mechanism.between import by_response, path
from immunomon.trial.mechanism.joined import join
from immunomon.trial.mechanism.page import cannot_say, markdown, mechanism_page
from immunomon.trial.mechanism.within import correlation, lag_difference, lagged, patients_interval
from immunomon.trial.model.analysis import default_plan
from immunomon.trial.model.tables import MECHANISM_TABLES
from immunomon.trial.statistics.facts import facts_of

FACTS = facts_of(RECORD)
PLAN = default_plan(FACTS.visits)
RUN = run_tables()
ASSESSED = assessed()


@pytest.fixture(scope="module")
def found():
    return mechanism(RUN, FACTS, PLAN, assessed=ASSESSED)


def row(found, table, **equal):
    rows = found.tables[table]
    for column, value in equal.items():
        rows = rows[(rows[column] == value).fillna(False)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_table_keeps_its_contract_key_and_plan(found):
    assert set(found.tables) == set(MECHANISM_TABLES)
    for name, table in found.tables.items():
        contract = MECHANISM_TABLES[name]
        assert {column: str(dtype) for column, dtype in table.dtypes.items()} == contract.dtypes
        assert not table.duplicated(list(contract.key)).any(), name
        assert (table["plan_digest"] == PLAN.digest).all()
        if "role" in contract.names:
            assert set(table["role"]) == {"exploratory"}


def test_the_same_tables_and_seed_give_the_same_whatever_the_order_of_rows(found):
    shuffled = {name: table.sample(frac=1, random_state=2) for name, table in RUN.items()}
    beside = {name: table.sample(frac=1, random_state=3) for name, table in ASSESSED.items()}
    again = mechanism(shuffled, FACTS, PLAN, assessed=beside)
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])


def test_responders_change_by_what_was_put_in(found):
    treg = row(found, "by_response", endpoint="treg")
    assert treg["who_responded"].split() == list(RESPONDERS)
    assert (treg["responders"], treg["others"]) == (4, 5)
    assert treg["low"] < 0.6 < treg["high"]
    assert treg["exact_low"] < 0.6 < treg["exact_high"]
    assert treg["p"] == treg["p_floor"] == pytest.approx(1 / 126)
    assert treg["difference"] == pytest.approx(treg["mean_responders"] - treg["mean_others"])
    assert list(json.loads(treg["subjects"])) == list(SUBJECTS)
    b_cells = row(found, "by_response", endpoint="b_cells")
    assert b_cells["low"] < 0 < b_cells["high"]


def test_a_floor_stands_in_the_place_of_a_p_that_cannot_reach_alpha(found):
    few = {**ASSESSED, "platelet_response": ASSESSED["platelet_response"].copy()}
    few["platelet_response"].loc[2:, "responder"] = pd.NA
    few["platelet_response"].loc[0, "responder"] = True
    rows = by_response(join(RUN, FACTS, PLAN, assessed=few), np.random.default_rng(1))
    assert rows["p"].isna().all()
    assert rows["note"].str.contains("no Welch interval").all()
    assert rows["note"].str.contains("no p: the smallest possible is 1").all()
    assert (rows["not_evaluable"] == 7).all()


def test_nobody_on_one_side_is_said():
    none = {**ASSESSED, "platelet_response": ASSESSED["platelet_response"].assign(responder=False)}
    again = mechanism(RUN, FACTS, PLAN, assessed=none)
    assert again.tables["by_response"]["difference"].isna().all()
    assert again.tables["by_response"]["note"].str.contains("not estimable: nobody on one side").all()
    assert "not estimable" in markdown(mechanism_page(again.joined, again.tables), "X", "y")


def test_within_patients_the_tie_is_found_and_judged_over_patients(found):
    treg = row(found, "within_patients", endpoint="treg")
    assert treg["r"] > 0.5
    assert treg["patient_low"] > 0
    assert treg["p_swapped"] <= 0.05
    assert abs(treg["r_swapped"]) < treg["r"]
    assert treg["patients"] == 9
    # S9 was rescued at week 4: there and four weeks later the count is not the treatment's
    assert treg["points"] == 43
    assert row(found, "within_patients", endpoint="th17_treg")["r"] < -0.5


def test_the_interval_over_patients_is_that_of_the_ones_who_have_something_in_it():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    with_idle = [np.vstack([one, np.full((3, 5), np.nan)]) for one in (x, y)]
    assert patients_interval(correlation, tuple(with_idle), 0.95) == patients_interval(correlation, (x, y), 0.95)


def test_both_lags_rest_on_the_same_pairs_and_the_difference_is_theirs(found):
    lags = {one: row(found, "lags", endpoint="treg", lag=one) for one in MECHANISM_LAGS}
    first, later, gap = (lags[one] for one in ("immune change first", "platelets first", "difference"))
    assert first["points"] == later["points"] == gap["points"]
    assert gap["r"] == pytest.approx(abs(first["r"]) - abs(later["r"]))
    assert first["r"] > later["r"], "Tregs rise at week 2, platelets at week 4"
    assert (first["fewest_weeks"], first["most_weeks"]) == (2, pytest.approx(4))


def test_which_lag_is_stronger_is_asked_of_swapped_courses_and_has_no_interval(found):
    gap = row(found, "lags", endpoint="treg", lag="difference")
    assert pd.isna(gap["low"])
    assert 0 < gap["p_floor"] <= gap["p_swapped"] <= 1
    assert pd.isna(row(found, "leave_one_out", headline="difference of lags", endpoint="treg")["excludes_0"])
    order = mechanism_page(found.joined, found.tables).sections[4]
    assert any(f"difference of |r| {gap['r']:+.2f} (p {gap['p_swapped']:.2g})" in said for said in order.paragraphs)


def test_a_lag_of_the_other_sign_is_not_stronger_for_it():
    """Correlations of -0.27 and +0.20 differ by 0.47, and in strength by 0.07."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 7))
    y = np.column_stack([rng.normal(size=9), -x[:, :-1]]) + np.column_stack([x[:, 1:], rng.normal(size=9)])
    first, later = (correlation(lagged(x, y)[name]) for name in ("immune change first", "platelets first"))
    assert first < -0.5 < 0.5 < later
    assert abs(lag_difference((x, y))) < 0.2
    assert swapped_lags(x, y, rng).p > 0.05


def test_a_population_is_named_only_if_patients_agree_and_with_how_many_chance_would_name(found):
    tables = dict(found.tables)
    within = tables["within_patients"]
    tables["within_patients"] = within.assign(patient_low=-0.5, patient_high=0.5)
    named, none = (mechanism_page(found.joined, these).sections[1].paragraphs[1] for these in (found.tables, tables))
    treg = row(found, "within_patients", endpoint="treg")
    assert f"TREG (p {treg['p_swapped']:.2g}, adjusted {treg['p_adjusted']:.2g})" in named
    assert treg["p_adjusted"] >= treg["p_swapped"]
    assert f"Of {len(within)} populations tested, {len(within) * 0.05:.1f} would be named by chance" in named
    assert "does: none." in none


MECHANISM_LAGS = ("same visit", "immune change first", "platelets first", "difference")


def test_a_path_rests_on_those_who_have_all_of_it_and_its_product_is_that_of_its_steps(found):
    rows = found.tables["path"]
    mine = rows[(rows["endpoint"] == "treg") & (rows["path"] == "with exposure")].set_index("step")
    # S1 and S2 have no exposure, S9 no count after week 4 that no rescue therapy made
    assert set(mine["subjects"]) == {"S3 S4 S5 S6 S7 S8"}
    assert set(mine["n"]) == {6}
    steps = mine.loc[[step for step in mine.index if "->" in step], "slope"]
    assert len(steps) == 3
    assert mine.loc["product", "slope"] == pytest.approx(np.prod(steps.astype(float)))
    dose = mine.loc["dose -> exposure"]
    assert dose["low"] < 1 < dose["high"], "exposure was made proportional to dose"
    assert set(rows.loc[rows["path"] == "without exposure", "n"]) == {8}


def test_exposure_measured_in_nobody_is_said_and_leaves_the_other_path():
    bare = {**ASSESSED, "kinetics": ASSESSED["kinetics"].iloc[:0]}
    rows = path(join(RUN, FACTS, PLAN, assessed=bare), np.random.default_rng(1))
    exposed = rows["path"] == "with exposure"
    assert set(rows.loc[exposed, "note"]) == {"not estimable: exposure was measured in nobody"}
    assert rows.loc[~exposed, "low"].notna().all()


def test_the_balance_is_the_log_ratio_of_both_populations_with_the_errors_of_both(found):
    changes = RUN["changes"].set_index(["population", "subject", "visit"])["value"]
    ratio = {visit: changes["th17", "S4", visit] / changes["treg", "S4", visit] for visit in ("D-1", "W4")}
    mine = row(found, "balance", subject="S4", visit="W4")
    assert mine["ratio"] == pytest.approx(ratio["W4"])
    assert mine["change"] == pytest.approx(np.log(ratio["W4"] / ratio["D-1"]))
    assert mine["fold"] == pytest.approx(ratio["W4"] / ratio["D-1"])
    assert mine["covers"] == "counting + gate + assay"
    # two visits of two terms, each with the assay's 10 %: the interval cannot be narrower
    assert (mine["high"] - mine["low"]) / 2 > 1.96 * 2 * np.sqrt(np.log1p(0.01))
    groups = found.tables["balance"][found.tables["balance"]["subject"].isna()]
    assert set(groups["dose_group"]) == {"A", "B", "C", "all"}
    assert groups.loc[groups["dose_group"] != "all", "p"].isna().all()
    assert set(groups["visit"]) == {"W2", "W4", "W8", "W12", "whole"}


def test_a_run_without_th17_or_treg_says_why_there_is_no_balance():
    again = mechanism(run_tables(only=("nk", "b_cells")), FACTS, PLAN, assessed=ASSESSED)
    assert again.tables["balance"]["note"].tolist() == [
        "not estimable: the run has not both Th17 and Treg as percent of CD4 cells"
    ]
    page = markdown(mechanism_page(again.joined, again.tables), "X", "y")
    assert "Not in this run: treg, th1, th17" in page
    assert "not estimable: the run has not both Th17 and Treg" in page


def test_leaving_out_is_what_the_run_without_the_patient_gives(found):
    facts = replace(FACTS, group_of={one: group for one, group in FACTS.group_of.items() if one != "S7"})
    tables = {name: table[table["subject"] != "S7"] for name, table in RUN.items()}
    without = mechanism(tables, facts, PLAN, assessed=ASSESSED)
    for headline, at in (
        ("mean change", "W4"),
        ("difference by response", "W4"),
        ("r within patients", "all visits"),
        ("difference of lags", "all visits"),
        ("product, path with exposure", "W4"),
    ):
        whole = row(found, "leave_one_out", headline=headline, endpoint="treg", at=at)
        less = row(without, "leave_one_out", headline=headline, endpoint="treg", at=at)
        assert json.loads(whole["without"])["S7"] == pytest.approx(less["estimate"])
        assert whole["lowest"] <= whole["highest"]
        moved = max(json.loads(whole["without"]).items(), key=lambda one: abs(one[1] - whole["estimate"]))
        assert whole["moves_most"] == moved[0]


def test_an_estimate_that_one_patient_carries_is_seen_to_be():
    tables = {name: table.copy() for name, table in RUN.items()}
    there = (tables["changes"]["subject"] == "S1") & (tables["changes"]["population"] == "nk")
    there &= tables["changes"]["visit"] == "W4"
    tables["changes"].loc[there, ["count", "value"]] = [4500, 50.0]
    rows = leave_one_out(join(tables, FACTS, PLAN, assessed=ASSESSED), 1)
    nk = rows[(rows["headline"] == "mean change") & (rows["endpoint"] == "nk")].iloc[0]
    assert nk["moves_most"] == "S1"
    assert abs(nk["moved_by"]) > 0.15


def test_the_order_of_time_is_told_only_where_the_stretches_do_not_overlap(found):
    orders = {one["subject"]: one for one in records(found.tables["time_order"]) if one["endpoint"] == "treg"}
    responder = orders["S4"]
    assert responder["response_after_day"] < responder["response_day"]
    assert responder["immune_after_day"] < responder["immune_day"]
    for one in orders.values():
        if one["which_first"] == "immune change first":
            assert one["immune_day"] <= one["response_after_day"]
        if one["which_first"] == "platelets first":
            assert one["response_day"] <= one["immune_after_day"]
    counts = row(found, "order_counts", endpoint="treg")
    parts = ("immune_first", "platelets_first", "cannot_tell", "response_only")
    assert sum(counts[name] for name in parts) == counts["responders"] == 4
    assert pd.isna(counts["p"])


def test_a_count_soon_after_rescue_is_no_platelet_count_of_a_visit():
    joined = join(RUN, FACTS, PLAN, assessed=ASSESSED)
    place = joined.measured.facts.labels.index("W4")
    assert np.isnan(joined.platelets[SUBJECTS.index("S9"), place])
    expected = {one["subject"]: one["platelets_1e9_per_l"] for one in platelet_counts() if one["study_day"] == 29}
    assert joined.platelets[0, place] == pytest.approx(np.log2(expected["S1"]))


def test_what_follows_a_visit_comes_after_it():
    late = {**ASSESSED, "platelet_visits": ASSESSED["platelet_visits"].query("study_day <= 29")}
    assert np.isnan(join(RUN, FACTS, PLAN, assessed=late).afterwards["W4"]).all()


def test_the_page_says_all_that_the_data_cannot_say(found):
    page = mechanism_page(found.joined, found.tables)
    assert page.sections[-1].heading == "What the data cannot say"
    text = markdown(page, "X <b>", PLAN.digest)
    assert "X &lt;b>" in text
    for word in (
        "compared with a control arm",
        "regression to the mean",
        "conditions on the outcome",
        "calendar time",
        "two to ",
    ):
        assert word in text
    assert "cohort more expands dose group C" in text
    assert "known in 7 of 9" in text
    assert all(sentence in page.sections[-1].paragraphs for sentence in cannot_say(found.joined))
    assert " nan" not in text
