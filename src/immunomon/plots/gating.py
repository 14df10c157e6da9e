"""One gating plot: the density of a parent's events, the gates on it, decades on its axes; and the tree."""

from __future__ import annotations

import base64
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import NothingToDraw, listed
from immunomon.plots.colours import DENSITY_STOPS
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["frame_of", "gating_plot", "gating_tree", "label_places", "pack_density", "unpack_density", "wrapped"]

# The stored density of a gating plot: packed small in a run folder, unpacked for a plot.


def pack_density(levels: NDArray[np.uint8]) -> dict[str, Any]:
    """Return a density as plain data: base64 of zlib-compressed levels, and the shape.

    levels: (rows along y, columns along x), both from low to high; 0 is empty.

    >>> pack_density(np.array([[0, 255]], dtype=np.uint8))["shape"]
    [1, 2]
    """
    packed = zlib.compress(np.ascontiguousarray(levels, dtype=np.uint8).tobytes(), 9)
    return {"bins": base64.b64encode(packed).decode("ascii"), "shape": list(levels.shape)}


def unpack_density(plot: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the levels that ``pack_density`` wrote; raises ValueError if they do not fill their shape.

    >>> unpack_density(pack_density(np.array([[0, 255]], dtype=np.uint8)))
    array([[  0, 255]], dtype=uint8)
    """
    levels = np.frombuffer(zlib.decompress(base64.b64decode(plot["bins"])), dtype=np.uint8)
    return levels.reshape(tuple(plot["shape"]))


# Where the names of gates stand on a plot: within their gate, beside each other, off the crowd.

Point = tuple[float, float]
_TRIED = 15  # places across and upwards
# What a label is spared: a label under it, the edge of the plot, a place off its own gate, a crowd, the way down.
_ON_LABEL, _OUTSIDE, _OFF_GATE, _ON_CROWD, _FROM_TOP = 20.0, 20.0, 4.0, 1.5, 0.4


def wrapped(name: str, width: int = 15) -> str:
    r"""Return a name on as many lines as it needs to be narrow.

    >>> wrapped("CXCR3- CCR6- helper")
    'CXCR3- CCR6-\nhelper'
    """
    return "\n".join(textwrap.wrap(name, width, break_long_words=False, break_on_hyphens=False)) or name


def label_places(
    rings: Sequence[Sequence[Point]], sizes: Sequence[Point], crowd: NDArray[np.floating]
) -> tuple[Point, ...]:
    """Return the middle of each label, in fractions of the plot, chosen one after the other, smallest gate first.

    rings: the outline of each gate, in fractions of the plot; it may reach beyond. sizes: width and height of each
    label. crowd: (rows, columns), 0 to 1, how dense the events are, the lowest row first.

    >>> left, right = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)], [(0.5, 0), (1, 0), (1, 1), (0.5, 1)]
    >>> places = label_places([left, right], [(0.3, 0.1)] * 2, np.zeros((4, 4)))
    >>> places[0][0] < 0.5 < places[1][0]
    True
    """
    grid = (np.arange(_TRIED) + 0.5) / _TRIED
    tried = np.array([(x, y) for y in grid[::-1] for x in grid])
    order = sorted(range(len(rings)), key=lambda label: _area(rings[label]))
    middles: dict[int, Point] = {}
    for label in order:
        taken = [(middles[labelled], sizes[labelled]) for labelled in middles]
        costs = [_cost((float(x), float(y)), sizes[label], rings[label], taken, crowd) for x, y in tried]
        middles[label] = (float(tried[int(np.argmin(costs))][0]), float(tried[int(np.argmin(costs))][1]))
    return tuple(middles[label] for label in range(len(rings)))


def _area(ring: Sequence[Point]) -> float:
    points = np.clip(np.array(ring), 0, 1)
    x, y = points[:, 0], points[:, 1]
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def _cost(
    middle: Point, size: Point, ring: Sequence[Point], taken: Sequence[tuple[Point, Point]], crowd: NDArray[np.floating]
) -> float:
    (x, y), (width, height) = middle, size
    low_x, high_x, low_y, high_y = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    outside = max(0.0, -low_x, high_x - 1, -low_y, high_y - 1)
    overlap = sum(
        max(0.0, (width + w) / 2 - abs(x - a)) * max(0.0, (height + h) / 2 - abs(y - b)) for (a, b), (w, h) in taken
    ) / (width * height)
    corners = [(x, y), *((a, b) for a in (low_x, high_x) for b in (low_y, high_y))]
    across, up = np.array(corners).T
    off = 1 - float(in_polygon(across, up, np.array(ring, dtype=np.float64)).mean())
    rows, columns = crowd.shape
    under = crowd[_bins(low_y, high_y, rows), _bins(low_x, high_x, columns)]
    covered = float(under.mean()) if under.size else 0.0
    return _OUTSIDE * outside + _ON_LABEL * overlap + _OFF_GATE * off + _ON_CROWD * covered + _FROM_TOP * (1 - y)


def _bins(low: float, high: float, count: int) -> slice:
    return slice(max(0, int(low * count)), max(0, min(count, int(np.ceil(high * count)))))


_FONT_POINTS = 6.5


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
    >>> from immunomon.plots.gating import pack_density
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
    _draw_gates(ax, plot["gates"], frame, _crowd(levels, frame))
    _draw_axis(ax.xaxis, plot["x"])
    if plot.get("y") is not None:
        _draw_axis(ax.yaxis, plot["y"])
    ax.set_title(str(plot.get("parent_label", "")), fontsize="small")
    return ax


def _crowd(levels: np.typing.NDArray[np.uint8], frame: Frame) -> np.typing.NDArray[np.float64]:
    """Return how dense the events are over the plot, 0 to 1; of a histogram, where its bars stand."""
    shown = levels / 255.0
    if frame.y is not None:
        return np.asarray(shown, dtype=np.float64)
    return np.asarray(np.linspace(0, 1, 32)[:, None] < shown.ravel()[None, :], dtype=np.float64)


def _draw_density(ax: Axes, levels: np.typing.NDArray[np.uint8], frame: Frame) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("density", list(DENSITY_STOPS)).with_extremes(bad=(0, 0, 0, 0))
    shown = np.ma.masked_equal(levels, 0)
    ax.imshow(shown, origin="lower", extent=(*frame.x_range, *frame.y_range), aspect="auto", cmap=colours, vmin=1)


def _draw_axis(axis: Axis, declared: Mapping[str, Any]) -> None:
    ticks = axis_ticks(scale_from_dict(declared["scale"]), *declared["range"])
    axis.set_ticks([tick.coordinate for tick in ticks if tick.label], [tick.label for tick in ticks if tick.label])
    axis.set_ticks([tick.coordinate for tick in ticks if not tick.label], minor=True)
    axis.set_label_text(str(declared["label"]))


def _draw_gates(
    ax: Axes, gates: Sequence[Mapping[str, Any]], frame: Frame, crowd: np.typing.NDArray[np.float64]
) -> None:
    drawn = [(gate, line_of_gate) for gate in gates if (line_of_gate := outline(gate["gate"], frame)) is not None]
    for line in (line for _, line_of_gate in drawn for line in line_of_gate.lines):
        ax.plot([x for x, _ in line], [y for _, y in line], color="black", linewidth=1.1)
    texts = [_text_of(gate) for gate, _ in drawn]
    rings = [[_fraction(point, frame) for point in line_of_gate.ring] for _, line_of_gate in drawn]
    for text, (x, y) in zip(texts, label_places(rings, [_size(ax, text) for text in texts], crowd), strict=True):
        box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.0}
        ax.text(x, y, text, transform=ax.transAxes, ha="center", va="center", fontsize=_FONT_POINTS, bbox=box)


def _text_of(gate: Mapping[str, Any]) -> str:
    percent, name = gate.get("percent_of_parent"), wrapped(str(gate["label"]))
    return name if percent is None else f"{name}\n{percent:.3g} %"


def _size(ax: Axes, text: str) -> tuple[float, float]:
    """Return a text's width and height in fractions of the plot, by its letters: nothing has been drawn yet."""
    figure, frame = ax.get_figure(root=True), ax.get_position()
    assert figure is not None
    width, height = (max(side, 0.1) * 72 for side in figure.get_size_inches() * (frame.width, frame.height))
    lines = text.split("\n")
    return 0.6 * _FONT_POINTS * max(map(len, lines)) / width, 1.25 * _FONT_POINTS * len(lines) / height


