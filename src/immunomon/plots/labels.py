"""Where the names of gates stand on a plot: within their gate, beside each other, off the crowd."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.membership import in_polygon

__all__ = ["label_places", "wrapped"]

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
