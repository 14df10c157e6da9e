"""Laboratory values: read, censored, compared, related; what lies beyond a limit is never a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import made_up_trial as made

from immunomon.study.model.endpoints import Analyte
from immunomon.study.model.visits import Visit
from immunomon.trial.assessments.analytes import change_rows, laboratory_page, value_rows
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.mechanism.analyse import mechanism
from immunomon.trial.model.analysis import Endpoint, Family, NotReportable, Scale, default_plan
from immunomon.trial.model.laboratory import as_changes
from immunomon.trial.model.tables import LABORATORY_CHANGES, LABORATORY_VALUES, contracted
from immunomon.trial.specs.assessment_tables import read_assessment_files
from immunomon.trial.statistics.analyse import analyse
from immunomon.trial.statistics.facts import facts_of

HEADER = "subject,visit,study_day,date,analyte,result,unit,lloq"
IL10 = Analyte("il10", "IL-10", "pg/mL", lloq=4, uloq=500, reference_low=None, reference_high=9)
VISITS = [Visit(label, day, baseline=day < 0) for label, day in made.VISITS]
PEOPLE = People({name: Person(name, group, made.DOSES[group]) for name, group in made.GROUPS.items()}, made.DOSES)


def problems(folder, *rows, header=HEADER):
    (folder / "laboratory.csv").write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    files = read_assessment_files(folder, {"S1": None, "S2": None}, [IL10])
    return [f"{one.line} {one.path}: {one.what}" for one in files.problems]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("S7,W4,29,,il10,5,pg/mL,",), "2 subject: the study has no subject 'S7'"),
        (("S1,W4,29,,il1O,5,pg/mL,",), "2 analyte: study.yaml declares no laboratory value 'il1O'"),
        (("S1,W4,29,,il10,5,ng/mL,",), "2 unit: ng/mL, but study.yaml declares il10 in pg/mL"),
        (("S1,W4,29,,il10,3.9,pg/mL,",), "2 result: 3.9 is below the lower limit of quantification 4"),
        (("S1,W4,29,,il10,5,pg/mL,8",), "2 result: 5 is below the lower limit of quantification 8"),
        (("S1,W4,29,,il10,501,pg/mL,",), "2 result: 501 is above the upper limit of quantification 500"),
        (("S1,W4,29,,il10,-5,pg/mL,",), "2 result: '-5' does not fit: at least 0 is wanted"),
        (("S1,W4,29,,il10,<0,pg/mL,",), "2 result: '<0' does not fit: a limit above 0 is wanted"),
        (("S1,W4,29,,il10,low,pg/mL,",), "2 result: 'low' is not a number"),
        (("S1,W4,29,,il10,nan,pg/mL,",), "2 result: 'nan' is not a number"),
        (("S1,W4,29,,il10,5,pg/mL,", "S1,W4,30,,il10,6,pg/mL,"), "3 result: il10 of S1 at W4 has a result on line 2"),
        (("S1,W4,29,,il10,5,pg/mL,", "S1,W4,29,,il10,5,pg/mL,"), "3 analyte: the same subject, visit, study_day"),
    ],
)
def test_a_row_that_is_not_as_declared_is_named_with_its_line(tmp_path, rows, said):
    assert any(one.startswith(said) for one in problems(tmp_path, *rows)), problems(tmp_path, *rows)


def test_limits_are_read_in_the_ways_laboratories_write_them(tmp_path):
    assert problems(tmp_path, "S1,D-1,,,il10,< 4.0,pg/mL,", "S1,W4,,,il10,blq,pg/mL,", "S2,W4,,,il10,>500,pg/mL,") == []
    rows = read_assessment_files(tmp_path, {"S1": None, "S2": None}, [IL10]).rows("laboratory")
    assert [row["result"] for row in rows] == ["<4.0", "<LLOQ", ">500"]
    assert [row["high"] for row in value_rows(PEOPLE, rows, [IL10], visits=VISITS)] == [4.0, 4.0, None]


def row(subject, visit, result, **more):
    return {"subject": subject, "visit": visit, "study_day": None, "date": None, "analyte": "il10", "result": result,
            "unit": "pg/mL", "lloq": None, "uloq": None, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("8", "12", ("up", 1.5, 1.5, 1.5)),
        ("8", "<4", ("down", None, 0.0, 0.5)),
        ("<4", "8", ("up", None, 2.0, None)),
        ("<4", "<4", ("undecided", None, 0.0, None)),
        ("<4", "<20", ("undecided", None, 0.0, None)),
        ("8", "<20", ("undecided", None, 0.0, 2.5)),
        ("8", ">500", ("up", None, 62.5, None)),
        (">500", "250", ("down", None, 0.0, 0.5)),
        ("4", "<LLOQ", ("down", None, 0.0, 1.0)),
        ("8", "8", ("same", 1.0, 1.0, 1.0)),
        (None, "8", (None, None, None, None)),
        ("8", None, (None, None, None, None)),
    ],
)
def test_a_fold_lies_between_what_the_limits_leave_open(before, after, said):
    values = value_rows(PEOPLE, [row("S1", "D-1", before), row("S1", "W4", after)], [IL10], visits=VISITS)
    assert tuple(values[1].get(name) for name in ("direction", "fold", "fold_low", "fold_high")) == said
    # Of a value that a limit hides no number is kept anywhere.
    assert values[1]["value"] is None or values[1]["status"] == "measured"


@pytest.mark.parametrize(
    ("result", "said"), [("8", "within"), ("9.1", "above"), ("<4", "within"), ("<20", None), (">500", "above")]
)
def test_the_reference_range_is_said_unless_a_limit_hides_it(result, said):
    assert value_rows(PEOPLE, [row("S1", "W4", result)], [IL10], visits=VISITS)[0]["in_reference"] == said


def values(**results):
    """Return il10 of nine patients, 8 before and 8 x e^0.4 to e^0.8 after, and what ``results`` say at W4."""
    rows = []
    for number, subject in enumerate(made.SUBJECTS):
        for visit, day in made.VISITS:
            level = 8 * math.exp(0 if day < 0 else 0.4 + 0.05 * number)
            rows.append(row(subject, visit, repr(level), study_day=day))
            if visit == "W4" and subject in results:
                rows[-1]["result"] = results[subject]
    return rows


@pytest.fixture(scope="module")
def censored():
    rows = value_rows(PEOPLE, values(S1="<4", S2="<4", S3=None), [IL10], visits=VISITS)
    return contracted(rows, LABORATORY_VALUES)


@pytest.mark.parametrize("rule", list(NotReportable))
def test_what_is_beyond_a_limit_is_in_no_mean_and_its_limit_is_a_bound(censored, rule):
    facts = facts_of(made.RECORD)
    own = Endpoint("il10", "laboratory", "il10", "", "laboratory", scale=Scale.LOG)
    plan = default_plan(facts.visits)
    plan = type(plan)(**{**vars(plan), "endpoints": (*plan.endpoints, own), "not_reportable": rule,
                         "primary": Family("primary", (*plan.primary.endpoints, "il10"), ("W4",))})  # fmt: skip
    tables = {**made.run_tables(), "laboratory": censored}
    analysis = analyse(tables, facts, plan, models=False)
    estimates = analysis.tables["estimates"]
    mine = (estimates["endpoint"] == "il10") & (estimates["dose_group"] == "all") & (estimates["measure"] == "change")
    at_week_4 = estimates[mine & (estimates["at"] == "W4")].iloc[0]
    assert (at_week_4["n"], at_week_4["role"]) == (6, "primary")
    measured_changes = [0.4 + 0.05 * number for number in range(3, 9)]
    assert at_week_4["mean"] == pytest.approx(np.mean(measured_changes))
    lacking = analysis.tables["missing"]
    lacking = lacking[(lacking["endpoint"] == "il10") & (lacking["visit"] == "W4") & (lacking["dose_group"] == "all")]
    words = lacking["missing"].iloc[0]
    assert words == ("S1: below the lower limit of quantification, 4 pg/mL; "
                     "S2: below the lower limit of quantification, 4 pg/mL; S3: no result")  # fmt: skip
    assert lacking["n_with_counts"].iloc[0] == 8
    assert lacking["mean_with_counts"].iloc[0] == pytest.approx(np.mean([*measured_changes, *[math.log(0.5)] * 2]))
    # What cells lend each other stays as it is without any serum.
    without = analyse(made.run_tables(), facts, default_plan(facts.visits), models=False).tables["estimates"]
    both = estimates[estimates["panel"] != "laboratory"].merge(
        without, on=["endpoint", "dose_group", "measure", "at"], suffixes=("", "_without")
    )
    assert len(both) > 100
    assert both["moderated_low"].equals(both["moderated_low_without"].rename("moderated_low"))


def test_up_and_down_count_the_censored_and_the_sign_test_is_exact(censored):
    rows = censored.astype(object).where(censored.notna(), None).to_dict("records")
    counted = contracted(change_rows(PEOPLE, rows, VISITS), LABORATORY_CHANGES)
    at_week_4 = counted[(counted["visit"] == "W4") & (counted["dose_group"] == "all")].iloc[0]
    assert at_week_4[["n", "below", "with_fold", "up", "down"]].tolist() == [8, 2, 6, 6, 2]
    assert at_week_4["p_sign"] == pytest.approx(2 * sum(math.comb(8, k) for k in range(3)) / 2**8)
    page = laboratory_page({"laboratory_values": censored, "laboratory_changes": counted})
    results = page.sections[0].sheets[1].rows
    assert ("IL-10, pg/mL", "S1", "W4", "29", "<4", "< 0.5", "within", "-") in results


def test_laboratory_values_take_the_form_of_changes(censored):
    changes = as_changes(censored, dict(made.VISITS))
    of_s1 = changes[changes["subject"] == "S1"].set_index("visit")
    assert of_s1["status"].to_dict() == {"D-1": "ok", "W2": "ok", "W4": "not reportable", "W8": "ok", "W12": "ok"}
    assert of_s1["value"].isna().to_dict()["W4"]
    assert of_s1.loc["W8", "change"] == pytest.approx(8 * (math.exp(0.4) - 1))
    hidden = contracted(value_rows(PEOPLE, [row("S1", "D-1", "<4"), row("S1", "W4", "8")], [IL10], visits=VISITS),
                        LABORATORY_VALUES)  # fmt: skip
    assert list(as_changes(hidden, dict(made.VISITS))["status"]) == ["not reportable", "baseline not reportable"]


def test_a_mechanism_looks_at_every_laboratory_value(censored):
    facts = facts_of(made.RECORD)
    found = mechanism({**made.run_tables(), "laboratory": censored}, facts, default_plan(facts.visits),
                      assessed=made.assessed())  # fmt: skip
    for name in ("by_response", "within_patients", "lags", "path", "time_order", "leave_one_out"):
        assert "laboratory:il10" in set(found.tables[name]["endpoint"]), name
    mine = found.tables["by_response"]
    assert mine.loc[mine["endpoint"] == "laboratory:il10", ["responders", "others"]].values.tolist() == [[4, 2]]


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [("0", "5", "up"), ("0", "0", "same"), ("5", "0", "down"), ("0", ">9", "up"), ("<4", "0", "undecided")],
)
def test_from_0_on_there_is_a_way_but_no_fold(before, after, way):
    analyte = Analyte("il10", "IL-10", "pg/mL")
    changed = value_rows(PEOPLE, [row("S1", "D-1", before), row("S1", "W4", after)], [analyte], visits=VISITS)[1]
    assert (changed["direction"], changed["fold"]) == (way, None)
