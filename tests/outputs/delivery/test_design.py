"""Trial design and conduct: what is declared or recorded is there, and nothing that is not is made up."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from immunomon.outputs.delivery.conduct import exposures, weights
from immunomon.outputs.delivery.design import subject_elements, trial_arms, trial_elements, trial_summary
from immunomon.study.model.protocol import Protocol, SummaryEntry


def records(sdtm, name):
    return list(sdtm.dataset(name).records())


def rows(run, name):
    with (run.parent / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stated(trial):
    return {record["TSPARMCD"]: record["TSVAL"] or record["TSVALNF"] for record in trial_summary(trial)}


def test_the_study_starts_with_the_earliest_consent(sdtm, run):
    (start,) = [record["TSVAL"] for record in records(sdtm, "TS") if record["TSPARMCD"] == "SSTDTC"]
    assert start == min(row["consent_date"] for row in rows(run, "demographics"))


def test_a_statement_of_the_protocol_stands_in_place_of_what_could_be_worked_out(content):
    declared = Protocol(summary=(SummaryEntry("SSTDTC", "Study Start Date", "2024-11-20"),))
    assert stated(replace(content.trial, protocol=declared))["SSTDTC"] == "2024-11-20"


def test_what_neither_the_protocol_nor_the_study_says_is_not_there(content):
    nobody = tuple(replace(person, consent=None) for person in content.trial.persons)
    bare = stated(replace(content.trial, protocol=Protocol(), persons=nobody))
    assert {"SSTDTC", "TPHASE", "SPONSOR", "OBJPRIM"}.isdisjoint(bare)
    assert bare["ACTSUB"] == str(len(nobody))


def test_each_arm_has_its_three_elements_and_each_subject_goes_through_those_of_the_arm(sdtm):
    arms = {}
    for record in records(sdtm, "TA"):
        arms.setdefault(record["ARMCD"], []).append((record["TAETORD"], record["ETCD"], record["EPOCH"]))
    assert set(arms) == {record["ARMCD"] for record in records(sdtm, "DM")}
    assert all(
        [epoch for _, _, epoch in elements] == ["SCREENING", "TREATMENT", "FOLLOW-UP"] for elements in arms.values()
    )
    of_subject = {record["USUBJID"]: record for record in records(sdtm, "DM")}
    for record in records(sdtm, "SE"):
        planned = arms[of_subject[record["USUBJID"]]["ARMCD"]]
        assert (record["TAETORD"], record["ETCD"], record["EPOCH"]) in planned


def test_the_elements_of_a_subject_follow_consent_infusions_and_the_end(sdtm):
    for person in records(sdtm, "DM"):
        mine = [record for record in records(sdtm, "SE") if record["USUBJID"] == person["USUBJID"]]
        assert (mine[0]["SESTDTC"], mine[0]["SEENDTC"]) == (person["RFICDTC"], person["RFXSTDTC"])
        assert (mine[1]["SESTDTC"], mine[1]["SEENDTC"]) == (person["RFXSTDTC"], person["RFXENDTC"])
        assert mine[2]["SEENDTC"] == person["RFPENDTC"]


def test_without_infusions_there_are_no_arms_or_elements(content):
    persons = tuple(replace(person, infusions=()) for person in content.trial.persons)
    visits = tuple(replace(visit, infusion=0) for visit in content.trial.visits)
    trial = replace(content.trial, persons=persons, visits=visits)
    assert [made(trial) for made in (trial_elements, trial_arms, subject_elements)] == [[], [], []]


def test_doses_lots_and_weights_are_those_recorded(sdtm, run):
    recorded = {(row["subject"], row["infusion"]): row for row in rows(run, "infusions")}
    doses = records(sdtm, "EX")
    numbers = {}
    for record in doses:
        numbers[record["USUBJID"]] = numbers.get(record["USUBJID"], 0) + 1
        row = recorded[record["USUBJID"].rpartition("-")[2], str(numbers[record["USUBJID"]])]
        assert (record["EXDOSE"], record["EXLOT"]) == (float(row["dose_1e6_per_kg"]), row["lot"])
        assert record["EXSTDTC"] == f"{row['date']}T{row['start_time']}"
    assert [record["VSSTRESN"] for record in records(sdtm, "VS")] == [
        float(row["weight_kg"]) for row in rows(run, "infusions")
    ]


def test_without_records_the_planned_dose_says_that_it_is_one_and_there_is_no_weight(content):
    bare = replace(content.assessments, tables={**content.assessments.tables, "infusions": ()})
    doses = exposures(content.trial, bare)
    assert {record["+DOSEPLN"] for record in doses} == {"Y"}
    assert {record["EXDOSE"] for record in doses} == {0.5, 1.0, 2.0}
    assert weights(content.trial, bare) == []


@pytest.mark.parametrize("name", ["TS", "TA", "TE", "TI", "SE", "DS", "CM", "VS", "RELREC", "SUPPEX"])
def test_each_dataset_is_delivered(sdtm, name):
    assert len(sdtm.dataset(name)) > 0
