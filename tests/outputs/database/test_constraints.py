"""The database itself refuses what cannot be, whoever writes."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError


def check_references(connection, _):
    """Do as SQLite's own documentation asks of everybody who writes."""
    connection.execute("PRAGMA foreign_keys = ON")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE frequencies SET percent = 100.1",
        "UPDATE frequencies SET percent = -0.1",
        "UPDATE frequencies SET count = -1",
        "UPDATE populations SET percent_of_parent = 100.1",
        "UPDATE populations SET count = parent_count + 1",
        "UPDATE populations SET reportable = (1 = 0), reason = NULL",
        "UPDATE frequencies SET reportable = (1 = 0), reason = ''",
        "UPDATE frequencies SET sample_id = NULL",
        "UPDATE frequencies SET sample_id = 'nobody'",
        "UPDATE medians SET population = 'nothing'",
        "UPDATE samples SET subject = 'nobody'",
        "UPDATE samples SET status = 'fine'",
        "UPDATE samples SET status = 'failed', reason = NULL",
        "UPDATE changes SET status = 'doubled', reason = NULL, change = NULL",
        "UPDATE changes SET status = 'perhaps', reason = 'x', change = NULL",
        "UPDATE changes SET value = 101 WHERE quantity = 'percent'",
        "UPDATE changes SET denominator = NULL, population = 'treg', quantity = 'cells_per_ul'",
        "UPDATE changes SET visit = 'W99'",
        "UPDATE summary SET mean = NULL",
        "UPDATE frequencies SET unit = NULL",
        "UPDATE frequencies SET unit = 'permille'",
        "UPDATE frequencies SET denominator = ''",
        "UPDATE frequencies SET subject = NULL",
        "UPDATE frequencies SET visit = NULL",
        "UPDATE frequencies SET population = NULL",
        "UPDATE frequencies SET percent = NULL, reason = NULL",
        "UPDATE populations SET visit = NULL",
        "UPDATE medians SET subject = NULL",
        "UPDATE medians SET unit = '%'",
        "UPDATE medians SET median_intensity = NULL, reason = NULL",
        "UPDATE changes SET unit = 'cells/uL'",
        "UPDATE changes SET denominator = NULL",
        "UPDATE changes SET subject = NULL",
        "UPDATE samples SET specimen = 'nobody.W4.2025'",
        "UPDATE samples SET file = 'elsewhere.fcs'",
        "UPDATE files SET sha256 = NULL, reason = NULL",
        "UPDATE subjects SET dose_group = 'none'",
        "UPDATE frequencies_history SET why = ''",
        "UPDATE runs SET is_current = (1 = 1)",
        "DELETE FROM subjects",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(ask, exported, change):
    asked = ask(exported)
    if exported.startswith("sqlite"):
        event.listen(asked.engine, "connect", check_references)
    with pytest.raises(IntegrityError):
        asked.do(change)


@pytest.mark.after_an_export
def test_a_percent_of_something_that_does_not_hold_the_population_may_exceed_100(asked):
    asked.do("UPDATE frequencies SET percent = 150, count = 3, denominator_count = 2")
