"""ADaM's basic data structure, by hand."""

import pytest

from immunomon.outputs.delivery.bds import BdsRow, analysed
from immunomon.outputs.delivery.dataset import dataset_of
from immunomon.outputs.delivery.frames import frame
from immunomon.outputs.delivery.trial import PlannedVisit

BASE = PlannedVisit(1, "D-1", -1, (-7, -1), baseline=True)
LATER = PlannedVisit(2, "W4", 29, (26, 32))
SUBJECTS = dataset_of(frame("ADSL"), [{"STUDYID": "D", "USUBJID": "D-1", "TRT01P": "A"}])


def row(value, visit=LATER, **more):
    day = more.pop("day", visit.planned_day)
    return BdsRow("D-1", "X", "X, %", "PERCENT", "%", value, visit, None, day, baseline=visit.baseline, **more)


def after(base, value, limits=(0.5, 2.0), **more):
    records = analysed([row(base, BASE), row(value, **more)], SUBJECTS, limits)
    return next(record for record in records if record["AVISIT"] == "W4")


def test_the_change_is_counted_from_the_baseline():
    later = after(4.0, 5.0)
    assert [later[name] for name in ("BASE", "CHG", "PCHG", "ABLFL", "ANL01FL")] == [4.0, 1.0, 25.0, None, "Y"]


def test_a_baseline_of_0_has_no_percent_change():
    later = after(0.0, 5.0)
    assert [later[name] for name in ("BASE", "CHG", "PCHG")] == [0.0, 5.0, None]


@pytest.mark.parametrize(("value", "flag"), [(8.1, "Y"), (8.0, "N"), (4.0, "N"), (2.0, "N"), (1.9, "Y")])
def test_a_change_beyond_the_limits_is_flagged_and_one_on_them_is_not(value, flag):
    assert after(4.0, value)["CRIT1FL"] == flag


def test_a_value_outside_the_window_is_kept_but_not_analysed():
    later = after(4.0, 5.0, day=33)
    assert (later["AVAL"], later["CHG"], later["ANL01FL"]) == (5.0, 1.0, None)
    assert later["ANLREAS"] == "study day 33 is outside the window 26 to 32"


def test_without_a_baseline_there_is_no_change():
    later = after(None, 5.0)
    assert [later[name] for name in ("BASE", "CHG", "PCHG")] == [None] * 3
    assert "CRIT1FL" not in later


def test_the_baseline_record_has_no_change_of_its_own():
    first = analysed([row(4.0, BASE)], SUBJECTS, None)[0]
    assert (first["ABLFL"], first["BASE"], first["CHG"]) == ("Y", 4.0, None)
