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
    overrides: Sequence[Override], before: Mapping[str, Mapping[str, Any]], *, was: State, now: State
) -> Iterator[dict[str, Any]]:
    """Yield an entry of the trail for each decision that is new, changed or withdrawn.

    before: what stood in the trail; was, now: the state of each target before and after this run.
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
            reason = "it is no longer in the file of overrides"
            yield {
                "action": "override withdrawn",
                "by": user_name(),
                "reason": reason,
                "target": target,
                "decision_before": decision,
            }
