"""One gate in many samples, one small plot each, those that need a person first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from immunomon.api.gated import Gated
from immunomon.arrays import Ints, Mask
from immunomon.errors import NothingToDraw, UnknownName, nearest
from immunomon.outputs.review.at_run import sample_distances
from immunomon.outputs.review.gallery import entries_of
from immunomon.plots.gating import gating_plot
from immunomon.runs.opened import Run
from immunomon.runs.verdicts import reviews_of_run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Order", "back_gating_figure", "gate_figure"]

Order = Literal["doubt", "subject", "percent"]
Entry = dict[str, Any]
_SORTED_BY: dict[Order, Callable[[Entry], float] | None] = {
    "doubt": lambda entry: -entry["need"],
    "subject": None,
    "percent": lambda entry: -(entry["percent"] or 0.0),
}
_REASON_LETTERS = 40


def gate_figure(
    run: Run, rows: pd.DataFrame, population: str, *, sort: Order = "doubt", most: int = 12, columns: int = 4
) -> Figure:
    """Return a figure with the stored plots of a population's gate; rows: its rows of the table ``populations``.

    sort: ``doubt``, ``subject`` (as the study lists them) or ``percent``. Raises UnknownName for another.
    """
    from matplotlib import pyplot as plt

    if sort not in _SORTED_BY:
        raise UnknownName(f"no order '{sort}'; {nearest(sort, get_args(Order), in_order=True)}")
    gated = set(run.gated)
    far = {name: sample_distances(run, name) for name in rows["sample_id"] if name in gated}
    distances = {name: of_sample[population] for name, of_sample in far.items() if population in of_sample}
    entries = list(entries_of(rows, run.table("samples"), reviews=reviews_of_run(run.folder), distances=distances))
    key = _SORTED_BY[sort]
    drawn = [
        (entry, plot)
        for entry in (entries if key is None else sorted(entries, key=key))
        for plot in run.plots(entry["sample_id"])
        if population in plot["populations"]
    ][:most]
    across = max(1, min(columns, len(drawn)))
    down = max(1, -(-len(drawn) // across))
    figure = plt.figure(figsize=(2.9 * across, 2.9 * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
    for ax, (entry, plot) in zip(axes, drawn, strict=False):
        gating_plot(ax, plot)
        ax.set_title(_title(entry), fontsize="small")
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    return figure


def back_gating_figure(
    plots: Sequence[Mapping[str, Any]], gated: Gated, events: Sequence[int] | Mask, *, columns: int = 4
) -> Figure:
    """Return a figure with a sample's stored plots and some of its events on each, where their parent holds them.

    events: numbers of events in the file, or a mask, (events,). Raises UnknownName for an event that it has not,
    ValueError for a mask of another number of events.
    """
    from matplotlib import pyplot as plt

    numbers = _event_numbers(events, gated)
    drawn = [plot for plot in plots if plot.get("y")]
    across = max(1, min(columns, len(drawn)))
    down = max(1, -(-len(drawn) // across))
    figure = plt.figure(figsize=(2.9 * across, 2.9 * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
    for ax, plot in zip(axes, drawn, strict=False):
        mask = gated.tree.mask(plot["parent"])
        here = numbers if mask is None else numbers[mask[numbers]]
        x, y = (np.clip(gated.display.column(plot[side]["axis"])[here], *plot[side]["range"]) for side in ("x", "y"))
        gating_plot(ax, plot)
        ax.plot(x, y, "o", markersize=3.2, color="#d55e00", markeredgecolor="black", markeredgewidth=0.4, linestyle="")
        ax.set_title(f"{plot['parent_label']}, {len(here):,} of {len(numbers):,} here", fontsize="small")
    for ax in axes[len(drawn) :]:
        ax.set_axis_off()
    return figure


def _event_numbers(events: Sequence[int] | Mask, gated: Gated) -> Ints:
    count, chosen_events = gated.tree.count, np.asarray(events)
    if chosen_events.dtype == np.bool_:
        if chosen_events.size != count:
            raise NothingToDraw(f"{gated.sample.path}: it has {count:,} events, the mask {chosen_events.size:,}")
        return np.flatnonzero(chosen_events)
    numbers = chosen_events.astype(np.int64)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
        outside = numbers.min() if numbers.min() < 0 else numbers.max()
        raise UnknownName(f"{gated.sample.path}: it has events 0 to {count - 1}, not {outside}")
    return numbers


def _title(entry: Entry) -> str:
    names = ("subject", "visit") if isinstance(entry["subject"], str) else ("role", "batch")
    whose = " ".join(entry[name] for name in names if isinstance(entry[name], str))
    percent = "" if entry["percent"] is None else f", {entry['percent']:.3g} %"
    reason = textwrap.shorten(entry["reasons"][0], _REASON_LETTERS, placeholder=" ...") if entry["reasons"] else ""
    return f"{whose or entry['sample_id']}{percent}" + (f"\n{reason}" if reason else "")
