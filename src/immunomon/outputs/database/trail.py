"""The run's audit trail in the database, where entries are only ever added; and why values change between runs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from immunomon.errors import ExportFailed, listed
from immunomon.outputs.database.read_back import confirm
from immunomon.outputs.database.run_tables import RunTables
from immunomon.outputs.database.schema import audit, deliveries
from immunomon.outputs.database.secrets import without_passwords

__all__ = ["append_trail", "new_entries", "why"]

Entry = Mapping[str, Any]


def new_entries(connection: Connection, run: RunTables) -> list[Entry]:
    """Return the entries of a run's trail that the database does not have.

    Raises ExportFailed if it has entries that are not in the trail, or are different there: the trail was changed.
    """
    if not run.trail:
        return []
    own = (audit.c.study == run.name, audit.c.trail == _trail(run))
    known = {row.number: row.hash for row in connection.execute(select(audit.c.number, audit.c.hash).where(*own))}
    there = {int(entry["number"]): entry for entry in run.trail}
    for number, digest in sorted(known.items()):
        if number not in there or there[number]["hash"] != digest:
            problem = "is missing" if number not in there else "is another"
            raise ExportFailed(
                f"the run's audit trail was changed: entry {number} {problem} than the one that was exported before; "
                "see what: immunomon audit RUN; nothing was changed in the database"
            )
    return [entry for number, entry in sorted(there.items()) if number not in known]


def append_trail(connection: Connection, run: RunTables) -> set[str]:
    """Add the entries that the database does not have, and the deliveries among them; return the keys of both."""
    entries = new_entries(connection, run)
    if entries:
        rows = [_row(run, entry) for entry in entries]
        connection.execute(insert(audit), rows)
        confirm(connection, audit, rows)
    delivered = list(_delivered(run, entries))
    if delivered:
        connection.execute(insert(deliveries), delivered)
        confirm(connection, deliveries, delivered)
    return {f"{_trail(run)}\x1f{entry['number']}" for entry in entries}


def _trail(run: RunTables) -> str:
    return str(run.trail[0]["hash"])


def _row(run: RunTables, entry: Entry) -> dict[str, Any]:
    return {
        "study": run.name,
        "trail": _trail(run),
        "number": int(entry["number"]),
        "entered_at_utc": datetime.datetime.fromisoformat(entry["utc"]),
        "action": str(entry["action"]),
        "computer_user": str(entry["user"]),
        "by_whom": str(entry["by"]),
        # Nothing in a trail is a password, unless somebody wrote one into a reason.
        "reason": without_passwords(str(entry["reason"])),
        "target": without_passwords(str(entry["target"])) if entry.get("target") else None,
        "entry": {name: without_passwords(v) if isinstance(v, str) else v for name, v in entry.items()},
        "previous_hash": str(entry["previous"]),
        "hash": str(entry["hash"]),
    }


def _delivered(run: RunTables, entries: list[Entry]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        if entry["action"] == "deliver" and entry.get("manifest"):
            yield {
                "study": run.name,
                "trail": _trail(run),
                "number": int(entry["number"]),
                "kind": str(entry.get("target", "")).removeprefix("delivery ") or "not said",
                "manifest_sha256": str(entry["manifest"]),
                "made_at_utc": datetime.datetime.fromisoformat(entry["utc"]),
                "made_by": str(entry["by"]),
            }


# Why values change: what is different about the run that they come from.

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
    is_same = before is not None and before.run_digest == run.digest
    later = "what lies beside the same run is another now" if is_same else "a later run gives other values"
    rest = "" if reasons or different else later
    return "; ".join([*reasons, *different, *([rest] if rest else [])])


def _different(before: Row[Any], run: RunTables) -> Iterator[str]:
    inputs = _changed(before.inputs, run.record.get("inputs"))
    if inputs:
        yield f"other inputs: {listed(inputs, _MOST)}"
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
