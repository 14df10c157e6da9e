"""How an acquisition went: flow rate and signals over the events, with what is flagged shaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.files import write_whole
from immunomon.plots.png import png_of
from immunomon.study.model.quality import Quality

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["acquisition_plot", "write_acquisitions"]

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
