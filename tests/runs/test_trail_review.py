"""The audit trail is reviewed: what is new, what is unusual, and that the review is itself in the trail."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import ImmunomonError
from immunomon.runs.audit import AuditTrail
from immunomon.runs.trail_review import note_shown, record_review, review_trail


@pytest.fixture
def run(tmp_path):
    """Return a run folder of ten samples whose trail has the entry of the run."""
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text(json.dumps({"files": [{"sample_id": f"s{n}"} for n in range(10)]}), encoding="utf-8")
    AuditTrail(root).seal(by="A", reason="", digest="d1")
    return root


def override(run, sample, *, by="A", reason="clotted"):
    decision = {"action": "drop-sample", "sample": sample}
    AuditTrail(run).append("override", by=by, reason=reason, target=f"drop-sample {sample}", decision=decision)


def what(run):
    return [unusual.what for unusual in review_trail(run).unusual]


def test_a_plain_trail_has_nothing_unusual_and_was_never_reviewed(run):
    override(run, "s1")
    review = review_trail(run)
    assert (review.reviewed, [entry["action"] for entry in review.entries]) == (None, ["run", "override"])
    assert review.unusual == ()


def test_a_decision_after_a_delivery_or_an_analysis_is_unusual_and_one_before_is_not(run, monkeypatch):
    override(run, "s1")
    (run / "statistics").mkdir()
    (run / "statistics" / "analysis.json").write_text("{}", encoding="utf-8")
    os.utime(run / "statistics" / "analysis.json", (1_000_000_000, 1_000_000_000))
    (said,) = what(run)
    assert said.startswith("decided after results had been seen (statistics/analysis.json, by the date of the file)")
    os.utime(run / "statistics" / "analysis.json", (4_000_000_000, 4_000_000_000))
    assert what(run) == []


def test_results_that_were_seen_are_told_from_the_trail_and_not_from_clocks_or_dates_of_files(run):
    override(run, "s1")
    (run / "statistics").mkdir()
    (run / "statistics" / "analysis.json").write_text("{}", encoding="utf-8")
    assert note_shown(run, "compare") == ""
    os.utime(run / "statistics" / "analysis.json", (1_000_000_000, 1_000_000_000))
    assert what(run) == []  # the file's date is older than the decision, the entry is not
    note_shown(run, "compare")
    assert len(AuditTrail(run).entries()) == 3  # one entry for each state of the run
    override(run, "s2")
    assert what(run) == ["decided after results had been seen (compare, entry 3): drop-sample s2, by A"]
    note_shown(run, "compare")
    AuditTrail(run).seal(by="A", reason="", digest="d1")
    assert len(what(run)) == 1
    AuditTrail(run).seal(by="A", reason="", digest="d2")
    assert what(run)[1:] == ["run anew, with other results, after they had been seen (compare, entry 3)"]


def test_changes_after_the_lock_and_decisions_without_a_reason_are_unusual(run):
    (run / "lock.json").write_text("{}", encoding="utf-8")
    AuditTrail(run).append("lock", by="A", reason="final", wrote=[run / "lock.json"])
    override(run, "s1", reason="")
    assert what(run) == [
        "changed after the run was locked (entry 2), by A",
        "a decision without a reason, by A",
    ]


def test_one_person_on_many_samples_is_unusual_from_the_fifth_on(run):
    for number in range(4):
        override(run, f"s{number}")
    assert what(run) == []
    override(run, "s4", by="B")
    assert what(run) == []
    override(run, "s5", by="a ")
    assert what(run) == ["one person decided on 5 of 10 samples: A"]


def test_a_review_is_entered_and_the_next_one_starts_after_it(run):
    override(run, "s1", reason="")
    review = review_trail(run)
    with pytest.raises(ImmunomonError, match="1 unusual thing is listed: say what you made of it"):
        record_review(run, review, by="Q")
    with pytest.raises(ImmunomonError, match="needs the name"):
        record_review(run, review, by=" ", note="fine")
    record_review(run, review, by="Q", note="asked for")
    assert AuditTrail(run).problems() == []
    after = review_trail(run)
    assert (after.reviewed["by"], after.reviewed["reviewed"]["last"], after.entries, after.unusual) == ("Q", 2, (), ())


def test_entries_that_came_after_the_list_was_read_are_not_reviewed_with_it(run):
    review = review_trail(run)
    override(run, "s1")
    with pytest.raises(ImmunomonError, match="added meanwhile"):
        record_review(run, review, by="Q")


def test_an_entry_after_a_list_that_was_empty_is_not_reviewed_with_it(run):
    record_review(run, review_trail(run), by="Q")
    review = review_trail(run)
    assert review.entries == ()
    override(run, "s1", reason="")
    with pytest.raises(ImmunomonError, match="added meanwhile"):
        record_review(run, review, by="Q")
    assert [entry["action"] for entry in review_trail(run).entries] == ["override"]


def test_a_trail_that_was_changed_is_refused(run):
    path = run / "audit.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"by": "A"', '"by": "B"'), encoding="utf-8")
    with pytest.raises(ImmunomonError, match="it was changed after it was written"):
        review_trail(run)


def test_the_command_lists_marks_and_records(run):
    override(run, "s1", reason="")
    listed = CliRunner().invoke(app, ["audit", str(run), "--review"])
    assert listed.exit_code == 0
    assert "Last reviewed: never. Since then 2 entries:" in listed.output
    assert "UNUSUAL (entry 2): a decision without a reason, by A" in listed.output
    done = CliRunner().invoke(app, ["audit", str(run), "--review", "--by", "Q", "--reason", "seen"])
    assert "Reviewed by Q. Audit trail: 3 entries" in done.output
    assert AuditTrail(run).entries()[-1]["action"] == "trail reviewed"
