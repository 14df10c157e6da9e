"""Decisions of persons in the audit trail: which were taken, changed or withdrawn since the last run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from immunomon.runs.audit import AuditTrail, user_name
from immunomon.runs.folder import RunFolder
from immunomon.study.model.overrides import Override

__all__ = ["decisions_of", "recorded", "state_of"]

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
    return {one.target: _seen(folder, one) for one in overrides}


def _seen(folder: RunFolder, one: Override) -> dict[str, Any]:
    data = folder.read_sample(one.sample)
    if data is None:
        return {"status": "not gated"}
    seen: dict[str, Any] = {"status": data.get("status"), "quality": (data.get("quality") or {}).get("verdict")}
    placed = (data.get("gates") or {}).get("populations", [])
    gate = next((item for item in placed if item["population"] == one.population), None)
    if gate is not None:
        counts = data["measured"]["counts"]
        parent = data["measured"]["events"] if gate["parent"] == "root" else counts.get(gate["parent"])
        seen |= {"gate": gate["gate"], "source": gate.get("source"), "count": counts.get(one.population)}
        seen["parent_count"] = parent
    return seen


def decisions_of(
    overrides: Sequence[Override], before: Mapping[str, Mapping[str, Any]], *, was: State, now: State
) -> Iterator[dict[str, Any]]:
    """Yield an entry of the trail for each decision that is new, changed or withdrawn.

    before: what stood in the trail; was, now: the state of each target before and after this run.
    """
    for one in overrides:
        plain = dict(one.to_dict())
        if before.get(one.target) != plain:
            yield {
                "action": "override",
                "by": one.by,
                "reason": one.reason,
                "target": one.target,
                "decision": plain,
                "decision_before": before.get(one.target),
                "before": was.get(one.target),
                "after": {"status": "dropped"} if one.action == "drop-sample" else now.get(one.target),
            }
    standing = {one.target for one in overrides}
    for target, decision in before.items():
        if target not in standing:
            reason = "it is no longer in the file of overrides"
            yield {
                "action": "override withdrawn",
                "by": user_name(),
                "reason": reason,
                "target": target,
                "decision_before": decision,
            }
