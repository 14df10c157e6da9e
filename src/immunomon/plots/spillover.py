"""Pictures of a compensation: matrices as heat maps, and the worst pairs of fluorochromes before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["matrix_plot", "pair_plot"]

_COLOURS = {"spillover": "cividis", "residual": "PuOr", "spreading": "cividis"}  # told apart with any colour vision
_MOST_NUMBERS = 20


def matrix_plot(
    ax: Axes, values: NDArray[np.floating], kind: str, *, rows: Sequence[str], columns: Sequence[str]
) -> Axes:
    """Draw a matrix as a heat map, with its numbers if they are few enough to read.

    kind: ``spillover`` (0 to 1), ``residual`` (signed slopes, symmetric about 0), ``spreading``. Raises KeyError for
    another kind. Values that are not known stay grey.

    >>> import matplotlib.figure
    >>> ax = matplotlib.figure.Figure().subplots()
    >>> matrix_plot(ax, np.eye(2), "spillover", rows=["FITC", "PE"], columns=["B1", "B2"]).get_title()
    'Spillover (share of the own detector)'
    """
    title, low, high = _range(values, kind)
    from matplotlib import colormaps

    colours = colormaps[_COLOURS[kind]].with_extremes(bad="#bbbbbb")
    image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high, aspect="auto")
    ax.set_title(title)
    size = 8 if len(columns) <= _MOST_NUMBERS else 5
    ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.set_xlabel("detector" if kind == "spillover" else "into")
    ax.set_ylabel("fluorochrome")
    if len(columns) <= _MOST_NUMBERS:
        for row, column in np.ndindex(*values.shape):
            _number(ax, float(values[row, column]), (row, column), colours(image.norm(values[row, column])))
    figure = ax.get_figure()
    if figure is not None:
        figure.colorbar(image, ax=ax, shrink=0.8)
    return ax


def _range(values: NDArray[np.floating], kind: str) -> tuple[str, float, float]:
    largest = float(np.nanmax(np.abs(values), initial=0.0)) if np.isfinite(values).any() else 0.0
    return {
        "spillover": ("Spillover (share of the own detector)", 0.0, 1.0),
        "residual": ("Residual slopes after compensation", -max(largest, 1e-4), max(largest, 1e-4)),
        "spreading": ("Spillover spreading (Nguyen 2013)", 0.0, max(largest, 1e-9)),
    }[kind]


def _number(ax: Axes, value: float, cell: tuple[int, int], colour: Any) -> None:  # noqa: ANN401
    if not np.isfinite(value) or value == 0.0:
        return
    dark = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 0.5
    text = f"{value:.1e}" if abs(value) < 5e-4 else f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"
    ax.text(cell[1], cell[0], text, ha="center", va="center", fontsize=5.5, color="white" if dark else "black")


def pair_plot(ax: Axes, before: NDArray[np.floating], after: NDArray[np.floating], *, names: tuple[str, str]) -> Axes:
    """Draw a single stain's events in two detectors before and after compensation.

    before, after: (events, 2), the stain's own signal and the other's; names: the stain and the other.

    >>> import matplotlib.figure
    >>> ax = matplotlib.figure.Figure().subplots()
    >>> pair_plot(ax, np.ones((3, 2)), np.zeros((3, 2)), names=("PE", "FITC")).get_ylabel()
    'FITC'
    """
    every = max(1, before.shape[0] // 2000)
    for values, colour, word in ((before, "#d98200", "before"), (after, "#0072b2", "after")):
        ax.plot(values[::every, 0], values[::every, 1], ".", ms=2, color=colour, alpha=0.5, label=word, rasterized=True)
    for axis, rescale in enumerate((ax.set_xscale, ax.set_yscale)):
        rescale("symlog", linthresh=_linear_range(after[:, axis]))
    ax.axhline(0.0, color="#666666", lw=0.6)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.legend(loc="upper left", fontsize=6, markerscale=3, frameon=False)
    return ax


def _linear_range(values: NDArray[np.floating]) -> float:
    """Return the power of ten that the dim events lie within, by the spread of the dimmer half."""
    dim = values[values <= np.median(values)] if values.size else np.zeros(1)
    spread = float(np.median(np.abs(dim - np.median(dim))))
    return float(10.0 ** np.ceil(np.log10(max(2 * spread, 1.0))))
