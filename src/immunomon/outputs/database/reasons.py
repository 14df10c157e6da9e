"""Why values change: what is different about the run that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row

from immunomon.outputs.database.run_tables import RunTables

__all__ = ["why"]

_MOST = 8


def why(before: Row[Any] | None, run: RunTables, reason: str) -> str:
    """Return why a run's values take the place of those before: what was said, and which inputs are different.

    before: the row of the run that was current. reason: what the person who exports says.
    """
    reasons = [reason] if reason else []
    for entry in reversed(run.trail):
        if entry["action"] == "run":
            reasons += [f"{entry['reason']} ({entry['by']})"] if entry["reason"] else []
            break
    different = list(_different(before, run)) if before else []
    rest = "" if reasons or different else "a later run gives other values"
    return "; ".join([*reasons, *different, *([rest] if rest else [])])


def _different(before: Row[Any], run: RunTables) -> Iterator[str]:
    inputs = _changed(before.inputs, run.record.get("inputs"))
    if inputs:
        more = f" and {len(inputs) - _MOST} more" if len(inputs) > _MOST else ""
        yield f"other inputs: {', '.join(inputs[:_MOST])}{more}"
    parameters = _changed(before.parameters, run.record.get("parameters"))
    if parameters:
        yield f"other parameters: {', '.join(parameters)}"
    code = (run.record.get("software") or {}).get("code_digest")
    if before.software_version != run.version:
        yield f"software {run.version} instead of {before.software_version}"
    elif before.code_digest and code and before.code_digest != code:
        yield f"another state of the software {run.version} (code {str(code)[:12]})"


def _changed(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    """Return the names whose values differ; none if one side is not known."""
    if old is None or new is None:
        return []
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
