"""The rows of a run for every table of the database: the study's own, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
from sqlalchemy import Table

from immunomon.outputs.database.building import OWN
from immunomon.outputs.database.results import UNITS
from immunomon.outputs.database.run_tables import RunTables

__all__ = ["frame_of"]

Row = dict[str, Any]


def frame_of(run: RunTables, table: Table) -> pd.DataFrame:
    """Return a run's rows for a table, with all columns but those that say which study and run they are of."""
    made = _STUDY.get(table.name)
    names = [column.name for column in table.columns if column.name not in OWN]
    if made is not None:
        return pd.DataFrame(list(made(run)), columns=names, dtype=object)
    frame = run.tables.get(table.name)
    if frame is None:
        return pd.DataFrame(columns=names, dtype=object)
    frame = _without_donors(run, frame)
    add = _EXTRA.get(table.name)
    made_frame = frame if add is None else frame.assign(**add(frame))
    return made_frame.reindex(columns=names)


def _dose_groups(run: RunTables) -> Iterator[Row]:
    for group in run.study["dose_groups"]:
        days = json.dumps(list(group.get("infusion_days") or ()))
        yield {"dose_group": group["name"], "cells_per_kg": group["cells_per_kg"], "infusion_days": days}


def _cohorts(run: RunTables) -> Iterator[Row]:
    for cohort in run.study.get("cohorts") or ():
        kept = {name: cohort[name] for name in ("dose_group", "planned_subjects")}
        yield {"cohort": cohort["name"], **kept, "expansion": bool(cohort.get("expansion"))}


def _subjects(run: RunTables) -> Iterator[Row]:
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


def _visits(run: RunTables) -> Iterator[Row]:
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
    """Return the specimen that each tube was filled from, as deliveries name it; missing for controls and donors."""
    whole = samples["subject"] + "." + samples["visit"] + "." + samples["collection_date"].fillna("undated")
    return whole.astype("string")


def _without_donors(run: RunTables, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which a bridge sample of a donor, who is no subject, has none: ``donor`` says whose it is."""
    names = [donor["id"] for donor in run.study.get("donors") or ()]
    if not names or not {"subject", "role"} <= set(table.columns):
        return table
    is_donors = table["subject"].isin(names) & (table["role"] == "bridge")
    return table.assign(subject=table["subject"].mask(is_donors), donor=table["subject"].where(is_donors))


def _specimens(run: RunTables) -> Iterator[Row]:
    samples = _without_donors(run, run.tables["samples"])
    named = samples.assign(specimen=_specimen_ids(samples)).dropna(subset=["specimen"])
    columns = ["specimen", "subject", "visit", "collection_date"]
    plain = named[columns].drop_duplicates("specimen").sort_values("specimen").astype(object)
    for row in plain.where(plain.notna(), None).to_dict(orient="records"):
        yield {str(name): value for name, value in row.items()}


def _files(run: RunTables) -> Iterator[Row]:
    samples = run.tables["samples"][["file", "sha256", "reason"]].astype(object)
    for row in samples.where(samples.notna(), None).drop_duplicates("file").to_dict(orient="records"):
        unread = None if row["sha256"] else row["reason"] or "not read: nothing asked for it"
        yield {"file": row["file"], "sha256": row["sha256"] or None, "reason": unread}


_STUDY: Mapping[str, Callable[[RunTables], Iterator[Row]]] = {
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
