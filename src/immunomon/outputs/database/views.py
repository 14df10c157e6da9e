"""Views for people: percents with their change, one row a visit, what cannot be reported, earlier versions.

They show what is current. Those whose columns depend on what is in the database are made anew when that changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text

from immunomon.outputs.database.results import RECORDS, RESULTS
from immunomon.outputs.database.schema import views

__all__ = ["STATIC", "refresh_views"]

_CHANGES = """c.study, c.subject, c.dose_group, c.visit, c.planned_day, c.study_day, c.panel,
       c.population, c.label, c.denominator, c.count, c.denominator_count"""
STATIC: Mapping[str, str] = {
    "v_subset_frequencies": f"""
SELECT {_CHANGES},
       c.value AS percent, f.percent_low, f.percent_high,
       c.baseline AS baseline_percent, c.change AS change_in_percentage_points,
       c.percent_change, c.log_odds_change, c.status, c.reason,
       f.placed_by, f.doubts, c.rests_on, c.baseline_rests_on,
       c.sample_id, c.baseline_sample_id, c.run_id, r.exported_at_utc AS valid_from
FROM changes c
JOIN runs r ON r.run_id = c.run_id
LEFT JOIN frequencies f
  ON f.study = c.study AND f.sample_id = c.sample_id
 AND f.population = c.population AND f.denominator = c.denominator
WHERE c.quantity = 'percent'""",
    "v_not_reportable": f"""
SELECT {_CHANGES}, c.quantity, c.unit,
       CASE WHEN c.status IN ('missing baseline', 'baseline not reportable') THEN 'change' ELSE 'value' END
         AS not_reportable,
       c.value AS value_as_measured, c.status, c.reason, c.rests_on, c.baseline_rests_on,
       c.sample_id, c.baseline_sample_id, c.run_id
FROM changes c
WHERE c.status <> 'ok'""",
    "v_review": """
SELECT s.study, s.panel, count(*) AS samples,
       sum(CASE WHEN v.state = 'approved' THEN 1 ELSE 0 END) AS approved,
       sum(CASE WHEN v.state = 'query' THEN 1 ELSE 0 END) AS queries_open,
       sum(CASE WHEN v.state = 'rejected' THEN 1 ELSE 0 END) AS rejected,
       sum(CASE WHEN v.state = 'changed since approval' THEN 1 ELSE 0 END) AS changed_since_approval
FROM samples s
LEFT JOIN reviews v ON v.study = s.study AND v.sample_id = s.sample_id
WHERE s.status = 'gated'
GROUP BY s.study, s.panel""",
    "v_versions": f"""
SELECT {_CHANGES}, c.quantity, c.unit, c.value, c.baseline, c.change, c.status, c.reason, c.sample_id,
       c.run_id, r.exported_at_utc AS valid_from, NULL AS valid_to, NULL AS ended_by_run_id, NULL AS why
FROM changes c
JOIN runs r ON r.run_id = c.run_id
UNION ALL
SELECT {_CHANGES}, c.quantity, c.unit, c.value, c.baseline, c.change, c.status, c.reason, c.sample_id,
       c.run_id, c.valid_from, c.valid_to, c.ended_by_run_id, c.why
