"""What was approved stands where one looks for it: in the status, the report, the database, the delivery."""

import json
import sqlite3

import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.outputs.database.database import export_run
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.outputs.report.page import write_report
from immunomon.runs.verdicts import digest_seen, record_verdicts

APPROVED, QUERIED = "fcs__treg__S01_W4_treg", "fcs__treg__S02_W4_treg"


@pytest.fixture
def reviewed(own_run):
    """A run of which one sample was approved and one queried."""
    for sample, verdict, note in ((APPROVED, "approved", ""), (QUERIED, "query", "clotted?")):
        record_verdicts(
            own_run, [sample], verdict, by="A. Nurse", note=note, seen={sample: digest_seen(own_run, sample)}
        )
    return own_run


def status_of(run):
    return CliRunner().invoke(app, ["status", str(run)]).output


def test_the_status_says_how_far_the_review_is(reviewed):
    gated = len(list((reviewed / "samples").glob("*.json")))
    assert f"review: 1 of {gated} approved, 1 query open; go on with: immunomon review" in status_of(reviewed)


def test_the_report_says_what_was_approved(reviewed):
    page = write_report(reviewed).read_text(encoding="utf-8")
    assert "approved, 1 query open" in page
    assert '"state":"query","by":"A. Nurse"' in page


def test_a_report_of_a_run_that_nobody_looked_at_says_so(own_run):
    assert "no sample approved by a person yet" in write_report(own_run).read_text(encoding="utf-8")


def rows(run, query):
    with sqlite3.connect(run / "immunomon.sqlite") as connection:
        return connection.execute(query).fetchall()


def test_the_database_holds_the_verdicts_and_those_before(reviewed):
    export_run(reviewed)
    query = "SELECT sample_id, panel, state, by_whom, note FROM reviews ORDER BY sample_id"
    assert rows(reviewed, query) == [
        (APPROVED, "treg", "approved", "A. Nurse", ""),
        (QUERIED, "treg", "query", "A. Nurse", "clotted?"),
    ]
    [(samples, approved, queries)] = rows(reviewed, "SELECT samples, approved, queries_open FROM v_review")
    assert (approved, queries, samples > 2) == (1, 1, True)
    seen = {QUERIED: digest_seen(reviewed, QUERIED)}
    record_verdicts(reviewed, [QUERIED], "approved", by="B. Nurse", note="it is not", seen=seen)
    assert export_run(reviewed).outcome == "replaced"
    assert export_run(reviewed).outcome == "unchanged"
    assert [row[2:] for row in rows(reviewed, query)] == [
        ("approved", "A. Nurse", ""),
        ("approved", "B. Nurse", "it is not"),
    ]
    assert rows(reviewed, "SELECT state, note FROM reviews_history") == [("query", "clotted?")]


def test_a_delivery_says_what_was_not_approved(reviewed, tmp_path):
    deliver_run(reviewed, tmp_path / "delivery", kind="csv")
    review = json.loads((tmp_path / "delivery" / "manifest.json").read_text(encoding="utf-8"))["review"]
    assert review["states"] == {"approved": 1, "not reviewed": review["samples"] - 2, "query": 1}
    assert review["panels"] == {"treg": review["states"]}
    assert review["not_approved"][QUERIED] == "query"
    assert APPROVED not in review["not_approved"]
