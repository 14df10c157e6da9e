"""Lock and review: a run frozen, and its audit trail looked at by a person."""

from __future__ import annotations

from pathlib import Path

from immunomon.runs import lock, trail_review
from immunomon.runs.lock import Reason
from immunomon.runs.opened import Run
from immunomon.runs.trail_review import TrailReview

__all__ = ["lock_run", "record_review", "review_trail"]


def _folder(run: str | Path | Run) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)


def lock_run(run: str | Path | Run, *, reason: str, by: str, approved: bool = False) -> str:
    """Freeze a finished run, as ``immunomon lock`` does; return the digest of everything that its tables depend on.

    reason, by: go into the audit trail. approved: only if every sample was approved at the review desk. Raises
    ImmunomonError if it may not be locked.
    """
    return lock.lock_run(_folder(run), Reason(reason, by), approved=approved)


def review_trail(run: str | Path | Run) -> TrailReview:
    """Return what came into a run's audit trail since a person last looked at it, and what is unusual about it.

    Raises ImmunomonError if the trail, or what it seals, was changed: that comes before any review.
    """
    return trail_review.review_trail(_folder(run))


def record_review(run: str | Path | Run, review: TrailReview, *, by: str, note: str = "") -> str:
    """Enter into a run's trail that a person looked at it; return the hash of the entry.

    note: what was made of it; needed where something is unusual. Raises ImmunomonError without one, or without a name.
    """
    return trail_review.record_review(_folder(run), review, by=by, note=note)
