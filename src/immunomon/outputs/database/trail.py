"""The run's audit trail and the study's own rows in the database, and why values change between runs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, Table, insert, select

from immunomon.errors import ExportFailed
from immunomon.outputs.database.building import OWN
from immunomon.outputs.database.read_back import confirm
from immunomon.outputs.database.results import UNITS
from immunomon.outputs.database.run_tables import RunTables
from immunomon.outputs.database.schema import audit, deliveries
from immunomon.outputs.database.secrets import without_passwords

__all__ = ["append_trail", "frame_of", "new_entries", "why"]

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


# The rows of a run for every table of the database: the study's own, and what was measured.

_StudyRow = dict[str, Any]


def frame_of(run: RunTables, table: Table) -> pd.DataFrame:
    """Return a run's rows for a table, with all columns but those that say which study and run they are of."""
    made = _STUDY.get(table.name)
    names = [column.name for column in table.columns if column.name not in OWN]
    if made is not None:
        return pd.DataFrame(list(made(run)), columns=names, dtype=object)
    frame = run.tables.get(table.name)
    if frame is None:
        return pd.DataFrame(columns=names, dtype=object)
    add = _EXTRA.get(table.name)
    return frame if add is None else frame.assign(**add(frame))


def _dose_groups(run: RunTables) -> Iterator[_StudyRow]:
    for group in run.study["dose_groups"]:
        days = json.dumps(list(group.get("infusion_days") or ()))
        yield {"dose_group": group["name"], "cells_per_kg": group["cells_per_kg"], "infusion_days": days}


def _cohorts(run: RunTables) -> Iterator[_StudyRow]:
    for cohort in run.study.get("cohorts") or ():
        kept = {name: cohort[name] for name in ("dose_group", "planned_subjects")}
        yield {"cohort": cohort["name"], **kept, "expansion": bool(cohort.get("expansion"))}


def _subjects(run: RunTables) -> Iterator[_StudyRow]:
    for subject in run.study["subjects"]:
        dates = sorted(subject.get("infusion_dates") or ())
        yield {
            "subject": subject["id"],
            "dose_group": subject["dose_group"],
            "cohort": subject.get("cohort") or None,
            "sex": subject.get("sex") or "U",
            "flags": json.dumps(dict(subject.get("flags") or {}), sort_keys=True, ensure_ascii=False),
            "first_infusion_date": dates[0] if dates else None,
            "infusion_dates": json.dumps(dates),
        }


def _visits(run: RunTables) -> Iterator[_StudyRow]:
    for visit in run.study["visits"]:
        first, last = visit.get("window_days") or (None, None)
        yield {
            "visit": visit["label"],
            "planned_day": visit["planned_day"],
            "window_first_day": first,
            "window_last_day": last,
            "baseline": bool(visit.get("baseline")),
        }


def _specimen_ids(samples: pd.DataFrame) -> pd.Series[Any]:
    """Return the specimen that each tube was filled from, as deliveries name it; missing for controls."""
    whole = samples["subject"] + "." + samples["visit"] + "." + samples["collection_date"].fillna("undated")
    return whole.astype("string")


def _specimens(run: RunTables) -> Iterator[_StudyRow]:
    samples = run.tables["samples"]
    named = samples.assign(specimen=_specimen_ids(samples)).dropna(subset=["specimen"])
    columns = ["specimen", "subject", "visit", "collection_date"]
    plain = named[columns].drop_duplicates("specimen").sort_values("specimen").astype(object)
    for row in plain.where(plain.notna(), None).to_dict(orient="records"):
        yield {str(name): value for name, value in row.items()}


def _files(run: RunTables) -> Iterator[_StudyRow]:
    samples = run.tables["samples"][["file", "sha256", "reason"]].astype(object)
    for row in samples.where(samples.notna(), None).drop_duplicates("file").to_dict(orient="records"):
        unread = None if row["sha256"] else row["reason"] or "not read: nothing asked for it"
        yield {"file": row["file"], "sha256": row["sha256"] or None, "reason": unread}


_STUDY: Mapping[str, Callable[[RunTables], Iterator[_StudyRow]]] = {
    "dose_groups": _dose_groups,
    "cohorts": _cohorts,
    "subjects": _subjects,
    "visits": _visits,
    "specimens": _specimens,
    "files": _files,
}
_EXTRA: Mapping[str, Callable[[pd.DataFrame], dict[str, Any]]] = {
    "samples": lambda frame: {"specimen": _specimen_ids(frame)},
    "frequencies": lambda _: {"unit": UNITS["percent"]},
    "medians": lambda _: {"unit": UNITS["median_intensity"]},
    "changes": lambda frame: {"unit": frame["quantity"].map(UNITS)},
}
