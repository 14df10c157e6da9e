"""The atlas drawn: cells in the plane, coloured by what they are, whose, when, and how bright."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.plots.colours import dose_group_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

__all__ = ["atlas_plot", "picture"]

_TITLES = {"label": "population", "dose_group": "dose group"}
_GREY = "#b9bec4"
_POINT = 3.0


def atlas_plot(
    ax: Axes, atlas: pd.DataFrame, colour: str = "label", *, order: Sequence[str] | None = None, size: float = _POINT
) -> Axes:
    """Draw an atlas' cells, coloured by a column: words get a colour each and a legend, a marker's values a colour bar.

    atlas: a table that ``embed_run`` wrote, or part of it. colour: label, dose_group, visit, subject, cluster or a
    marker. order: the words in the order of the legend (of ``visit``: of time; of ``label``: what lies in no subset
    first, which is drawn in grey). Raises KeyError for a column that is not there.

    >>> import matplotlib.figure, pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0], "umap2": [0.0, 1.0], "label": ["Treg", "NK"], "CD25": [0.5, 0.1]})
    >>> [text.get_text() for text in atlas_plot(matplotlib.figure.Figure().subplots(), cells).get_legend().get_texts()]
    ['NK', 'Treg']
    """
    values = atlas[colour]
    if values.dtype.kind == "f":
        _draw_marker(ax, atlas, colour, size)
    else:
        _draw_words(ax, atlas.assign(**{colour: values.astype(str)}), colour, order=order, size=size)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="", title=_TITLES.get(colour, colour))
    ax.set_box_aspect(1)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_color("#d5d8dc")
    return ax


def _draw_marker(ax: Axes, atlas: pd.DataFrame, marker: str, size: float) -> None:
    low, high = np.percentile(atlas[marker], [1, 99])
    ordered = atlas.sort_values(marker, kind="stable")  # few bright cells are seen above many dim ones
    style = {"cmap": "viridis", "vmin": low, "vmax": high, "linewidths": 0, "rasterized": True}
    drawn = ax.scatter(ordered["umap1"], ordered["umap2"], c=ordered[marker], s=size, **style)
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.02, ticks=[low, high])
    bar.ax.set_yticklabels(["dim", "bright"], fontsize="x-small")
    bar.outline.set_visible(False)


def _draw_words(ax: Axes, atlas: pd.DataFrame, column: str, *, order: Sequence[str] | None, size: float) -> None:
    import seaborn as sns

    present = set(atlas[column])
    words = [word for word in order or sorted(present, key=_natural) if word in present]
    colours = _palette(column, words, grey=order[0] if order and column == "label" else None)
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


def _palette(column: str, words: Sequence[str], *, grey: str | None) -> dict[str, Any]:
    import seaborn as sns

    if column == "dose_group":
        known = dose_group_colours(words)
        return {word: known[word].light for word in words}
    if column == "visit":
        return dict(zip(words, sns.color_palette("viridis", len(words)), strict=True))
    coloured = [word for word in words if word != grey]
    base = [c for place, c in enumerate(sns.color_palette("colorblind")) if place != 7]  # 7 is a grey
    colours = base if len(coloured) <= len(base) else sns.color_palette("husl", len(coloured))
    return {word: _GREY if word == grey else colours[coloured.index(word)] for word in words}


def picture(atlas: pd.DataFrame, record: Mapping[str, Any], *, study: Mapping[str, Any]) -> bytes:
    """Return the atlas' picture, PNG: by population, visit, dose group, subject and cluster, and by every marker.

    record: what ``embed_run`` writes as JSON. study: the study section of the run's record.
    """
    from matplotlib.figure import Figure

    markers = [*record["markers"], *record["other_markers"]]
    rows = -(-len(markers) // 4)
    figure = Figure(figsize=(15.5, 7.4 + 3.1 * rows), layout="constrained")
    top: SubFigure
    bottom: SubFigure
    top, bottom = figure.subfigures(2, 1, height_ratios=[6.4, 3.1 * rows])  # type: ignore[misc]
    _draw_whose(top, atlas, record, study)
    for place, marker in enumerate(markers):
        ax = bottom.add_subplot(rows, 4, place + 1)
        atlas_plot(ax, atlas, marker, size=1.6)
        if marker in record["other_markers"]:
            ax.set_title(f"{marker} (colour only)")
    trusted = record["trustworthiness"]["value"]
    figure.suptitle(
        f"{record['study']}, panel {record['panel']}: UMAP of {len(atlas):,} cells of {record['within']}, the same "
        f"number from every subject and visit; trustworthiness {trusted:.2f}\nexploratory: areas and distances between "
        "islands are no measurements; the frequencies are in the tables",
        fontsize="medium",
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _draw_whose(figure: SubFigure, atlas: pd.DataFrame, record: Mapping[str, Any], study: Mapping[str, Any]) -> None:
    axes = figure.subplot_mosaic(
        [["label", "visit", "dose_group"], ["label", "subject", "cluster"]], width_ratios=[2, 1, 1]
    )
    visits = [v["label"] for v in sorted(study["visits"], key=lambda visit: visit["planned_day"])]
    groups = [group["name"] for group in study["dose_groups"]]
    orders = {"visit": visits, "dose_group": groups, "label": record["labels"]}
    for column, ax in axes.items():
        atlas_plot(ax, atlas, column, order=orders.get(column), size=_POINT if column == "label" else 1.6)
