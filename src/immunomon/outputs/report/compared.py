"""The primary analysis in the report, as one page with its figures, and the bridge samples over time."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from immunomon.cytometry.model.populations import Table
from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.errors import BadSpec, Problem
from immunomon.outputs.report.told import ToldPage, ToldSection, ToldSheet, picture_of
from immunomon.runs.folder import read_held
from immunomon.runs.opened import Run
from immunomon.trial.model.tables import ESTIMATES, FAMILIES
from immunomon.yamlfile import read_text

__all__ = ["Steady", "read_compared", "read_steadiness"]

_MOST_TEXT = 1_000_000
_MOST_PICTURES = 12
_TABLES = (ESTIMATES, FAMILIES)
_PRIMARY = "Primary endpoints"
_HEADS = ("endpoint", "at", "dose group", "patients", "mean change", "interval", "as a ratio", "p", "adjusted p")


def read_compared(run: Run) -> ToldPage | None:
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
        tables = {table.name: _table(folder, table, dict(record.get("files") or {}), remedy) for table in _TABLES}
        sections = tuple(_sections(read_text(folder / "summary.md", _MOST_TEXT), folder, tables))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSpec([Problem(str(folder), None, "", f"cannot be read ({error})", remedy)]) from error
    return ToldPage("compare", "What changed", sections, "" if of_now else "immunomon compare")


def _sections(text: str, folder: Path, tables: Mapping[str, pd.DataFrame]) -> Iterator[ToldSection]:
    """Yield the parts of the page of sentences; its list of primary endpoints becomes a table, with the pictures."""
    for part in re.split(r"^## ", f"## How it was compared\n{text.partition(chr(10))[2]}", flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        # The lines of single dose groups are rows of the table.
        lines = [line for line in body.splitlines() if line.strip() and not line.startswith("  - ")]
        paragraphs = tuple(_plain(line) for line in lines)
        if heading == _PRIMARY:
            chosen = _primary(tables[ESTIMATES.name])
            yield ToldSection(heading, paragraphs, (_estimates(tables[FAMILIES.name], chosen),))
            paths = _pictures(folder, chosen)
            drawn = tuple(picture for path in paths for picture in picture_of(path, _words(path)))
            if drawn:
                yield ToldSection("The primary endpoints, drawn with every patient", (), (), (), drawn)
        else:
            yield ToldSection(heading, paragraphs, ())


def _plain(line: str) -> str:
    return re.sub(r"\*\*|`", "", line.removeprefix("- "))


def _pictures(folder: Path, chosen: pd.DataFrame) -> list[Path]:
    """Return the forests of the visits and scales of the primary endpoints, then each endpoint's courses."""
    forests = dict.fromkeys(f"forest_{row['scale']}_{row['at']}" for row in chosen.to_dict("records"))
    courses = dict.fromkeys(f"trajectories_{name}" for name in chosen["endpoint"])
    names = [re.sub(r"[^A-Za-z0-9_.+-]", "_", name) for name in (*forests, *courses)]
    return [folder / f"{name}.png" for name in names][:_MOST_PICTURES]


def _words(path: Path) -> str:
    kind, _, name = path.stem.partition("_")
    return f"{'Estimates and intervals' if kind == 'forest' else 'Each patient over time'}: {name.replace('_', ' ')}"


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


def _table(folder: Path, contract: Table, files: Mapping[str, str], remedy: str) -> pd.DataFrame:
    path = folder / f"{contract.name}.parquet"
    data = read_held(path, files.get(path.name), record="analysis.json", remedy=remedy)
    table = pd.read_parquet(io.BytesIO(data)).reindex(columns=list(contract.names))
    return table.astype(object).where(table.notna(), None)


def _row(row: dict[Any, Any], adjusted: float | None) -> tuple[str, ...]:
    of = f" of {row['denominator']}" if row["denominator"] else ""
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


# Steadiness over time in the report: bridge samples as small Levey-Jennings charts, and what breaks the rules.

_SERIES = ["panel", "donor", "population", "quantity", "marker"]
_WIDTH, _HEIGHT, _MARGIN = 250.0, 96.0, 8.0
_MOST_CHARTS, _MOST_LINES = 80, 200
_CLASSES = {"in control": "steady", "warning": "warned", "out of control": "out", "not judged": "unjudged"}


@dataclass(frozen=True)
class Steady:
    """What the page shows: a sentence, charts by panel, and the values out of control, newest last."""

    sentence: str
    panels: tuple[tuple[str, tuple[Markup, ...]], ...]
    violations: tuple[tuple[str, ...], ...]
    unsaid: int


