"""Quality control: rate and signal during a measurement, and Levey-Jennings charts of a bridge sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.errors import NothingToDraw
from immunomon.files import write_whole
from immunomon.plots.figures import png_of
from immunomon.study.model.quality import Quality

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["acquisition_plot", "levey_jennings", "write_acquisitions", "write_charts"]

# How an acquisition went: flow rate and signals over the events, with what is flagged shaded.

_SHADE = {"rate": "#f0b040", "step": "#c04a00", "drift": "#b8568c"}
_MOST_NAMED = 6


def acquisition_plot(rate_axes: Axes, signal_axes: Axes, quality: Quality) -> Axes:
    """Draw the flow rate above and each channel's mean rank below, over the events; flagged stretches are shaded.

    The channels that leave their usual level most are named. Returns the lower axes.

    >>> import matplotlib.figure
    >>> from immunomon.study.model.quality import Check, Course, Flagged, Verdict
    >>> course = Course((0, 50, 100), ("CD3",), ((0.4, 0.6),), (0, 50, 100), (1.0, 0.9))
    >>> quality = Quality(100, 50, (), (Flagged(50, 100, "step", "step of CD3"),), course)
    >>> upper, lower = matplotlib.figure.Figure().subplots(2)
    >>> acquisition_plot(upper, lower, quality).get_ylabel()
    'mean rank'
    """
    course = quality.course
    rate_axes.stairs(course.rates, course.rate_edges or (0,), color="0.2", linewidth=0.9, baseline=None)
    rate_axes.set_yscale("log")
    rate_axes.set_ylabel("flow rate\n(1 = usual)", fontsize=7)
    shift = {check.channel: check.value or 0.0 for check in quality.checks if check.check == "signal"}
    named = [name for name in sorted(shift, key=lambda name: -shift[name]) if shift[name] > 0][:_MOST_NAMED]
    for channel, levels in zip(course.channels, course.levels, strict=True):
        middles = [(start + stop) / 2 for start, stop in zip(course.edges, course.edges[1:], strict=False)]
        shown: dict[str, Any] = {"label": channel} if channel in named else {"color": "0.75", "zorder": 1}
        signal_axes.plot(middles, levels, linewidth=0.9, **shown)
    if any(channel in named for channel in course.channels):
        signal_axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    signal_axes.set_ylabel("mean rank", fontsize=7)
    signal_axes.set_xlabel("event, in the order of the file", fontsize=7)
    for axes in (rate_axes, signal_axes):
        for stretch in quality.stretches:
            axes.axvspan(stretch.start, stretch.stop, color=_SHADE.get(stretch.check, "0.5"), alpha=0.25, linewidth=0)
        axes.set_xlim(0, max(quality.events, 1))
        axes.tick_params(labelsize=7)
    return signal_axes


def write_acquisitions(qualities: Mapping[str, Quality], folder: Path) -> list[Path]:
    """Draw one PNG a sample into a folder; returns the paths written, in the order of the samples."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, quality in qualities.items():
        figure = Figure(figsize=(8.0, 4.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        acquisition_plot(upper, lower, quality)
        upper.set_title(f"{name}: {quality.verdict}", fontsize=8)
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.png"
        write_whole(path, png_of(figure))
        written.append(path)
    return written


_SERIES = ["panel", "donor", "population", "quantity", "marker"]
_COLOURS = {"in control": "#2b6cb0", "warning": "#b7791f", "out of control": "#c53030", "not judged": "0.6"}
_MARKS = {"in control": "o", "warning": "^", "out of control": "X", "not judged": "."}
_COLUMNS, _MOST = 4, 32


def levey_jennings(ax: Axes, series: pd.DataFrame, *, title: str = "") -> Axes:
    """Draw one series of the table ``steadiness``: values in order of time, limits at the mean and 2 and 3 SD.

    Where every value is judged by the others, the lines are those of all values together. Verdicts have marks as well
    as colours. Levey and Jennings 1950, Am J Clin Pathol 20:1059. Raises NothingToDraw if no value is left.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"number": [1, 2, 3], "value": [5.0, 6.0, 7.0], "unit": "%", "collection_date": "2025-01-13",
    ...         "establishes": True, "verdict": "in control", "rules": None, "label": "Treg"}
    >>> levey_jennings(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), title="Treg").get_title()
    'Treg'
    """
    drawn = series.dropna(subset=["number", "value"]).sort_values("number")
    if drawn.empty:
        what = f"no value of {title or 'this series'} to draw"
        raise NothingToDraw(f"{what}; choose rows of a series that have a number and a value")
    set_by = drawn[drawn["establishes"].astype(bool)]["value"].astype(float)
    number, value = drawn["number"].astype(int), drawn["value"].astype(float)
    ax.plot(number, value, color="0.6", linewidth=0.8, zorder=1)
    for verdict, colour in _COLOURS.items():
        chosen = (drawn["verdict"] == verdict).to_numpy(dtype=bool)
        if chosen.any():
            ax.scatter(number[chosen], value[chosen], s=22, color=colour, marker=_MARKS[verdict], zorder=2)
    if len(set_by) > 1:
        mean, sd = float(set_by.mean()), float(set_by.std(ddof=1))
        for steps, style in ((0, "-"), (2, "--"), (3, ":")):
            for level in {mean - steps * sd, mean + steps * sd}:
                ax.axhline(level, color="0.4", linewidth=0.8, linestyle=style, zorder=0)
    ax.set_title(title, fontsize=8)
    ax.set_ylabel(str(drawn["unit"].iloc[0]), fontsize=7)
    ax.tick_params(labelsize=7)
    return ax


def write_charts(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the table ``steadiness``, one PNG a panel: each population's percentage, then its markers' medians.

    Of the medians those that break rules come first; a picture holds 32 charts at most. Returns the paths written.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for panel, rows in table.groupby("panel", sort=True):
        chosen = list(_chosen(rows))
        if not chosen:
            continue
        lines = -(-len(chosen) // _COLUMNS)
        height = 2.0 * lines + 0.8
        figure = Figure(figsize=(3.2 * _COLUMNS, height))
        axes: Any = figure.subplots(lines, _COLUMNS, squeeze=False)
        for ax, (title, series) in zip(axes.flat, chosen, strict=False):
            levey_jennings(ax, series, title=title)
        for ax in list(axes.flat)[len(chosen) :]:
            ax.set_axis_off()
        # Laid out by hand: matplotlib takes seconds to lay out this many axes.
        figure.subplots_adjust(0.05, 0.6 / height, 0.99, 1 - 0.3 / height, wspace=0.28, hspace=0.45)
        figure.supxlabel("bridge sample, in order of collection; lines: mean, 2 SD, 3 SD", fontsize=8)
        path = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', str(panel))}.png"
        write_whole(path, png_of(figure))
        written.append(path)
    return written


def _chosen(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield series with their titles: percentages in the table's order, then medians, the worst first."""
    every = [(key, series) for key, series in rows.groupby(_SERIES, sort=False, dropna=False)]
    known = [(key, series) for key, series in every if series["number"].notna().any()]
    percents = [(_title(series), series) for key, series in known if key[3] == "percent_of_parent"]
    medians = [series for key, series in known if key[3] != "percent_of_parent"]
    medians.sort(key=lambda series: -int((series["verdict"] == "out of control").sum()))
    yield from [*percents, *((_title(series), series) for series in medians)][:_MOST]


def _title(series: pd.DataFrame) -> str:
    first = series.iloc[0]
    quantity = "% of parent" if first["quantity"] == "percent_of_parent" else f"median {first['marker']}"
    return f"{first['label']}: {quantity}"
