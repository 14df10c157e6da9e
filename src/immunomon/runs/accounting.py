"""A run accounted for: decisions, what a locked run's change moved, and the seal, in the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from immunomon.errors import ImmunomonError
from immunomon.files import file_digest, is_temporary
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.lock import Reason, locked_digest, locked_error, refuse_if_locked, relock
from immunomon.runs.plan import Plan
from immunomon.runs.provenance import user_name
from immunomon.study.model.overrides import Override

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Accounted",
    "decisions_of",
    "recorded",
    "refuse_before_looking",
    "set_aside_changed",
    "set_aside_left_over",
    "state_of",
]

# Which results of earlier runs a run may go on with; what was changed by hand or is of no sample is set aside.

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
            if is_temporary(path) or not is_left(kind, path.stem):
                continue
            if kind in _STEPS:
                path.unlink()
                continue
            target = folder.root / "set-aside" / now / kind / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


# Decisions of persons in the audit trail: which were taken, changed or withdrawn since the last run.

State = dict[str, dict[str, Any]]


def recorded(trail: AuditTrail) -> dict[str, Mapping[str, Any]]:
    """Return the decisions that stand at the end of a trail: target -> decision, as plain data."""
    standing: dict[str, Mapping[str, Any]] = {}
    for entry in trail.entries():
        if entry.get("action") == "override":
            standing[str(entry["target"])] = entry["decision"]
        elif entry.get("action") == "override withdrawn":
            standing.pop(str(entry["target"]), None)
    return standing


def state_of(folder: RunFolder, overrides: Sequence[Override]) -> State:
    """Return what a run folder holds of the samples and populations that decisions are about: target -> plain data."""
    return {override.target: _seen(folder, override) for override in overrides}


def _seen(folder: RunFolder, override: Override) -> dict[str, Any]:
    data = folder.read_sample(override.sample)
    if data is None:
        return {"status": "not gated"}
    state: dict[str, Any] = {"status": data.get("status"), "quality": (data.get("quality") or {}).get("verdict")}
    placed = (data.get("gates") or {}).get("populations", [])
    gate = next((item for item in placed if item["population"] == override.population), None)
    if gate is not None:
        counts = data["measured"]["counts"]
        parent = data["measured"]["events"] if gate["parent"] == "root" else counts.get(gate["parent"])
        state |= {"gate": gate["gate"], "source": gate.get("source"), "count": counts.get(override.population)}
        state["parent_count"] = parent
    return state


def decisions_of(
    overrides: Sequence[Override], before: Mapping[str, Mapping[str, Any]], why: Reason, *, was: State, now: State
) -> Iterator[dict[str, Any]]:
    """Yield an entry of the trail for each decision that is new, changed or withdrawn.

    before: what stood in the trail; why: of the run, which is why a decision is gone. was, now: the state of each
    target before and after this run.
    """
    for override in overrides:
        plain = dict(override.to_dict())
        if before.get(override.target) != plain:
            yield {
                "action": "override",
                "by": override.by,
                "reason": override.reason,
                "target": override.target,
                "decision": plain,
                "decision_before": before.get(override.target),
                "before": was.get(override.target),
                "after": {"status": "dropped"} if override.action == "drop-sample" else now.get(override.target),
            }
    standing = {override.target for override in overrides}
    for target, decision in before.items():
        if target not in standing:
            yield {
                "action": "override withdrawn",
                "by": why.by if why.text else user_name(),
                "reason": why.text or "it is no longer in the file of overrides",
                "target": target,
                "decision_before": decision,
            }


def refuse_before_looking(folder: RunFolder, plan: Plan) -> None:
    """Raise RunLocked if a locked run's samples, or the decisions on them, are not those that it was locked with.

    It is asked before a file is looked at, so that a run that is refused leaves the run folder as it was.
    """
    locked = locked_digest(folder)
    refuse_if_locked(folder, locked or "", None)  # for a lock that was changed or is gone
    if locked is None:
        return
    files = (folder.read_json(folder.manifest) or {}).get("files", [])
    own_keys = {file["sample_id"]: file.get("own_key", file["key"]) for file in files}
    decisions = {override.target: dict(override.to_dict()) for override in plan.overrides}
    if plan.own_keys != own_keys or decisions != recorded(AuditTrail(folder.root)):
        raise locked_error(folder)


class Accounted:
    """A run in progress, from what is there before it to its entries in the trail; one that fails leaves no entry."""

    def __init__(self, folder: RunFolder, plan: Plan, why: Reason) -> None:
        self._folder, self._plan, self._why = folder, plan, why
        self._trail = AuditTrail(folder.root)
        self._trail.mend()
        self._before = recorded(self._trail)
        self._was = state_of(folder, plan.overrides)
        self._frequencies: pd.DataFrame | None = None
        self._made_anew: tuple[str, ...] = ()

    def refuse_if_locked(self, *, has_reason: bool) -> None:
        """Raise RunLocked if the run is locked, would change, and no reason was given; else remember its values."""
        if refuse_if_locked(self._folder, self._plan.digest, self._why if has_reason else None):
            self._frequencies = self._folder.read_table("frequencies")

    def made_anew(self, samples: tuple[str, ...]) -> None:
        """Remember the samples whose results had been changed by hand: the entry of the run names them."""
        self._made_anew = samples

    def __enter__(self) -> Accounted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        now = state_of(self._folder, self._plan.overrides)
        for entry in decisions_of(self._plan.overrides, self._before, self._why, was=self._was, now=now):
            self._trail.append(entry.pop("action"), by=entry.pop("by"), reason=entry.pop("reason"), **entry)
        if self._frequencies is not None:
            after = self._folder.read_table("frequencies")
            relocked = relock(self._folder, self._plan.digest, self._why, before=self._frequencies, after=after)
            self._trail.append("changed after lock", by=self._why.by, reason=self._why.text, **relocked)
        anew = {"made_anew": list(self._made_anew)} if self._made_anew else {}
        self._trail.seal(by=self._why.by, reason=self._why.text, digest=self._plan.digest, **anew)
