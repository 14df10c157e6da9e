"""ADEFF and its fellows: worked out a second time from LB alone, traced to it, and the flags of ADLB."""

from __future__ import annotations

import random

import pytest
from support.response_again import response_again

from immunomon.outputs.delivery.adam import adam_datasets, subject_level
from immunomon.outputs.delivery.dataset import Dataset, Variable, dataset_of
from immunomon.outputs.delivery.efficacy import efficacy, responses_of
from immunomon.outputs.delivery.sdtm import Sdtm
from immunomon.study.model.endpoints import PlateletRules


@pytest.fixture(scope="module")
def adam(content, sdtm):
    return {dataset.name: dataset for dataset in adam_datasets(content, sdtm)}


def records(datasets, name):
    return list(datasets[name].records())


def told(rows):
    """Return what ADEFF says as ``response_again`` does."""
    values = {}
    for row in rows:
        timed = row["PARAMCD"] in {"TTR", "DOR", "TTCR", "DOCR"}
        values.setdefault(row["USUBJID"], {})[row["PARAMCD"]] = (row["AVAL"], row["CNSR"]) if timed else row["AVALC"]
    return values


def agree(rows, again):
    mine = told(rows)
    assert set(mine) == set(again)
    for who, values in again.items():
        for code, value in values.items():
            assert mine[who].get(code) == value, (who, code)


def test_adeff_is_what_lb_alone_says(adam, sdtm):
    supplement = list(sdtm.dataset("SUPPLB").records())
    medication = list(sdtm.dataset("CM").records())
    agree(records(adam, "ADEFF"), response_again(list(sdtm.dataset("LB").records()), supplement, medication))


def made_up(seed):
    """Return LB and SUPPLB of 40 subjects whose counts wander over every limit, with gaps, bleeding and rescue."""
    chance = random.Random(seed)
    counts, qualifiers = [], []
    for subject in range(40):
        who, level, number = f"S-{subject:02}", chance.uniform(8, 60), 0
        for week in range(29):
            if chance.random() < 0.12:
                continue
            number += 1
            level = min(max(level * chance.choice((0.5, 0.8, 1, 1, 1.3, 2.2)), 3), 260)
            day = -1 if week == 0 else 7 * week + 1
            value = None if chance.random() < 0.05 else float(round(level))
            counts.append(
                {"USUBJID": who, "LBSEQ": number, "LBTESTCD": "PLAT", "LBSTRESN": value, "LBDY": day}
                | {"LBDTC": "2025-01-01", "VISIT": f"W{week}"}
            )
            answers = {"BLEED": chance.choice("NNNNNY-"), "RESCUE": "Y" if chance.random() < 0.03 else "N"}
            qualifiers += [
                {"USUBJID": who, "IDVARVAL": str(number), "QNAM": name, "QVAL": answer}
                for name, answer in answers.items()
                if answer != "-"
            ]
    return counts, qualifiers


def table(name, rows):
    numbers = {"LBSEQ": "integer", "LBDY": "integer", "LBSTRESN": "float"}
    variables = tuple(Variable(column, column, numbers.get(column, "text")) for column in rows[0])
    return dataset_of(Dataset(name, name, variables, ()), rows)


@pytest.mark.parametrize("seed", range(5))
def test_responses_of_wandering_counts_agree_with_the_second_reckoning(seed, content):
    counts, qualifiers = made_up(seed)
    datasets = Sdtm((table("LB", counts), table("SUPPLB", qualifiers)), (), {})
    people = subject_level(content.trial)
    row = dict(next(people.records()))
    who = sorted({count["USUBJID"] for count in counts})
    subjects = dataset_of(Dataset("ADSL", "", people.variables, ()), [{**row, "USUBJID": one} for one in who])
    rows = efficacy(responses_of(datasets, PlateletRules()), subjects)
    again = response_again(counts, qualifiers)
    agree(rows, again)
    # Cases that cannot fail prove nothing: every outcome is among them.
    assert {values["BOR"] for values in again.values()} >= {"CR", "R", "NR"}
    assert {"Y", "N"} <= {values["LOSS"] for values in again.values()}


def test_every_value_of_adeff_names_a_platelet_count_of_its_day(adam, sdtm):
    platelets = {
        (row["USUBJID"], row["LBSEQ"]): row for row in sdtm.dataset("LB").records() if row["LBTESTCD"] == "PLAT"
    }
    for row in records(adam, "ADEFF"):
        source = platelets[row["USUBJID"], row["SRCSEQ"]]
        assert row["ADY"] == source["LBDY"]


def test_counts_of_adlb_say_what_they_are_and_other_tests_do_not(adam):
    for row in records(adam, "ADLB"):
        assert (row["RSPLEVEL"] is not None) == (row["PARAMCD"] == "PLAT")
        if row["RSPLEVEL"] in {"CR", "R", "NR"}:
            assert row["RSPFL"] == ("N" if row["RSPLEVEL"] == "NR" else "Y")
            assert row["CRFL"] == ("Y" if row["RSPLEVEL"] == "CR" else "N")
        if row["RSPLEVEL"] == "CR":
            assert row["AVAL"] >= 100


def test_adae_has_every_event_and_flags_the_first_of_each_kind_once(adam, sdtm):
    events = records(adam, "ADAE")
    assert [(one["USUBJID"], one["AESEQ"]) for one in events] == [
        (one["USUBJID"], one["AESEQ"]) for one in sdtm.dataset("AE").records()
    ]
    flagged = [one["USUBJID"] for one in events if one["AOCCFL"] == "Y"]
    assert len(flagged) == len(set(flagged)) == len({one["USUBJID"] for one in events if one["TRTEMFL"] == "Y"})
    assert all(one["TRTEMFL"] == "Y" for one in events if one["AOCCPFL"] == "Y")


def test_adpc_has_no_number_below_quantification(adam):
    below = [one for one in records(adam, "ADPC") if str(one["AVALC"]).startswith("<")]
    assert below
    assert {one["AVAL"] for one in below} == {None}


def test_a_rescue_of_several_days_counts_from_its_first_to_its_last_as_in_assess(content):
    def lb(number, day, count):
        row = {"USUBJID": "S-1", "LBSEQ": number, "LBTESTCD": "PLAT", "LBSTRESN": float(count), "LBDY": day}
        return row | {"LBDTC": "2025-01-01", "VISIT": f"W{number}"}

    counts = [lb(1, -1, 10), lb(2, 40, 60), lb(3, 50, 60), lb(4, 60, 60)]
    quiet = [{"USUBJID": "S-1", "IDVARVAL": str(n), "QNAM": "BLEED", "QVAL": "N"} for n in range(1, 5)]
    course = {"USUBJID": "S-1", "CMCAT": "RESCUE", "CMSTDY": 8, "CMENDY": 14}
    variables = (Variable("USUBJID", ""), Variable("CMCAT", ""), Variable("CMSTDY", "", "integer"))
    given = dataset_of(Dataset("CM", "", (*variables, Variable("CMENDY", "", "integer")), ()), [course])
    responses = responses_of(Sdtm((table("LB", counts), table("SUPPLB", quiet), given), (), {}), PlateletRules())
    # Day 40 is within 28 days of day 14, though not of day 8.
    assert [row["level"] for row in responses.courses["S-1"].rows] == ["baseline", "NR", "R", "R"]
