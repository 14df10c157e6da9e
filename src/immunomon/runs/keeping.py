"""Which results of earlier runs a run may go on with; what was changed by hand or is of no sample is set aside."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError
from immunomon.files import file_digest
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.plan import Plan

__all__ = ["set_aside_changed", "set_aside_left_over"]

_KINDS = ("samples", "gates", "estimates", "noise")
# Steps on the way to a result, each with the name of its key in the record of the run; made anew when needed.
_STEPS = {"estimates": "look_key", "noise": "own_key"}


def set_aside_changed(folder: RunFolder) -> tuple[str, ...]:
    """Move away what is not as the last run sealed it, though made from the same things; return the samples' ids.

    What a stopped run made since then, from other things, has another key and is kept. What is moved away is made
    anew, so that no number rests on a file that was changed by hand.
    """
    try:
        sealed = AuditTrail(folder.root).sealed()
    except ImmunomonError:  # a broken trail is for the audit to name; nothing kept can be told from changed then
        return ()
    record = folder.read_json(folder.manifest) if sealed else None
    if record is None:
        return ()
    trusted = sealed.get("run.json") == file_digest(folder.manifest)
    keys = _keys(record) if trusted else {}
    changed = {
        (_step_of(name), Path(name).stem)
        for name, digest in sealed.items()
        if name.startswith(tuple(f"{kind}/" for kind in _KINDS)) and _differs(folder, name, digest, keys)
    }
    # A result and its gates go together; a first look, or a look at the noise, stands alone.
    _set_aside(folder, lambda kind, sample_id: (_step_of(f"{kind}/"), sample_id) in changed)
    return tuple(sorted({sample_id for _, sample_id in changed}))


def _step_of(name: str) -> str:
    """Return which step on the way to a result a file of the run folder is of; empty for a result."""
    kind = name.partition("/")[0]
    return kind if kind in _STEPS else ""


def _keys(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(file["sample_id"]): file for file in record.get("files", [])}


def _differs(folder: RunFolder, name: str, digest: str, keys: Mapping[str, Mapping[str, Any]]) -> bool:
    path = folder.root / name
    if not path.is_file() or file_digest(path) == digest:
        return False
    sample_id = path.stem
    if sample_id not in keys:
        return True
    # The gates and the arrays of a first look have no key in them: they go with the file that has one.
    step = _step_of(name)
    data = folder.read_json(path.with_suffix(".json") if step else folder.sample_file(sample_id))
    return data is None or data.get("key") == keys[sample_id].get(_STEPS.get(step, "key"))


def set_aside_left_over(folder: RunFolder, plan: Plan, gated: Iterable[str]) -> None:
    """Move away the results of samples that are dropped or no longer listed, and the gates of those that failed.

    gated: the ids of the samples that have been gated. Nobody can take what is moved away for a result of this run.
    """
    sample_ids = {task.sample.id for task in plan.tasks if task.strategy and not task.dropped}
    placed = set(gated)
    _set_aside(folder, lambda kind, sample_id: sample_id not in (placed if kind == "gates" else sample_ids))


def _set_aside(folder: RunFolder, is_left: Callable[[str, str], bool]) -> None:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
    for kind in _KINDS:
        for path in sorted((folder.root / kind).glob("*.*")):
            if path.name.startswith(".") or not is_left(kind, path.stem):
                continue
            if kind in _STEPS:
                path.unlink()
                continue
            target = folder.root / "set-aside" / now / kind / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