def _fraction(point: tuple[float, float], frame: Frame) -> tuple[float, float]:
    (x_low, x_high), (y_low, y_high) = frame.x_range, frame.y_range
    return (point[0] - x_low) / (x_high - x_low), (point[1] - y_low) / (y_high - y_low)


# The gating tree of one sample: every population with its cells and its share of its parent.

_BOX = {"boxstyle": "round,pad=0.35", "facecolor": "#eef3f8", "edgecolor": "#5b7f9c", "linewidth": 0.9}


def gating_tree(ax: Axes, populations: pd.DataFrame) -> Axes:
    r"""Draw a sample's populations as a tree, parents on the left: label, cells, percent of the parent.

    populations: the rows of the table ``populations`` of one sample. What could not be gated is in grey.
    Raises NothingToDraw for no rows, or rows of several samples.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"sample_id": "s", "population": ["t", "cd4"], "parent": ["root", "t"], "label": ["T", "CD4"],
    ...         "count": [50, 20], "parent_count": [100, 50]}
    >>> [text.get_text() for text in gating_tree(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows)).texts]
    ['T\n50\n50 %', 'CD4\n20\n40 %']
    """
    samples = set(populations["sample_id"])
    if len(samples) != 1:
        named = listed(sorted(map(str, samples)), 12)
        remedy = f"choose one of them: {named}" if samples else "choose the rows of one sample"
        raise NothingToDraw(f"a gating tree is of one sample, got rows of {len(samples)}; {remedy}")
    places = _places(dict(zip(populations["population"], populations["parent"], strict=True)))
    for _, row in populations.iterrows():
        x, y = places[row["population"]]
        if row["parent"] in places:
            px, py = places[row["parent"]]
            ax.plot([px, (px + x) / 2, (px + x) / 2, x], [py, py, y, y], color="#9aa7b2", linewidth=1.0, zorder=1)
        known = not _missing(row["count"])
        box = {**_BOX, "facecolor": "#f2f2f2", "edgecolor": "0.6"} if not known else _BOX
        ax.text(
            x, y, f"{row['label']}\n{_said(row) if known else 'not gated'}",
            ha="center", va="center", fontsize=8, zorder=2, bbox=box, color="black" if known else "0.45",
        )  # fmt: skip
    across, down = (max(position[axis] for position in places.values()) for axis in (0, 1))
    ax.set_xlim(-0.5, across + 0.5)
    ax.set_ylim(down + 0.6, -0.6)
    ax.set_axis_off()
    return ax


def _said(row: pd.Series[Any]) -> str:
    count, parent = int(row["count"]), row["parent_count"]
    share = "" if _missing(parent) or not int(parent) else f"\n{100 * count / int(parent):.3g} %"
    return f"{count:,}{share}"


def _missing(cell: object) -> bool:
    import pandas as pd

    return bool(pd.isna(cell))  # type: ignore[call-overload]


def _places(parents: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Return where each population stands: its depth, and its line; a parent stands at the middle of its children."""
    children: dict[str, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(name)
    places: dict[str, tuple[float, float]] = {}
    lines = 0.0

    def put(name: str, depth: int) -> float:
        nonlocal lines
        below = [put(child, depth + 1) for child in children.get(name, [])]
        if below:
            line = (below[0] + below[-1]) / 2
        else:
            line, lines = lines, lines + 1.0
        places[name] = (float(depth), line)
        return line

    for name, parent in parents.items():
        if parent not in parents:
            put(name, 0)
    return places
