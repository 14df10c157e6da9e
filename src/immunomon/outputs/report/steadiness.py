"""Steadiness over time in the report: bridge samples as small Levey-Jennings charts, and what breaks the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from immunomon.cytometry.model.run_tables import STEADINESS
from immunomon.errors import counted
from immunomon.runs.opened import Run

__all__ = ["Steady", "read_steadiness"]

_SERIES = ["panel", "donor", "population", "quantity", "marker"]
_WIDTH, _HEIGHT, _MARGIN, _LEFT, _BELOW = 280.0, 116.0, 8.0, 44.0, 20.0
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
    table = run.table(STEADINESS.name).reindex(columns=list(STEADINESS.names)).astype(STEADINESS.dtypes)
    if table.empty:
        return None
    judged, out = table[table["verdict"] != "not judged"], table[table["verdict"] == "out of control"]
    sentence = (
        f"{counted(table['sample_id'].nunique(), 'bridge sample')}, "
        f"{len(judged)} of {counted(len(table), 'value')} judged, {len(out)} out "
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
        return f"{_MARGIN + (_HEIGHT - 2 * _MARGIN - _BELOW) * (high - value) / span:.1f}"

    step = (_WIDTH - _LEFT - 2 * _MARGIN) / max(len(values) - 1, 1)
    xs = [f"{_LEFT + _MARGIN + step * index:.1f}" for index in range(len(values))]
    lines = [
        f'<line class="sd{n}" x1="{_LEFT:.0f}" x2="{_WIDTH:.0f}" y1="{y(level)}" y2="{y(level)}"/>'
        for n in (0, 2, 3)
        for level in sorted({mean - n * sd, mean + n * sd})
    ]
    lines += _scale(sorted({mean - 3 * sd, mean, mean + 3 * sd}), y)
    lines += _dates(drawn["collection_date"].astype(str).tolist(), xs)
    path = " ".join(f"{x},{y(value)}" for x, value in zip(xs, values, strict=True))
    dots = [_dot(x, y(float(row["value"])), row) for x, row in zip(xs, drawn.to_dict("records"), strict=True)]
    title = escape(f"{drawn['label'].iloc[0]}: {_what(drawn.iloc[0].to_dict())}")
    parts = "".join([*lines, f'<polyline points="{path}"/>', *dots])
    size = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}"'
    drawing = f'<svg {size} role="img" aria-label="{title}">{parts}</svg>'
    # Only ``title`` and the dots' words come from files, and both are escaped.
    return Markup(f'<figure class="steadiness"><figcaption>{title}</figcaption>{drawing}</figure>')


def _scale(levels: list[float], y: Callable[[float], str]) -> Iterator[str]:
    for level in levels:
        position = f'x="{_LEFT - 4:.0f}" y="{float(y(level)) + 3.5:.1f}"'
        yield f'<text class="ticklabel" text-anchor="end" {position}>{level:.3g}</text>'


def _dates(dates: list[str], xs: list[str]) -> Iterator[str]:
    """Yield the first and the last date; they are all that has room."""
    for anchor, index in {"start": 0, "end": len(dates) - 1}.items():
        if anchor == "start" or index:
            position = f'x="{xs[index]}" y="{_HEIGHT - 5:.0f}"'
            yield f'<text class="ticklabel" text-anchor="{anchor}" {position}>{escape(dates[index])}</text>'


def _dot(x: str, y: str, row: dict[Any, Any]) -> str:
    z = "not judged" if pd.isna(row["z"]) else f"z {row['z']:+.1f}"
    rules = "" if pd.isna(row["rules"]) else f", {row['rules']}"
    tooltip = escape(f"{row['collection_date']} {row['batch']}: {row['measured']:.4g}, {z}{rules}")
    radius = 4 if row["verdict"] == "out of control" else 2.6
    kind = _CLASSES.get(str(row["verdict"]), "unjudged")
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"><title>{tooltip}</title></circle>'
