"""ADaM: baseline and change worked out a second time, from CP alone."""

import math
from dataclasses import replace

import pandas as pd
import pyreadstat
import pytest
from support.small_run import small_trial

from immunomon.outputs.conformance.check import check_delivery
from immunomon.outputs.delivery.adam import adam_datasets
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.outputs.delivery.read import read_delivery
from immunomon.outputs.delivery.sdtm import sdtm_datasets
from immunomon.outputs.delivery.trial import trial_of
from immunomon.runs.run import run_study


@pytest.fixture(scope="module")
def frames(delivered):
    """Return CP, SUPPCP, DM and ADCP as another program reads them from the delivered files."""
    folder = delivered("adam")

    def frame(path):
        return pyreadstat.read_xport(str(folder / path), disable_datetime_conversion=True)[0]

    return {name: frame(f"{part}/{name}.xpt") for part, name in (("sdtm", "cp"), ("sdtm", "suppcp"), ("adam", "adcp"))}


def from_cp(cp):
    """Work out baseline and changes from CP alone: the baseline visit is D-1, one tube a visit."""
    tests = ["USUBJID", "CPTSTPNL", "CPTESTCD", "CPSBMRKS", "CPCELSTA", "CPMRKSTR"]
    base = cp[(cp["VISIT"] == "D-1") & cp["CPSTRESN"].notna()].set_index(tests)["CPSTRESN"]
    assert base.index.is_unique
    rows = cp.join(base.rename("BASE"), on=tests)
    rows["CHG"] = (rows["CPSTRESN"] - rows["BASE"]).where(rows["VISIT"] != "D-1")
    rows["PCHG"] = (100 * rows["CHG"] / rows["BASE"]).where(rows["BASE"] != 0)
    return rows.set_index(["USUBJID", "CPSEQ"])[["CPSTRESN", "BASE", "CHG", "PCHG"]]


def test_values_baselines_and_changes_are_those_worked_out_from_cp_alone(frames):
    adcp = frames["adcp"][(frames["adcp"]["PARAMTYP"] != "DERIVED")]
    again = from_cp(frames["cp"]).loc[list(zip(adcp["USUBJID"], adcp["SRCSEQ"], strict=True))]
    assert len(adcp) == len(frames["cp"])
    assert adcp["CHG"].notna().sum() > 20
    for theirs, ours in (("CPSTRESN", "AVAL"), ("BASE", "BASE"), ("CHG", "CHG"), ("PCHG", "PCHG")):
        pd.testing.assert_series_equal(
            again[theirs].reset_index(drop=True), adcp[ours].reset_index(drop=True), check_names=False, rtol=1e-12
        )


def test_the_actual_dose_is_the_mean_of_what_was_given(received, content):
    given: dict[str, list[float]] = {}
    for record in received("adam")["EX"].records():
        given.setdefault(record["USUBJID"], []).append(record["EXDOSE"])
    doses = {record["USUBJID"]: record["DOSE01A"] for record in received("adam")["ADSL"].records()}
    assert doses == {whose: pytest.approx(sum(values) / len(values)) for whose, values in given.items()}
    rows = [{**row, "dose_1e6_per_kg": row["infusion"] / 4} for row in content.assessments.rows("infusions")]
    tables = replace(content.assessments, tables={**content.assessments.tables, "infusions": rows})
    trial = trial_of(content.source.study, tables, content.cp_map.spec.sponsor)
    assert [trial.dose_given(person) for person in trial.persons] == [0.625] * 3  # not the doses planned


def test_log_odds_are_those_of_the_counts_beside_cp(frames):
    counts = frames["suppcp"].set_index(["USUBJID", "IDVARVAL", "QNAM"])["QVAL"]
    rows = frames["adcp"][(frames["adcp"]["PARCAT1"] == "LOG-ODDS") & frames["adcp"]["AVAL"].notna()]
    assert len(rows) > 10
    for row in rows.itertuples():
        count, of = (int(counts[row.USUBJID, f"{row.SRCSEQ:g}", name]) for name in ("EVTCNT", "DENCNT"))
        assert math.isclose(row.AVAL, math.log((count + 0.5) / (of - count + 0.5)), rel_tol=1e-12)


def test_changes_are_those_of_the_runs_own_table(content, received):
    wanted = {
        (change["subject"], change["visit"], change["population"], change["denominator"]): change["change"]
        for change in content.changes.values()
        if change["quantity"] == "percent" and change["status"] == "ok" and change["visit"] != "D-1"
    }
    tests = {test.paramcd: quantity for quantity, test in content.cp_map.tests.items() if quantity.panel == "treg"}
    compared = 0
    for row in received("adam")["ADCP"].records():
        quantity = tests.get(str(row["PARAMCD"]))
        key = (row["SUBJID"], row["AVISIT"], quantity.population, quantity.denominator) if quantity else None
        if key in wanted:
            assert row["CHG"] == pytest.approx(float(wanted[key]), abs=1e-7)
            compared += 1
    assert compared == len(
        {key for key in wanted if key[2:] in {(q.population, q.denominator) for q in tests.values()}}
    )


def test_a_parameter_has_one_name_and_one_baseline_a_subject(frames):
    adcp = frames["adcp"]
    names = adcp[["PARAMCD", "PARAM"]].drop_duplicates()
    assert names["PARAMCD"].is_unique
    assert names["PARAM"].is_unique
    assert (adcp[adcp["ABLFL"] == "Y"].groupby(["USUBJID", "PARAMCD"]).size() == 1).all()
    assert adcp["PARAMCD"].str.len().max() <= 8


