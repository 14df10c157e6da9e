"""The primary analysis in the report: what ``immunomon compare`` found, as one page with its figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.cytometry.model.populations import Table
from immunomon.errors import BadSpec, Problem
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.outputs.report.told import ToldPage, ToldSection, ToldSheet
from immunomon.trial.model.tables import ESTIMATES, FAMILIES
from immunomon.yamlfile import read_text

__all__ = ["read_compared"]

_MOST_TEXT = 1_000_000
_TABLES = (ESTIMATES, FAMILIES)
_PRIMARY = "Primary endpoints"
_HEADS = ("endpoint", "at", "dose group", "patients", "mean change", "interval", "as a ratio", "p", "adjusted p")


def read_compared(run: ReportedRun) -> ToldPage | None:
    """Return the page "What changed" of a run; None if ``immunomon compare`` wrote nothing into it.

    A comparison of another state of the run says so. Raises BadSpec if it cannot be read, BadRun for a changed table.
    """
    folder = run.folder / "statistics"
    if not (folder / "summary.md").is_file():
        return None
    remedy = f"make it again: immunomon compare {run.folder}"
    try:
        record = json.loads(read_text(folder / "analysis.json", _MOST_TEXT))
        of_now = run.record_sha256 == record["run_digest"]
        tables = {table.name: _table(run, table) for table in _TABLES}
        sections = tuple(_sections(read_text(folder / "summary.md", _MOST_TEXT), tables))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSpec([Problem(str(folder), None, "", f"cannot be read ({error})", remedy)]) from error
    return ToldPage("compare", "What changed", sections, "" if of_now else "immunomon compare")


def _sections(text: str, tables: Mapping[str, pd.DataFrame]) -> Iterator[ToldSection]:
    """Yield the parts of the page of sentences; its list of primary endpoints becomes a table."""
    for part in re.split(r"^## ", f"## How it was compared\n{text.partition(chr(10))[2]}", flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        # The lines of single dose groups are rows of the table.
        lines = [line for line in body.splitlines() if line.strip() and not line.startswith("  - ")]
        paragraphs = tuple(_plain(line) for line in lines)
        if heading == _PRIMARY:
            chosen = _primary(tables[ESTIMATES.name])
            yield ToldSection(heading, paragraphs, (_estimates(tables[FAMILIES.name], chosen),))
        else:
            yield ToldSection(heading, paragraphs, ())


def _plain(line: str) -> str:
    return re.sub(r"\*\*|`", "", line.removeprefix("- "))


def _primary(table: pd.DataFrame) -> pd.DataFrame:
    chosen = table[(table["role"] == "primary") & (table["measure"] == "change")]
    # All together first, then its dose groups.
    places = {
        name: index for index, name in enumerate(dict.fromkeys(zip(chosen["endpoint"], chosen["at"], strict=True)))
    }
    order = [
        (places[name], group != "all")
        for name, group in zip(zip(chosen["endpoint"], chosen["at"], strict=True), chosen["dose_group"], strict=True)
    ]
    return chosen.iloc[sorted(range(len(order)), key=order.__getitem__)]


def _estimates(families: pd.DataFrame, chosen: pd.DataFrame) -> ToldSheet:
    adjusted = {
        (row["endpoint"], row["visit"]): row["p_max_t"] for row in families[families["declared"]].to_dict("records")
    }
    rows = tuple(
        _row(row, adjusted.get((row["endpoint"], row["at"])) if row["dose_group"] == "all" else None)
        for row in chosen.to_dict("records")
    )
    caption = "Primary endpoints: change from baseline on the scale of the analysis, all together and by dose group"
    return ToldSheet(caption, _HEADS, rows)


def _table(run: ReportedRun, contract: Table) -> pd.DataFrame:
    table = run.held(contract, "statistics")
    return table.astype(object).where(table.notna(), None)


def _row(row: dict[Any, Any], adjusted: float | None) -> tuple[str, ...]:
    word = "to" if row["quantity"] == "ratio" else "of"
    of = f" {word} {row['denominator']}" if row["denominator"] else ""
    low, high = row["t_low"], row["t_high"]
    ratio = "-" if row["mean"] is None else f"x{math.exp(row['mean']):.2f}"
    if low is not None and high is not None:
        ratio += f" ({math.exp(low):.2f} to {math.exp(high):.2f})"
    return (
        f"{row['label']} ({row['quantity']}{of})",
        str(row["at"]),
        str(row["dose_group"]),
        str(row["n"]),
        "-" if row["mean"] is None else f"{row['mean']:+.2f}",
        "-" if low is None or high is None else f"{low:+.2f} to {high:+.2f}",
        ratio,
        str(row["note"] or "-") if row["p_sign_flip"] is None else f"{row['p_sign_flip']:.2g}",
        "-" if adjusted is None else f"{adjusted:.2g}",
    )
