"""A verdict on a sample is an entry of the trail, and holds for what was seen, not for what came after."""

import pytest

from immunomon.errors import ImmunomonError, UnknownName
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, lock_run, locked_digest
from immunomon.runs.opened import open_run
from immunomon.runs.verdicts import digest_seen, record_verdicts, review_progress, reviews_of_run

SAMPLE = "fcs__treg__S01_W4_treg"


def seen(run):
    return {SAMPLE: digest_seen(run, SAMPLE)}


def test_a_second_reviewer_is_the_second_name(own_run):
    for name in ("A. Nurse", "B. Nurse", "A. Nurse"):
        record_verdicts(own_run, [SAMPLE], "approved", by=name, seen=seen(own_run))
    review = reviews_of_run(own_run)[SAMPLE]
    assert (review.is_approved, review.approved_by) == (True, ("A. Nurse", "B. Nurse"))
    assert AuditTrail(own_run).problems() == []


def test_a_query_is_open_until_somebody_answers(own_run):
    record_verdicts(own_run, [SAMPLE], "query", by="A. Nurse", note="is this clotted?", seen=seen(own_run))
    assert reviews_of_run(own_run)[SAMPLE].is_open
    record_verdicts(own_run, [SAMPLE], "approved", by="B. Nurse", note="no", seen=seen(own_run))
    review = reviews_of_run(own_run)[SAMPLE]
    assert (review.is_open, review.approved_by) == (False, ("B. Nurse",))


def test_an_approval_does_not_outlive_a_decision_on_the_sample(own_run):
    """An accepted warning leaves the sample's result as it was, and makes its values reportable."""
    record_verdicts(own_run, [SAMPLE], "approved", by="A. Nurse", seen=seen(own_run))
    decision = {"action": "accept-warning", "sample": SAMPLE, "reason": "seen", "by": "B. Nurse"}
    AuditTrail(own_run).append(
        "override", by="B. Nurse", reason="seen", target=f"accept-warning {SAMPLE}", decision=decision
    )
    assert not reviews_of_run(own_run)[SAMPLE].is_approved
    assert reviews_of_run(own_run)[SAMPLE].state == "changed since approval"
    record_verdicts(own_run, [SAMPLE], "approved", by="B. Nurse", seen=seen(own_run))
    assert reviews_of_run(own_run)[SAMPLE].approved_by == ("B. Nurse",)


def test_a_verdict_is_withdrawn(own_run):
    record_verdicts(own_run, [SAMPLE], "approved", by="A. Nurse", seen=seen(own_run))
    record_verdicts(own_run, [SAMPLE], "withdrawn", by="A. Nurse", seen=seen(own_run))
    assert reviews_of_run(own_run) == {}
    assert [entry["verdict"] for entry in AuditTrail(own_run).entries()[-2:]] == ["approved", "withdrawn"]


@pytest.mark.parametrize(
    ("verdict", "by", "note", "error", "words"),
    [
        ("fine", "A. Nurse", "", UnknownName, "no verdict 'fine'"),
        ("approved", " ", "", ImmunomonError, "name of who gives it"),
        ("query", "A. Nurse", "", ImmunomonError, "needs a note"),
        ("rejected", "A. Nurse", " ", ImmunomonError, "needs a note"),
    ],
)
def test_a_verdict_that_says_too_little_is_refused(own_run, verdict, by, note, error, words):
    before = AuditTrail(own_run).entries()
    with pytest.raises(error, match=words):
        record_verdicts(own_run, [SAMPLE], verdict, by=by, note=note, seen=seen(own_run))
    assert AuditTrail(own_run).entries() == before


def test_what_was_not_seen_as_it_is_cannot_be_approved(own_run):
    with pytest.raises(ImmunomonError, match=f"{SAMPLE} changed since it was looked at"):
        record_verdicts(own_run, [SAMPLE], "approved", by="A. Nurse", seen={SAMPLE: "0" * 64})
    with pytest.raises(ImmunomonError, match="changed since"):
        record_verdicts(own_run, ["nobody"], "approved", by="A. Nurse", seen={})


def test_a_run_is_locked_as_approved_only_once_every_sample_is(own_run):
    gated = open_run(own_run).gated
    digests = {sample: digest_seen(own_run, sample) for sample in gated}
    record_verdicts(own_run, gated[1:], "approved", by="A. Nurse", seen=digests)
    record_verdicts(own_run, gated[:1], "query", by="A. Nurse", note="clotted?", seen=digests)
    expected = {"samples": len(gated), "approved": len(gated) - 1, "queries": 1, "rejected": 0}
    assert review_progress(own_run, gated) == expected
    with pytest.raises(
        ImmunomonError, match=rf"{len(gated) - 1} of {len(gated)} samples are approved, 1 query is open"
    ):
        lock_run(own_run, Reason("data cut", "A. Nurse"), approved=True)
    assert locked_digest(RunFolder(own_run)) is None
    record_verdicts(own_run, gated[:1], "approved", by="A. Nurse", seen=digests)
    lock_run(own_run, Reason("data cut", "A. Nurse"), approved=True)
    assert locked_digest(RunFolder(own_run))