def test_a_record_is_analysed_or_says_why_not(frames):
    adcp = frames["adcp"]
    assert ((adcp["ANL01FL"] == "Y") ^ (adcp["ANLREAS"] != "")).all()
    assert adcp.loc[adcp["ANL01FL"] == "Y", "AVAL"].notna().all()


def test_a_change_beyond_the_reference_change_is_flagged(frames):
    judged = frames["adcp"][frames["adcp"]["CRIT1FL"] != ""]
    ratio = judged["AVAL"] / judged["BASE"]
    assert ((judged["CRIT1FL"] == "Y") == ((ratio > 1.6441) | (ratio < 1 / 1.6441))).all()
    assert "N" in set(judged["CRIT1FL"])


def test_of_two_tubes_at_a_visit_neither_is_analysed(content, sdtm):
    from dataclasses import replace

    from immunomon.outputs.delivery.adam import adam_datasets

    wanted = [one for one in sdtm.cp if (one.measurement.visit, one.test.paramcd) == ("W4", "RTL")]
    doubled = wanted[:1]
    twice = replace(sdtm, cp=(*sdtm.cp, *(replace(one, sequence=999) for one in doubled)))
    adcp = next(one for one in adam_datasets(content, twice) if one.name == "ADCP")
    whose = f"{content.trial.name}-{doubled[0].measurement.subject}"
    rows = [one for one in adcp.records() if (one["USUBJID"], one["PARAMCD"], one["AVISIT"]) == (whose, "RTL", "W4")]
    assert len(rows) == 2
    assert {(one["ANL01FL"], one["CHG"]) for one in rows} == {(None, None)}
    assert {one["ANLREAS"] for one in rows} == {"more than one tube of the panel at the visit"}


def test_a_ratio_leads_to_the_records_of_both_of_its_percents(tmp_path):
    study = small_trial(tmp_path / "study", events=6000, panels=("treg", "thelper"))
    declared = "\nratios:\n  - {name: cd4_cd8, panel: thelper, numerator: cd4, denominator: cd8, of: t_cells}\n"
    helper = "  - {{name: {}, label: Helper balance, panel: thelper, numerator: th1, denominator: {}, of: cd4}}\n"
    declared += helper.format("th1_thdn", "th_dn") + helper.format("th1_th17", "th17")
    with (study / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(declared)
    assert run_study(study, jobs=2).complete
    deliver_run(study / "run", tmp_path / "adam", kind="adam")
    assert check_delivery(tmp_path / "adam").of("error") == ()
    delivered = read_delivery(tmp_path / "adam")
    percent = {(row["USUBJID"], row["CPSEQ"]): row for row in delivered["CP"].records()}
    ratios = [row for row in delivered["ADCP"].records() if row["PARAMCD"] == "TH17TREG"]
    assert len(ratios) == 6
    assert sum(row["AVAL"] is not None for row in ratios) >= 3
    for row in ratios:
        upper, lower = (percent[row["USUBJID"], row[name]] for name in ("SRCSEQ", "SRCSEQD"))
        assert [one["CPSPTSTD"].split(",")[0] for one in (upper, lower)] == ["Th17", "Treg"]
        assert {upper["VISIT"], lower["VISIT"]} == {row["AVISIT"]}
        if row["AVAL"] is not None:
            assert row["AVAL"] == pytest.approx(upper["CPSTRESN"] / lower["CPSTRESN"])
    parameters = {str(row["PARAMCD"]): row["PARAM"] for row in delivered["ADCP"].records()}
    assert parameters["TH1THDN"] == "Helper balance (th1_thdn), ratio (panels thelper/thelper)"
    assert parameters["TH1TH17"] == "Helper balance (th1_th17), ratio (panels thelper/thelper)"
    own = [row for row in delivered["ADCP"].records() if row["PARAMCD"] == "CD4CD8"]
    assert {row["PARAM"] for row in own} == {"CD4 T cells/CD8 T cells, ratio (panels thelper/thelper)"}
    assert len(own) == 6
    for row in own:
        upper, lower = (percent[row["USUBJID"], row[name]] for name in ("SRCSEQ", "SRCSEQD"))
        assert row["AVAL"] == pytest.approx(upper["CPSTRESN"] / lower["CPSTRESN"])
        assert "0.49 or above 2.02" in str(row["CRIT1"]) or not row["CRIT1"]


def test_the_cohort_of_an_expanded_dose_is_told_apart_although_its_arm_is_the_same(content):
    study = dict(content.source.study)
    study["cohorts"] = [{"name": "C", "dose_group": "C"}, {"name": "more", "dose_group": "C", "expansion": True}]
    study["subjects"] = [{**one, "dose_group": "C", "cohort": "C"} for one in study["subjects"]]
    study["subjects"][-1]["cohort"] = "more"
    expanded = replace(content, trial=trial_of(study, content.assessments, content.cp_map.spec.sponsor))
    sdtm = sdtm_datasets(expanded)
    last = study["subjects"][-1]["id"]
    assert {row["ARM"] for row in sdtm.dataset("DM").records()} == {"C: 2 x10^6 cells/kg"}
    assert [row["QVAL"] for row in sdtm.dataset("SUPPDM").records()] == ["C", "C", "more"]
    adam = {dataset.name: dataset for dataset in adam_datasets(expanded, sdtm)}
    assert [(row["COHORT"], row["EXPFL"]) for row in adam["ADSL"].records()] == [("C", "N"), ("C", "N"), ("more", "Y")]
    for name in ("ADCP", "ADLB"):
        assert {row["COHORT"] for row in adam[name].records() if row["SUBJID"] == last} == {"more"}
