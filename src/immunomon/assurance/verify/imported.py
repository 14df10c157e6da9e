"""Verify a run of imported counts: percents worked out again, and counts held against the tables they came from."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.errors import ImmunomonError, counted
from immunomon.files import read_input

__all__ = ["ImportedVerdict", "imported_record", "verify_imported"]

_Z = 1.959963984540054  # of 95 %
_TOLERANCE = 1e-9
_LARGEST = 200_000_000


@dataclass(frozen=True)
class ImportedVerdict:
    """What was worked out again of imported values, what differs, and what cannot be checked."""

    percents: int
    counts: int
    differences: tuple[str, ...]
    unchecked: tuple[str, ...]


def verify_imported(run: Path, record: Mapping[str, Any], study: Path | None = None) -> ImportedVerdict:
    """Return what of imported values is right: percents and Wilson intervals, and counts where their table is at hand.

    record: of ``run.json``; study: the study's folder, in which the tables are looked for; default: that above the run.
    """
    populations, frequencies = (
        pd.read_parquet(run / "tables" / f"{name}.parquet") for name in ("populations", "frequencies")
    )
    differences = [
        *_percents(populations, "parent_count", "percent_of_parent"),
        *_percents(frequencies, "denominator_count", "percent"),
    ]
    unchecked = ["gates and events: they are not here, the values were gated elsewhere"]
    unchecked += [
        f"{entry['population']} of {entry['sample']}: {entry['count']} is what {entry['by']} set, the table has "
        f"{entry['imported']} ({entry['reason']})"
        for entry in record["imported"].get("overrides", ())
    ]
    without = frequencies["percent"].notna() & frequencies["count"].isna()
    unchecked += [f"{counted(int(without.sum()), 'percent')} imported without counts"] if without.any() else []
    counts = 0
    as_imported = _as_imported(populations, record["imported"].get("overrides", ()))
    for table in record["imported"]["tables"]:
        path = (study or run.resolve().parent) / str(table["file"])
        own, why = _stated(path, table)
        if own is None:
            unchecked.append(f"the counts in {table['file']}: {why}")
            continue
        held, differing = _held(own, as_imported)
        counts += held
        if left := len(own) - held - len(differing):
            unchecked.append(f"{counted(left, 'row')} of {table['file']}: no count stands there in digits alone")
        differences += [f"{table['file']}: {line}" for line in differing]
    return ImportedVerdict(len(populations) + len(frequencies), counts, tuple(differences), tuple(unchecked))


def _as_imported(populations: pd.DataFrame, overrides: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the populations with the table's counts in the place of those that a person put there."""
    table = populations.copy()
    for entry in overrides:
        named = table["population"].eq(entry["population"]) | table["label"].eq(entry["population"])
        own = table["sample_id"].eq(entry["sample"]) & named
        table.loc[own, "count"] = pd.NA if entry["imported"] is None else entry["imported"]
    return table


def _percents(table: pd.DataFrame, total: str, percent: str) -> Iterator[str]:
    for row in table.to_dict("records"):
        count, of, stated = row["count"], row[total], row[percent]
        ends = (row[f"{percent}_low"], row[f"{percent}_high"])
        known = not (pd.isna(count) or pd.isna(of)) and of > 0
        name = f"{row['sample_id']} {row['population']}"
        if not known:
            if not all(pd.isna(end) for end in ends):
                yield f"{name}: {percent} has an interval, without counts"
            continue
        if not math.isclose(stated, 100 * count / of, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield f"{name}: {percent} is {stated}, and {count} of {of} are {100 * count / of}"
        if count <= of and not all(
            math.isclose(end, own, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
            for end, own in zip(ends, _wilson(float(count), float(of)), strict=True)
        ):
            yield f"{name}: the interval of {percent} is {ends}, and that of {count} in {of} is {_wilson(count, of)}"


def _wilson(count: float, total: float) -> tuple[float, float]:
    share, squared = count / total, _Z * _Z
    middle = (share + squared / (2 * total)) / (1 + squared / total)
    half = _Z / (1 + squared / total) * math.sqrt(share * (1 - share) / total + squared / (4 * total * total))
    low, high = (0.0 if count == 0 else middle - half), (1.0 if count == total else middle + half)
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def _stated(path: Path, table: Mapping[str, Any]) -> tuple[list[dict[str, str]] | None, str]:
    """Return the rows of a tidy table as it was imported, or why they cannot be read."""
    if not str(table.get("form", "")).startswith("tidy"):
        return None, f"a {table.get('form')} is read by one program alone"
    try:
        data = read_input(path, _LARGEST)
    except OSError as error:
        return None, f"it cannot be read ({error.strerror or error})"
    if hashlib.sha256(data).hexdigest() != table["sha256"]:
        return None, "it was changed since it was imported"
    text = data.decode("utf-8-sig", errors="replace")
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    return [
        {str(key).strip().casefold(): str(value or "").strip() for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    ], ""


def _held(rows: list[dict[str, str]], populations: pd.DataFrame) -> tuple[int, list[str]]:
    """Return how many counts of a table stand in a run as the table has them, and which do not."""
    by_slot: dict[tuple[str, ...], list[Any]] = {}
    for known_row in populations.to_dict("records"):
        for name in (known_row["population"], known_row["label"]):
            slot = (str(known_row["subject"] or ""), str(known_row["visit"] or ""), str(name))
            by_slot.setdefault(slot, []).append((known_row["panel"], known_row["count"]))
    held, differing = 0, []
    for row in rows:
        text = row.get("count", "")
        if not text.isdigit():
            continue
        slot = (row.get("subject", ""), row.get("visit", ""), row.get("population", ""))
        panel = row.get("panel", "")
        known = [
            count
            for own, count in by_slot.get(slot, [])
            if not panel or str(own).partition("~")[0] == panel.partition("~")[0]
        ]
        if any(not pd.isna(count) and int(count) == int(text) for count in known):
            held += 1
        else:
            differing.append(
                f"{' '.join(slot)}: {text}, and the run has {', '.join(map(str, known)) or 'no such value'}"
            )
    return held, differing


def imported_record(run: Path) -> dict[str, Any] | None:
    """Return the record of a run of imported values, None of any other run; raises ImmunomonError if there is none."""
    try:
        record = json.loads(read_input(run / "run.json"))
    except (OSError, ValueError) as error:
        raise ImmunomonError(f"{run / 'run.json'}: {error}; name the folder that 'immunomon import' wrote") from error
    return record if isinstance(record, dict) and record.get("imported") else None
