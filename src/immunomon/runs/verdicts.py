"""What persons said of samples that they looked at: approved, queried, rejected; entries of the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from immunomon.errors import ImmunomonError, UnknownName, counted, nearest
from immunomon.files import file_digest
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder

__all__ = [
    "VERDICTS",
    "SampleReview",
    "Verdict",
    "digest_seen",
    "progress_of",
    "progress_words",
    "record_verdicts",
    "review_progress",
    "reviews_of_run",
]

Verdict = Literal["approved", "query", "rejected", "withdrawn"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_ACTION = "review"


@dataclass(frozen=True)
class SampleReview:
    """The last word on a sample: the verdict, who gave it and when, their note, and the digest of what they saw.

    holds: whether the sample is still as it was seen, and nobody decided on it since; else it is looked at again.
    approved_by: all who approved it as it is, in order: a second reviewer is the second name.

    >>> SampleReview("S01_W4", "approved", "A. Nurse", "2026-01-02T10:00:00+00:00", "", "ab12", True).is_approved
    True
    """

    sample: str
    verdict: Verdict
    by: str
    utc: str
    note: str
    seen: str
    holds: bool
    approved_by: tuple[str, ...] = ()

    @property
    def is_approved(self) -> bool:
        """Whether the sample as it is now was approved."""
        return self.verdict == "approved" and self.holds

    @property
    def state(self) -> str:
        """The last word as it stands now: approved, changed since approval, query or rejected."""
        return "changed since approval" if self.verdict == "approved" and not self.holds else self.verdict

    @property
    def is_open(self) -> bool:
        """Whether somebody has to answer: a query stays open, even if the sample changed, until a later verdict."""
        return self.verdict == "query"


def reviews_of_run(root: Path) -> dict[str, SampleReview]:
    """Return the last word on each sample of a run that anybody gave one on: sample id -> review.

    Raises ImmunomonError for a broken audit trail.
    """
    folder, sealed = RunFolder(root), AuditTrail(root).sealed()
    reviews: dict[str, SampleReview] = {}
    for entry in AuditTrail(root).entries():
        if str(entry.get("action")).startswith("override"):
            # A decision on it is looked at anew, though it may leave the sample's own result as it was.
            decided = str((entry.get("decision") or entry.get("decision_before") or {}).get("sample"))
            if decided in reviews:
                reviews[decided] = replace(reviews[decided], holds=False)
        if entry.get("action") != _ACTION or entry.get("verdict") not in VERDICTS:
            continue
        for sample, seen in dict(entry.get("samples") or {}).items():
            holds = sealed.get(_name_of(folder, sample)) == seen
            before = reviews.get(sample)
            names = () if before is None or before.seen != seen or not before.holds else before.approved_by
            names = tuple(dict.fromkeys((*names, str(entry["by"])))) if entry["verdict"] == "approved" else ()
            review = (entry["verdict"], entry["by"], entry["utc"], entry.get("reason", ""))
            reviews[sample] = SampleReview(sample, *review, str(seen), holds, names)
    return {sample: review for sample, review in reviews.items() if review.verdict != "withdrawn"}


def review_progress(root: Path, gated: Iterable[str]) -> dict[str, int]:
    """Return how many of a run's gated samples there are, are approved as they are, have an open query, are rejected.

    Raises ImmunomonError for a broken audit trail.
    """
    return progress_of(reviews_of_run(root), gated)


def progress_of(reviews: Mapping[str, SampleReview], gated: Iterable[str]) -> dict[str, int]:
    """Return how many gated samples there are, and how many of them are approved, have an open query, are rejected."""
    names = list(gated)
    known = [reviews[name] for name in names if name in reviews]
    return {
        "samples": len(names),
        "approved": sum(review.is_approved for review in known),
        "queries": sum(review.is_open for review in known),
        "rejected": sum(review.verdict == "rejected" for review in known),
    }


def progress_words(progress: Mapping[str, int]) -> str:
    """Return how far a review is, in words.

    >>> progress_words({"samples": 252, "approved": 212, "queries": 3, "rejected": 0})
    '212 of 252 approved, 3 queries open'
    """
    rejected = f", {progress['rejected']:,} rejected" if progress["rejected"] else ""
    queries = counted(progress["queries"], "query", "queries")
    return f"{progress['approved']:,} of {progress['samples']:,} approved, {queries} open{rejected}"


def record_verdicts(
    root: Path,
    samples: Iterable[str],
    verdict: Verdict,
    *,
    by: str,
    note: str = "",
    seen: Mapping[str, str],
    blind_seed: int | None = None,
) -> None:
    """Enter one verdict on samples into the audit trail.

    seen: sample id -> digest of its result (``samples/ID.json``) as it was looked at. blind_seed: of the codes and
    the order, if who looked did not know whose samples these are. Raises UnknownName for a verdict
    that there is none of, ImmunomonError if nobody is named, a query or a rejection has no note, or a sample has
    changed since it was looked at.
    """
    if verdict not in VERDICTS:
        raise UnknownName(f"no verdict '{verdict}'; {nearest(verdict, VERDICTS)}")
    if not by.strip():
        raise ImmunomonError("a verdict needs the name of who gives it")
    if verdict in {"query", "rejected"} and not note.strip():
        raise ImmunomonError(f"'{verdict}' needs a note: what is wrong, or what somebody is to answer")
    folder, names = RunFolder(root), tuple(dict.fromkeys(samples))
    with folder.locked():
        changed = [sample for sample in names if digest_seen(root, sample) != seen.get(sample)]
        if changed:
            raise ImmunomonError(f"{root}: {_listed(changed)} changed since it was looked at; look at it again")
        trail = AuditTrail(root)
        about: dict[str, Any] = {"verdict": verdict, "samples": {name: seen[name] for name in names}}
        blind: dict[str, Any] = {} if blind_seed is None else {"blind_seed": blind_seed}
        trail.append(_ACTION, by=by.strip(), reason=note.strip(), **about, **blind)


def digest_seen(root: Path, sample: str) -> str:
    """Return the digest of a sample's result as it lies in the run folder; empty if there is none."""
    path = RunFolder(root).sample_file(Path(sample).name)
    return file_digest(path) if path.is_file() else ""


def _name_of(folder: RunFolder, sample: str) -> str:
    return folder.sample_file(Path(sample).name).relative_to(folder.root).as_posix()


def _listed(samples: Sequence[Any]) -> str:
    return ", ".join(map(str, samples[:5])) + (f" and {len(samples) - 5} more" if len(samples) > 5 else "")
