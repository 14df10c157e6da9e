"""Drafts that become decisions: written once, whatever stops the desk meanwhile, and the run brought up to date."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immunomon.errors import ImmunomonError, counted
from immunomon.outputs.review.drafts import Draft, Drafts
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason
from immunomon.runs.overriding import check_overrides, record_decisions
from immunomon.runs.provenance import digest_of
from immunomon.runs.run import run_study
from immunomon.runs.verdicts import digest_seen
from immunomon.study.model.overrides import Override

__all__ = ["Committed", "commit_drafts", "fingerprint", "finish_commit", "withdraw_decision"]


@dataclass(frozen=True)
class Committed:
    """How a commit ended: how many decisions were written, and the files that failed in the run after it."""

    decisions: int
    failed: tuple[tuple[str, str], ...]


def commit_drafts(root: Path, study: Path, drafts: Drafts, *, reviewer: str, reason: str) -> Committed:
    """Write all drafts as decisions with who and why, and bring the run up to date.

    root: the run folder, held meanwhile: nobody decides between the look at the samples and the end of the run. Raises
    ImmunomonError without a reason, without drafts, or if a sample changed since a gate was moved on it: then nothing
    is written and all drafts stay.
    """
    if not reason.strip():
        raise ImmunomonError("a decision needs a reason")
    if not drafts.all:
        raise ImmunomonError("there are no drafts to commit")
    with RunFolder(root).locked():
        outdated = sorted({draft.sample for draft in drafts.all if digest_seen(root, draft.sample) != draft.seen})
        if outdated:
            raise ImmunomonError(
                f"changed since their gates were moved: {', '.join(outdated)}; take those drafts back and look again"
            )
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        attribution = {"reason": reason.strip(), "by": reviewer, "when": now}
        drafts.begin_commit(attribution)
        record_decisions(study, [{**draft.entry, **attribution} for draft in drafts.all])
        return _run(root, study, drafts, Reason(reason.strip(), reviewer))


def _run(root: Path, study: Path, drafts: Drafts, why: Reason) -> Committed:
    summary = run_study(study, root, why=why)
    committed = Committed(len(drafts.all), tuple((name, problem) for name, problem in summary.failed))
    drafts.clear()
    return committed


def withdraw_decision(
    root: Path, study: Path, target: Mapping[str, str], *, seen: str, why: Reason
) -> tuple[tuple[str, str], ...]:
    """Take a decision back, and bring the run up to date; return the files that failed in it. The trail keeps both.

    target: action, sample and what else names it; seen: its ``fingerprint`` when it was looked at. Raises
    ImmunomonError without a reason, or if there is no such decision: somebody else may have changed it meanwhile.
    """
    if not why.text.strip():
        raise ImmunomonError("what is taken back needs a reason, too")
    with RunFolder(root).locked():
        name = " ".join(value for value in target.values() if value)
        if (name, seen) not in {(decision.target, fingerprint(decision)) for decision in check_overrides(study)}:
            raise ImmunomonError(f"there is no decision '{name}' as it was shown; look at the list again")
        record_decisions(study, [], withdrawn=[target])
        return run_study(study, root, why=why).failed


def fingerprint(decision: Override) -> str:
    """Return by what a decision is known to be the one that was looked at."""
    return digest_of(decision.to_dict())[:16]


def finish_commit(root: Path, study: Path, drafts: Drafts) -> str:
    """Go on with a commit that was stopped; return what was done, in words, empty if none was stopped.

    Decisions that were written are carried out, once; where none was written, the drafts are drafts as before.
    """
    attribution = drafts.committing
    if not attribution:
        return ""
    with RunFolder(root).locked():
        if not _are_written(drafts.all, attribution, study):
            drafts.begin_commit({})
            return "A commit was stopped before it wrote anything: the drafts are as they were."
        committed = _run(root, study, drafts, Reason(attribution["reason"], attribution["by"]))
    return f"A commit that was stopped has been finished: {counted(committed.decisions, 'decision')}."


def _are_written(drafts: Sequence[Draft], attribution: Mapping[str, str], study: Path) -> bool:
    when = datetime.datetime.fromisoformat(attribution["when"])
    written = {(decision.target, decision.by, decision.when) for decision in check_overrides(study)}
    return any((draft.target, attribution["by"], when) in written for draft in drafts)