def read_steadiness(run: Run) -> Steady | None:
    """Return what a run's table ``steadiness`` says, or None if there is none or it has no bridge sample."""
    if not run.has_table(STEADINESS.name):
        return None
    table = STEADINESS.shaped(run.table(STEADINESS.name))
    if table.empty:
        return None
    judged, out = table[table["verdict"] != "not judged"], table[table["verdict"] == "out of control"]
    sentence = (
        f"{table['sample_id'].nunique()} bridge samples, {len(judged)} of {len(table)} values judged, {len(out)} out "
        "of control. With so many values some break a rule by chance: look for samples and markers that stand out."
    )
    ordered = out.sort_values(["collection_date", "panel", "sample_id", "population", "marker"])
    lines = [_line(row) for row in ordered.to_dict("records")]
    panels = [(str(panel), tuple(_charts(rows))) for panel, rows in table.groupby("panel", sort=True)]
    return Steady(sentence, tuple(panels), tuple(lines[:_MOST_LINES]), max(0, len(lines) - _MOST_LINES))


def _what(row: dict[Any, Any]) -> str:
    return "% of parent" if row["quantity"] == "percent_of_parent" else f"median {row['marker']}"


def _line(row: dict[Any, Any]) -> tuple[str, ...]:
    return (
        str(row["collection_date"]),
        str(row["panel"]),
        "" if pd.isna(row["batch"]) else str(row["batch"]),
        f"{row['label']}, {_what(row)}",
        f"{row['measured']:.4g}",
        f"{row['z']:+.1f}",
        str(row["rules"]),
    )


def _charts(rows: pd.DataFrame) -> Iterator[Markup]:
    """Yield a panel's charts: every percentage, then the medians that are out of control somewhere, the worst first."""
    every = [series for _, series in rows.groupby(_SERIES, sort=False, dropna=False) if series["number"].count() > 1]
    percents = [series for series in every if series["quantity"].iloc[0] == "percent_of_parent"]
    worst = [(int((series["verdict"] == "out of control").sum()), series) for series in every]
    medians = [(n, series) for n, series in worst if n and series["quantity"].iloc[0] != "percent_of_parent"]
    medians.sort(key=lambda pair: -pair[0])
    yield from (_chart(series) for series in [*percents, *(series for _, series in medians)][:_MOST_CHARTS])


def _chart(series: pd.DataFrame) -> Markup:
    drawn = series.dropna(subset=["number", "value"]).sort_values("number")
    values = drawn["value"].to_numpy(dtype=float)
    set_by = drawn.loc[drawn["establishes"].astype(bool), "value"].astype(float)
    mean, sd = float(set_by.mean()), float(set_by.std(ddof=1)) if len(set_by) > 1 else 0.0
    low, high = min(values.min(), mean - 3.2 * sd), max(values.max(), mean + 3.2 * sd)
    span = (high - low) or 1.0

    def y(value: float) -> str:
        return f"{_MARGIN + (_HEIGHT - 2 * _MARGIN) * (high - value) / span:.1f}"

    step = (_WIDTH - 2 * _MARGIN) / max(len(values) - 1, 1)
    xs = [f"{_MARGIN + step * index:.1f}" for index in range(len(values))]
    lines = [
        f'<line class="sd{n}" x1="0" x2="{_WIDTH:.0f}" y1="{y(level)}" y2="{y(level)}"/>'
        for n in (0, 2, 3)
        for level in sorted({mean - n * sd, mean + n * sd})
    ]
    path = " ".join(f"{x},{y(value)}" for x, value in zip(xs, values, strict=True))
    dots = [_dot(x, y(float(row["value"])), row) for x, row in zip(xs, drawn.to_dict("records"), strict=True)]
    title = escape(f"{drawn['label'].iloc[0]}: {_what(drawn.iloc[0].to_dict())}")
    parts = "".join([*lines, f'<polyline points="{path}"/>', *dots])
    size = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}"'
    drawing = f'<svg {size} role="img" aria-label="{title}">{parts}</svg>'
    # Only ``title`` and the dots' words come from files, and both are escaped.
    return Markup(f'<figure class="steadiness"><figcaption>{title}</figcaption>{drawing}</figure>')


def _dot(x: str, y: str, row: dict[Any, Any]) -> str:
    z = "not judged" if pd.isna(row["z"]) else f"z {row['z']:+.1f}"
    rules = "" if pd.isna(row["rules"]) else f", {row['rules']}"
    tooltip = escape(f"{row['collection_date']} {row['batch']}: {row['measured']:.4g}, {z}{rules}")
    radius = 4 if row["verdict"] == "out of control" else 2.6
    kind = _CLASSES.get(str(row["verdict"]), "unjudged")
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"><title>{tooltip}</title></circle>'
