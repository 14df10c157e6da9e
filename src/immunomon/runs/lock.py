"""Lock a run: strategy, overrides and gates are frozen, and a later change needs a reason and is accounted for."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.errors import ImmunomonError, RunLocked, counted
from immunomon.files import file_digest, write_whole
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder, read_record, table_csv
from immunomon.runs.verdicts import review_progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Reason",
    "lock_run",
    "lock_words",
    "locked_digest",
    "locked_error",
    "moved_values",
    "refuse_if_locked",
    "relock",
]

_KEY = ["sample_id", "population", "denominator"]
_VALUES = ["count", "denominator_count", "percent", "reportable", "reason"]


@dataclass(frozen=True)
class Reason:
    """Why something locked is changed, and who says so."""

    text: str
    by: str


def _lock_file(folder: RunFolder) -> Path:
    return folder.root / "lock.json"


def locked_digest(folder: RunFolder) -> str | None:
    """Return the digest that a run was locked with, None if it is not locked."""
    data = folder.read_json(_lock_file(folder))
    return None if data is None else str(data.get("digest"))


def lock_words(folder: RunFolder) -> str:
    """Return when a run was locked and by whom, in words; empty if it is not locked."""
    data = folder.read_json(_lock_file(folder))
    return "" if data is None else f"locked on {str(data.get('locked_utc'))[:10]} by {data.get('by')}"


def lock_run(root: Path, why: Reason, *, approved: bool = False) -> str:
    """Freeze a finished run; return the digest of everything that its tables depend on.

    approved: only if every gated sample was approved as it is, and no query is open. Raises BadRun if the folder holds
    no finished run, ImmunomonError if a file in it does not fit its audit trail, if it is locked already, or if not all
    is approved that was to be.
    """
    folder, trail = RunFolder(root), AuditTrail(root)
    manifest, _ = read_record(root)
    with folder.locked():
        lock = _lock_file(folder)
        if lock.is_file() and not _is_in(trail):
            lock.unlink()  # a lock that was stopped before its entry was made
        if locked_digest(folder) is not None:
            raise ImmunomonError(f"{root}: it is locked already; a change needs: immunomon run --reason ... --by ...")
        problems = trail.problems()
        if problems:
            raise ImmunomonError(f"{problems[0]}; {counted(len(problems), 'problem')} in all: immunomon audit {root}")
        if approved:
            _refuse_unapproved(root, manifest)
        _write(folder, str(manifest["digest"]), why, manifest.get("scales", {}))
        details = {"digest": manifest["digest"], "inputs": manifest["inputs"]}
        try:
            trail.append("lock", by=why.by, reason=why.text, wrote=[lock], **details)
        except BaseException:
            lock.unlink(missing_ok=True)  # who is told that it failed must not find it locked
            raise
    return str(manifest["digest"])


def _refuse_unapproved(root: Path, manifest: Mapping[str, Any]) -> None:
    gated = [str(file["sample_id"]) for file in manifest["files"] if file["status"] == "gated"]
    progress = review_progress(root, gated)
    if progress["approved"] < progress["samples"]:
        raise ImmunomonError(
            f"{root}: {progress['approved']} of {progress['samples']} samples are approved, "
            f"{counted(progress['queries'], 'query is', 'queries are')} open; go on with: immunomon review {root}"
        )


def _write(folder: RunFolder, digest: str, why: Reason, scales: Mapping[str, Any]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    gates = {path.stem: file_digest(path) for path in sorted((folder.root / "gates").glob("*.json"))}
    folder.write_json(
        _lock_file(folder),
        {"digest": digest, "locked_utc": now, "by": why.by, "reason": why.text, "gates": gates, "scales": scales},
        indent=1,
    )


def _is_in(trail: AuditTrail) -> bool:
    return any(entry.get("action") == "lock" for entry in trail.entries())


def _wrong_lock(folder: RunFolder) -> str | None:
    """Return what is wrong with the lock of a run that its trail says was locked; its loss must not unlock the run."""
    trail = AuditTrail(folder.root)
    return trail.problem_of(_lock_file(folder).name) if _is_in(trail) else None


def refuse_if_locked(folder: RunFolder, digest: str, why: Reason | None) -> bool:
    """Return whether a run may go on only as an accounted change; raises RunLocked if it may not go on at all.

    digest: of everything that the tables would depend on now.
    """
    locked, wrong = locked_digest(folder), _wrong_lock(folder)
    if wrong and why is None:
        raise RunLocked(
            f"{wrong}, and the run was locked: put the file back from a copy, give --reason and --by to go on and lock "
            "it anew, or give another --out"
        )
    if wrong:
        return True
    if locked is None or locked == digest:
        return False
    if why is None:
        raise locked_error(folder)
    return True


def locked_error(folder: RunFolder) -> RunLocked:
    """Return the refusal of a locked run that would change without a reason."""
    data = folder.read_json(_lock_file(folder)) or {}
    return RunLocked(
        f"{folder.root}: the run was locked on {data.get('locked_utc')} by {data.get('by')}, and its inputs, "
        "strategies, overrides or the software have changed since; to change it, give --reason and --by, "
        "or give another --out"
    )


def relock(
    folder: RunFolder, digest: str, why: Reason, *, before: pd.DataFrame, after: pd.DataFrame
) -> Mapping[str, Any]:
    """Freeze a locked run again after a change, and return what the trail is to say of it.

    before, after: the table of frequencies. Every value that moved is listed in ``moved/TIME.csv`` in the run folder.
    """
    moved = moved_values(before, after)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder.root / "moved" / f"{now}.csv"
    write_whole(path, table_csv(moved))
    _write(folder, digest, why, (folder.read_json(folder.manifest) or {}).get("scales", {}))
    # The entry in the trail seals both files.
    listed = {"list": path.relative_to(folder.root).as_posix(), "list_sha256": file_digest(path)}
    return {"wrote": [_lock_file(folder), path], "moved": len(moved), **listed}


def moved_values(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return the frequencies that differ between two tables, each value before and after; missing where it was none.

    >>> import pandas as pd
    >>> row = {"sample_id": "a", "population": "p", "denominator": "root", "count": 5, "denominator_count": 10}
    >>> one = pd.DataFrame([{**row, "percent": 50.0, "reportable": True, "reason": None}])
    >>> len(moved_values(one, one)), len(moved_values(one, one.assign(count=6, percent=60.0)))
    (0, 1)
    """
    paired = before[_KEY + _VALUES].merge(after[_KEY + _VALUES], on=_KEY, how="outer", suffixes=("_before", "_after"))
    differs = paired["sample_id"].isna()
    for name in _VALUES:
        old, new = paired[f"{name}_before"], paired[f"{name}_after"]
        same = (old == new).fillna(False).astype(bool) | (old.isna() & new.isna())
        differs = differs | ~same
    return paired[differs.astype(bool)].sort_values(_KEY).reset_index(drop=True)