FROM changes_history c""",
}
_MOST_COLUMNS = 1500
_FIT = re.compile(r"[a-z0-9_]{1,40}")
_CHANGES_TABLE = next(table for table in RESULTS if table.name == "changes")


def refresh_views(connection: Connection, distrusted: Collection[str] = ()) -> None:
    """Make every view that is not there, or was made by another definition, and take away those that are out of use.

    distrusted: views that somebody else may have made otherwise; they are made anew.
    """
    views_now = dict(STATIC) | {"v_wide": _wide(connection)} | dict(_records(connection))
    present = {row.name: row.definition for row in connection.execute(select(views))}
    for name in sorted({*present, *distrusted}):
        if name in distrusted or views_now.get(name) != present[name]:
            _do(connection, f"DROP VIEW IF EXISTS {name}")
            connection.execute(delete(views).where(views.c.name == name))
            present.pop(name, None)
    for name in sorted(views_now):
        if views_now[name] != present.get(name):
            _do(connection, f"CREATE VIEW {name} AS {views_now[name]}")
            connection.execute(insert(views).values(name=name, definition=views_now[name]))


def _do(connection: Connection, statement: str) -> None:
    connection.execute(text(statement.replace(":", r"\:")))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _wide(connection: Connection) -> str:
    """Return one row a subject and visit, with a column for each quantity; what is not reportable is NULL."""
    table = _CHANGES_TABLE.c
    quantity_columns = (table.quantity, table.population, table.denominator, table.panel)
    quantities = [tuple(row) for row in connection.execute(select(*quantity_columns).distinct())]
    quote = connection.dialect.identifier_preparer.quote_identifier
    columns = [
        f"max(CASE WHEN {' AND '.join(_is(*part) for part in zip(_WHAT, item, strict=True))} "
        f"AND status IN ('ok', 'missing baseline', 'baseline not reportable') THEN value END) AS {quote(name)}"
        for name, item in sorted(_names(quantities).items())[:_MOST_COLUMNS]
    ]
    whose = "study, subject, dose_group, visit, planned_day"
    listed = ",\n       ".join([whose, "min(study_day) AS study_day", *columns])
    return f"\nSELECT {listed}\nFROM changes\nGROUP BY {whose}"


_WHAT = ("quantity", "population", "denominator", "panel")


def _is(column: str, value: str | None) -> str:
    return f"{column} IS NULL" if value is None else f"{column} = {_text(value)}"


def _names(quantities: Iterable[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return a column's name for each quantity; the panel is in it only where several measure the same."""
    rows = sorted(quantities, key=lambda row: tuple(map(str, row)))
    shared = [row[:3] for row in rows]
    names: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        quantity, population, denominator, panel = row
        how = {"percent": f"of_{denominator}", "cells_per_ul": "per_ul"}.get(quantity, f"to_{denominator}")
        name = f"{population}_{how}" + (f"_{panel}" if shared.count(row[:3]) > 1 else "")
        name = plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:55]
        number = 1
        while name in names:
            number += 1
            name = f"{plain}_{number}"
        names[name] = row
    return names


def _records(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield a view with real columns for each kind of record: the estimates, the platelets ..."""
    for table in RECORDS:
        kind = table.info["key"][0]
        kinds: dict[str, dict[str, set[type]]] = {}
        for name, content in connection.execute(select(table.c[kind], table.c.content)):
            columns = kinds.setdefault(name, {})
            for column, value in (content if isinstance(content, dict) else json.loads(content)).items():
                columns.setdefault(column, set()).add(type(value))
        for name, columns in sorted(kinds.items()):
            if _FIT.fullmatch(name):
                yield f"v_{kind}_{name}", _typed(connection, table.name, (kind, name), columns)


def _typed(connection: Connection, table: str, which: tuple[str, str], columns: Mapping[str, set[type]]) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    postgresql = connection.dialect.name == "postgresql"
    listed = []
    for name in sorted(columns)[:_MOST_COLUMNS]:
        held = columns[name] - {type(None)}
        kind = "BOOLEAN" if held == {bool} else "BIGINT" if held == {int} else "DOUBLE PRECISION"
        path = f"content ->> {_text(name)}"
        number = bool(held) and held <= {int, float, bool} and (held == {bool} or bool not in held)
        # SQLite gives numbers as they are; PostgreSQL gives every value as text.
        value = f"CAST({path} AS {kind})" if postgresql and number else path
        listed.append(f"{value} AS {quote(name[:63])}")
    own = [quote(name) for name in ("study", "run_id") if name not in columns]
    return f"\nSELECT {', '.join(own + listed)}\nFROM {table}\nWHERE {which[0]} = {_text(which[1])}"
