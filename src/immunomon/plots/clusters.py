"""Metaclusters: how bright each is for every marker, and the tree that ties those together that are most alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from immunomon.arrays import Floats
from immunomon.errors import NothingToDraw
from immunomon.plots.figures import scale_bar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["cluster_heatmap", "cluster_tree", "spanning_tree"]

_ROUNDS = 300


def cluster_heatmap(
    ax: Axes, centres: pd.DataFrame, *, notes: Mapping[str, str] | None = None, order: bool = True
) -> Axes:
    """Draw metaclusters (rows) by markers (columns), each marker from its lowest to its highest metacluster.

    centres: on the display scale, one row a metacluster, one column a marker; notes: what else to write behind a row
    (its population, its share). order: like beside like (average linkage) instead of as they come. Raises
    NothingToDraw for no rows.

    >>> import matplotlib.figure, pandas as pd
    >>> table = pd.DataFrame({"CD3": [0.1, 0.7], "CD4": [0.2, 0.6]}, index=["mc01", "mc02"])
    >>> ax = cluster_heatmap(matplotlib.figure.Figure().subplots(), table)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['CD3', 'CD4']
    """
    if centres.empty:
        raise NothingToDraw("there is no metacluster to draw; choose rows of the centres")
    values = centres.to_numpy(dtype=float)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.maximum(high - low, 1e-9)
    rows = _alike(scaled) if order and len(values) > 2 else list(range(len(values)))
    drawn = ax.imshow(scaled[rows], aspect="auto", cmap="viridis", vmin=0, vmax=1)
    ax.set_xticks(range(centres.shape[1]), [str(name) for name in centres.columns], rotation=45, ha="right")
    names = [str(centres.index[row]) for row in rows]
    ax.set_yticks(range(len(rows)), [f"{name}  {(notes or {}).get(name, '')}".rstrip() for name in names])
    ax.tick_params(length=0, labelsize=8)
    ax.set_xticks(np.arange(-0.5, centres.shape[1]), minor=True)
    ax.set_yticks(np.arange(-0.5, len(rows)), minor=True)
    ax.grid(which="minor", color="white", linewidth=0.8)
    ax.tick_params(which="minor", length=0)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    scale_bar(ax, drawn, {0: "dimmest", 1: "brightest"}, fraction=0.04)
    return ax


def _alike(values: Floats) -> list[int]:
    from scipy.cluster.hierarchy import leaves_list, linkage

    return [int(row) for row in leaves_list(linkage(values, method="average", optimal_ordering=True))]


def spanning_tree(values: Floats) -> list[tuple[int, int]]:
    """Return the edges of the minimum spanning tree of points, (points, axes): the shortest ties that hold them all.

    >>> spanning_tree(np.array([[0.0], [5.0], [1.0]]))
    [(0, 2), (1, 2)]
    """
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    # Points in one place would be no tie at all: an edge of length 0 is none to scipy.
    tree = minimum_spanning_tree(squareform(pdist(values) + 1e-9)).tocoo()
    edges = [(int(min(a, b)), int(max(a, b))) for a, b in zip(tree.row, tree.col, strict=True)]
    return sorted(edges)


def cluster_tree(
    ax: Axes,
    centres: pd.DataFrame,
    sizes: Sequence[float],
    *,
    colour: Sequence[float] | None = None,
    title: str = "",
) -> Axes:
    """Draw metaclusters as dots on their minimum spanning tree; the area says how many cells they have.

    centres: as for ``cluster_heatmap``; sizes: cells of each; colour: a number each (a marker, a change), white: 0 or
    the lowest; default: all alike. Lengths of edges follow the distance between centres, as far as a plane allows.

    >>> import matplotlib.figure, pandas as pd
    >>> table = pd.DataFrame({"CD3": [0.1, 0.7, 0.6], "CD4": [0.2, 0.6, 0.1]}, index=["mc01", "mc02", "mc03"])
    >>> ax = cluster_tree(matplotlib.figure.Figure().subplots(), table, [100, 10, 10])
    >>> [text.get_text() for text in ax.texts]
    ['mc01', 'mc02', 'mc03']
    """
    from matplotlib.patheffects import withStroke

    values = centres.to_numpy(dtype=float)
    edges = spanning_tree(values)
    places = _laid_out(values, edges)
    for a, b in edges:
        ax.plot(*places[[a, b]].T, color="0.6", linewidth=1.1, zorder=1)
    area = 30 + 420 * np.asarray(sizes, dtype=float) / max(float(np.max(sizes)), 1.0)
    style = {"c": "#9cc3e0"} if colour is None else {"c": np.asarray(colour, dtype=float), "cmap": "viridis"}
    drawn = ax.scatter(places[:, 0], places[:, 1], s=area, edgecolors="0.25", linewidths=0.7, zorder=2, **style)
    for position, name, dot in zip(places, centres.index, area, strict=True):
        ax.annotate(
            str(name), tuple(position), xytext=(0, np.sqrt(dot) / 2 + 2), textcoords="offset points", ha="center",
            va="bottom", fontsize=7, zorder=3, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
    if colour is not None:
        ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.02)
    ax.set_title(title)
    ax.margins(0.12)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _laid_out(values: Floats, edges: Sequence[tuple[int, int]]) -> Floats:
    """Return places in the plane, (points, 2), that keep the ways along the tree as well as they can.

    Stress majorisation of the lengths of the ways (Gansner, Koren & North 2004), weighted by 1 / length squared, from
    classical scaling: the same points give the same places.
    """
    from scipy.sparse.csgraph import shortest_path

    count = len(values)
    if count < 3:
        return np.column_stack([np.arange(count, dtype=float), np.zeros(count)])
    lengths = [float(np.linalg.norm(values[a] - values[b])) for a, b in edges]
    usual = float(np.median(lengths))
    # Neither touching nor running off: a tie is between 0.8 and 1.6 of the usual one.
    shown = np.clip(lengths, 0.8 * usual, 1.6 * usual)
    ties = np.zeros((count, count))
    for (a, b), length in zip(edges, shown, strict=True):
        ties[a, b] = length
    ways = shortest_path(ties, directed=False)
    centred = np.eye(count) - 1.0 / count
    eigenvalues, vectors = np.linalg.eigh(-0.5 * centred @ ways**2 @ centred)
    places = vectors[:, -2:] * np.sqrt(np.maximum(eigenvalues[-2:], 1e-12))
    places = places + 1e-3 * usual * np.column_stack([np.sin(np.arange(count)), np.cos(np.arange(count))])
    weights = np.where(ways > 0, 1.0 / np.maximum(ways, 1e-9) ** 2, 0.0)
    laplacian = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    for _ in range(_ROUNDS):
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        pull = -weights * ways / np.maximum(apart, 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        places = laplacian @ (pull @ places)
    return np.asarray(places, dtype=np.float64)
