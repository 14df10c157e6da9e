"""One gating plot: the density of a parent's events, the gates on it, decades on its axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.model.scales import scale_from_dict
from immunomon.plots.colours import DENSITY_STOPS
from immunomon.plots.density import unpack_density
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["frame_of", "gating_plot"]


def frame_of(plot: Mapping[str, Any]) -> Frame:
    """Return the axes of a stored plot and how far they go.

    >>> frame_of({"x": {"axis": "CD3", "range": [0, 1]}, "y": None}).x_range
    (0.0, 1.0)
    """
    (x_low, x_high), y = plot["x"]["range"], plot.get("y")
    if y is None:
        return Frame(plot["x"]["axis"], None, (float(x_low), float(x_high)))
    y_low, y_high = y["range"]
    return Frame(plot["x"]["axis"], y["axis"], (float(x_low), float(x_high)), (float(y_low), float(y_high)))


def gating_plot(ax: Axes, plot: Mapping[str, Any]) -> Axes:
    """Draw one of a sample's stored plots: density, gates with their percentage of the parent, axes in intensities.

    plot: an entry of ``plots`` in ``samples/<sample_id>.json``. Raises ValueError if its density is damaged.

    >>> import matplotlib.figure
    >>> from immunomon.plots.density import pack_density
    >>> axis = {"axis": "CD3", "label": "CD3", "range": [0.0, 1.0], "scale": {"kind": "logicle"}}
    >>> plot = {"x": axis, "y": None, **pack_density(np.array([[0, 9, 255]], dtype=np.uint8)), "gates": []}
    >>> gating_plot(matplotlib.figure.Figure().subplots(), plot).get_xlabel()
    'CD3'
    """
    levels, frame = unpack_density(plot), frame_of(plot)
    if frame.y is None:
        edges = np.linspace(*frame.x_range, levels.size + 1)
        ax.stairs(levels.ravel() / 255.0, edges, fill=True, color=DENSITY_STOPS[2], alpha=0.6)
    else:
        _draw_density(ax, levels, frame)
    ax.set_xlim(*frame.x_range)
    ax.set_ylim(*frame.y_range)
    for gate in plot["gates"]:
        _draw_gate(ax, gate, frame)
    _draw_axis(ax.xaxis, plot["x"])
    if plot.get("y") is not None:
        _draw_axis(ax.yaxis, plot["y"])
    ax.set_title(str(plot.get("parent_label", "")), fontsize="small")
    return ax


def _draw_density(ax: Axes, levels: np.typing.NDArray[np.uint8], frame: Frame) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("density", list(DENSITY_STOPS)).with_extremes(bad=(0, 0, 0, 0))
    shown = np.ma.masked_equal(levels, 0)
    ax.imshow(shown, origin="lower", extent=(*frame.x_range, *frame.y_range), aspect="auto", cmap=colours, vmin=1)


def _draw_axis(axis: Axis, declared: Mapping[str, Any]) -> None:
    ticks = axis_ticks(scale_from_dict(declared["scale"]), *declared["range"])
    axis.set_ticks([tick.at for tick in ticks if tick.label], [tick.label for tick in ticks if tick.label])
    axis.set_ticks([tick.at for tick in ticks if not tick.label], minor=True)
    axis.set_label_text(str(declared["label"]))


def _draw_gate(ax: Axes, gate: Mapping[str, Any], frame: Frame) -> None:
    drawn = outline(gate["gate"], frame)
    if drawn is None:
        return
    for line in drawn.lines:
        ax.plot([x for x, _ in line], [y for _, y in line], color="black", linewidth=1.1)
    percent = gate.get("percent_of_parent")
    text = f"{gate['label']}\n{percent:.3g} %" if percent is not None else str(gate["label"])
    # A corner may lie far outside of the plot; the label belongs to the part that is seen.
    xs, ys = np.clip([x for x, _ in drawn.ring], *frame.x_range), np.clip([y for _, y in drawn.ring], *frame.y_range)
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.0}
    ax.annotate(
        text,
        (float(xs.min() + xs.max()) / 2, float(ys.max())),
        xytext=(0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize="x-small",
        bbox=box,
        annotation_clip=True,
    )
