"""Specimens older than the study allows are named, and those without an age are counted."""

import datetime
from pathlib import Path

from immunomon.runs.checks.tube import Tube, specimen_notes
from immunomon.study.model.fcs import FcsHeader
from immunomon.study.model.study import Role, Sample, Study


def tube(name, collected, measured):
    sample = Sample(Path(name), name, "treg", Role.parse("sample"), "S01", "W4", collection_date=collected)
    keywords = {"$DATE": measured} if measured else {}
    return Tube(sample, Path(name), FcsHeader(Path(name), "3.1", keywords, (), 0))


def study(limit):
    return Study("x", "x", (), (), (), (), (), most_specimen_age_days=limit)


DAY = datetime.date(2025, 1, 13)
TUBES = [tube("a.fcs", DAY, "14-JAN-2025"), tube("b.fcs", DAY, "16-JAN-2025"), tube("c.fcs", None, "16-JAN-2025")]


def test_without_a_limit_nothing_is_said():
    assert specimen_notes(study(None), TUBES) == []


def test_an_old_specimen_is_named_with_its_age_and_one_without_dates_is_counted():
    of = "the study allows 1 day from collection to measurement (specimens: most_age_days)"
    assert specimen_notes(study(1), TUBES) == [
        f"1 specimen older: b.fcs (3 days); {of}",
        f"1 specimen without an age, as a date is missing; {of}",
    ]


def test_a_specimen_of_the_last_day_that_is_allowed_is_not_old():
    assert specimen_notes(study(3), TUBES[:2]) == []
