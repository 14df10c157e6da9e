"""Cells in the plane of an atlas, coloured by what they are, whose, when, and how bright."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.errors import NothingToDraw, UnknownName, nearest
from immunomon.plots.colours import word_colours
from immunomon.plots.figures import as_plane, scale_bar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["atlas_plot", "umap_panels"]

_TITLES = {"label": "population", "dose_group": "dose group"}
_POINT = 3.0


def atlas_plot(
    ax: Axes, atlas: pd.DataFrame, colour: str = "label", *, order: Sequence[str] | None = None, size: float = _POINT
) -> Axes:
    """Draw an atlas' cells, coloured by a column: words get a colour each and a legend, a marker's values a colour bar.

    atlas: a table that ``embed_run`` wrote, or part of it. colour: label, dose_group, visit, subject, cluster or a
    marker. order: the words in the order of the legend (of ``visit``: of time; of ``label``: what lies in no subset
    first, which is drawn in grey). Raises UnknownName for a column that is not there.

    >>> import matplotlib.figure, pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0], "umap2": [0.0, 1.0], "label": ["Treg", "NK"], "CD25": [0.5, 0.1]})
    >>> [text.get_text() for text in atlas_plot(matplotlib.figure.Figure().subplots(), cells).get_legend().get_texts()]
    ['NK', 'Treg']
    """
    if colour not in atlas.columns:
        raise UnknownName(f"no column '{colour}' in the atlas; {nearest(colour, map(str, atlas.columns))}")
    values = atlas[colour]
    if values.dtype.kind == "f":
        _draw_marker(ax, atlas, colour, size)
    else:
        _draw_words(ax, atlas.assign(**{colour: values.astype(str)}), colour, order=order, size=size)
    as_plane(ax)
    ax.set(xlabel="", ylabel="", title=_TITLES.get(colour, colour))
    return ax


def _draw_marker(ax: Axes, atlas: pd.DataFrame, marker: str, size: float) -> None:
    low, high = np.percentile(atlas[marker], [1, 99])
    ordered = atlas.sort_values(marker, kind="stable")  # few bright cells are seen above many dim ones
    style = {"cmap": "viridis", "vmin": low, "vmax": high, "linewidths": 0, "rasterized": True}
    drawn = ax.scatter(ordered["umap1"], ordered["umap2"], c=ordered[marker], s=size, **style)
    scale_bar(ax, drawn, {low: "dim", high: "bright"})


def _draw_words(ax: Axes, atlas: pd.DataFrame, column: str, *, order: Sequence[str] | None, size: float) -> None:
    import seaborn as sns

    present = set(atlas[column])
    words = [word for word in order or sorted(present, key=_natural) if word in present]
    colours = word_colours(column, words, grey=order[0] if order and column == "label" else None)
    if column == "label":  # rare ones last, so that they lie above
        shown = atlas.assign(_n=atlas[column].map(atlas[column].value_counts())).sort_values(
            "_n", ascending=False, kind="stable"
        )
    else:  # by chance: whoever is drawn last would hide the others
        shown = atlas.iloc[np.random.default_rng(0).permutation(len(atlas))]
    sns.scatterplot(
        data=shown, x="umap1", y="umap2", hue=column, hue_order=words, palette=colours, s=size, linewidth=0, ax=ax,
        rasterized=True,
    )  # fmt: skip
    style: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": "x-small", "frameon": False}
    ax.legend(**style, title=None, markerscale=2.5, handletextpad=0.2, borderaxespad=0.3)


def _natural(word: str) -> tuple[int, str]:
    return (int(word), "") if word.isdigit() else (-1, word)


def umap_panels(
    axes: Iterable[Axes],
    atlas: pd.DataFrame,
    colours: Sequence[str],
    *,
    orders: Mapping[str, Sequence[str]] | None = None,
    size: float = _POINT,
) -> list[Axes]:
    """Draw one panel a column on the axes given, as ``atlas_plot`` does, and take away the axes that are left over.

    colours: columns of the atlas; orders: column -> its words in the order of the legend. Returns the axes drawn on.
    Raises NothingToDraw for more columns than axes, UnknownName for a column that is not there.

    >>> import matplotlib.figure, pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0], "umap2": [0.0, 1.0], "visit": ["D-1", "W4"], "CD25": [0.5, 0.1]})
    >>> grid = matplotlib.figure.Figure().subplots(2, 2)
    >>> [ax.get_title() for ax in umap_panels(grid.flat, cells, ["visit", "CD25"])]
    ['visit', 'CD25']
    """
    panels = list(axes)
    if len(colours) > len(panels):
        raise NothingToDraw(f"{len(colours)} panels do not fit on {len(panels)} axes; make more of them")
    for ax, colour in zip(panels, colours, strict=False):
        atlas_plot(ax, atlas, colour, order=(orders or {}).get(colour), size=size)
    for ax in panels[len(colours) :]:
        ax.remove()
    return panels[: len(colours)]
