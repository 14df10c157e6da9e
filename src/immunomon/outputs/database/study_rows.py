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
    add = _EXTRA: Mapping[str, Callable[[RunTables, pd.DataFrame], dict[str, Any]]] = {
    "samples": lambda run, frame: {"specimen": _specimen_ids(frame), **_donors(run, frame)},
    "frequencies": lambda *_: {"unit": UNITS["percent"]},
    "medians": lambda *_: {"unit": UNITS["median_intensity"]},
    "changes": lambda _, frame: {"unit": frame["quantity"].map(UNITS)},
}
