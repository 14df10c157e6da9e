"""Pictures: an atlas by population, visit, dose group, subject, cluster and marker, and a projection onto one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32
from immunomon.plots.colours import dose_group_colours
from immunomon.plots.figures import as_plane, png_of
from immunomon.plots.umap import atlas_plot
from immunomon.study.model.visits import visit_labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

__all__ = ["CAUTION", "heading", "picture", "projection_picture"]

# What every picture and page of an atlas says above: whose cells, and that they are to look at, not to measure.

CAUTION = "exploratory: areas and distances between islands are no measurements; the frequencies are in the tables"


def heading(record: Mapping[str, Any], caption: str) -> str:
    r"""Return the heading of a picture; record: of an atlas or a projection.

    >>> heading({"study": "ITP", "panel": "nk"}, "UMAP of 9 cells").splitlines()[0]
    'ITP, panel nk: UMAP of 9 cells'
    """
    return f"{record['study']}, panel {record['panel']}: {caption}\n{CAUTION}"


# The atlas' picture: cells by population, visit, dose group, subject, cluster and every marker.

_POINT = 3.0


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
    for number, marker in enumerate(markers):
        ax = bottom.add_subplot(rows, 4, number + 1)
        atlas_plot(ax, atlas, marker, size=1.6)
        if marker in record["other_markers"]:
            ax.set_title(f"{marker} (colour only)")
    trusted = record["trustworthiness"]["value"]
    caption = (
        f"UMAP of {len(atlas):,} cells of {record['within']}, the same number from every subject and visit; "
        f"trustworthiness {trusted:.2f}"
    )
    figure.suptitle(heading(record, caption), fontsize="medium")
    return png_of(figure)


def _draw_whose(figure: SubFigure, atlas: pd.DataFrame, record: Mapping[str, Any], study: Mapping[str, Any]) -> None:
    axes = figure.subplot_mosaic(
        [["label", "visit", "dose_group"], ["label", "subject", "cluster"]], width_ratios=[2, 1, 1]
    )
    visits = list(visit_labels(study))
    groups = [group["name"] for group in study["dose_groups"]]
    orders = {"visit": visits, "dose_group": groups, "label": record["labels"]}
    for column, ax in axes.items():
        atlas_plot(ax, atlas, column, order=orders.get(column), size=_POINT if column == "label" else 1.6)


_BINS = 180
_COLUMNS = 4
_LAND = "#e3e5e8"
Counts = NDArray[np.float64]


def projection_picture(
    folder: Path,
    reference: Floats32,
    table: pd.DataFrame,
    *,
    record: Mapping[str, Any],
    study: Mapping[str, Any],
) -> bytes:
    """Return a projection's picture, PNG: a density for each visit on the atlas in grey, and the percent beyond it.

    folder: of the parts, which are read one at a time; reference: positions of the atlas' cells, (cells, 2); table: of
    the samples; record: what ``project_run`` writes as JSON; study: the study section of the run's record.
    """
    from matplotlib.figure import Figure

    visits = list(visit_labels(study))
    visits = [visit for visit in visits if (table["visit"] == visit).any()]
    low, high = reference.min(axis=0), reference.max(axis=0)
    edges = [np.linspace(a - 0.03 * (b - a), b + 0.03 * (b - a), _BINS + 1) for a, b in zip(low, high, strict=True)]
    densities, land = _densities(folder, table, edges), _counts(reference[:, 0], reference[:, 1], edges)
    columns = min(_COLUMNS, len(visits))
    rows = -(-len(visits) // columns)
    figure = Figure(figsize=(13.5, 3.4 * rows + 4.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.4 * rows, 3.6])  # type: ignore[misc]
    most = max(float((density / density.sum()).max()) for density in densities.values())
    for number, visit in enumerate(visits):
        ax = top.add_subplot(rows, columns, number + 1)
        _draw_visit(ax, densities[visit], land, most)
        subjects = table.loc[table["visit"] == visit, "subject"].nunique()
        ax.set_title(f"{visit}: {int(densities[visit].sum()):,} cells of {subjects} subjects", fontsize="medium")
    _draw_beyond(bottom.add_subplot(), table, visits, record)
    caption = f"{record['cells']:,} cells of {record['within']} on the atlas of {record['atlas']['study']} (in grey)"
    figure.suptitle(heading(record, caption), fontsize="medium")
    return png_of(figure)


def _densities(folder: Path, table: pd.DataFrame, edges: list[Floats]) -> dict[str, Counts]:
    import pandas as pd

    densities: dict[str, Counts] = {}
    for row in table.to_dict("records"):
        part = pd.read_parquet(folder / f"{row['sample_id']}.parquet", columns=["umap1", "umap2"])
        counts = _counts(part["umap1"].to_numpy(), part["umap2"].to_numpy(), edges)
        visit = str(row["visit"])
        densities[visit] = densities[visit] + counts if visit in densities else counts
    return densities


def _counts(x: Floats32, y: Floats32, edges: list[Floats]) -> Counts:
    return np.histogram2d(x, y, bins=(edges[0], edges[1]))[0]


def _draw_visit(ax: Axes, density: Counts, land: Counts, most: float) -> None:
    from matplotlib.colors import ListedColormap, LogNorm

    style: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(np.where(land > 0, 1.0, np.nan).T, cmap=ListedColormap([_LAND]), **style)
    share = density / density.sum()
    ax.imshow(np.where(share > 0, share, np.nan).T, cmap="viridis", norm=LogNorm(most / 1000, most), **style)
    as_plane(ax)


def _draw_beyond(ax: Axes, table: pd.DataFrame, visits: list[str], record: Mapping[str, Any]) -> None:
    groups = sorted({str(group) for group in table["dose_group"].dropna()})
    colours, visit_order = dose_group_colours(groups), {visit: number for number, visit in enumerate(visits)}
    for number, (_, own) in enumerate(table.groupby("subject", sort=True)):
        known = own[own["visit"].isin(visits)].assign(_x=own["visit"].map(visit_order)).sort_values("_x")
        x = known["_x"].to_numpy(dtype=float) + 0.012 * (number % 21 - 10)  # side by side, not above each other
        percent, low, high = (
            known[name].to_numpy(dtype=float)
            for name in ("percent_beyond", "percent_beyond_low", "percent_beyond_high")
        )
        colour = colours[str(known["dose_group"].iloc[0])].dark if known["dose_group"].notna().any() else "#555555"
        ax.plot(x, percent, color=colour, linewidth=0.8, alpha=0.5)
        ax.errorbar(x, percent, [percent - low, high - percent], fmt="o", color=colour, markersize=3, linewidth=0.9)
    ax.axhline(1, color="black", linewidth=0.8, linestyle="--")
    ax.set_xticks(range(len(visits)), visits)
    ax.set(xlim=(-0.5, len(visits) - 0.5), ylabel="cells unlike the atlas, %")
    ax.set_ylim(bottom=0)
    ax.set_title(
        f"One line a subject: cells beyond the atlas' own {record['out_of_reference']['percentile']:g}th percentile; "
        "dashed: what the atlas' cells have; bars: counting only",
        fontsize="medium",
    )
    for group in groups:
        ax.plot([], [], color=colours[group].dark, marker="o", markersize=4, label=f"dose group {group}")
    if groups:
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.spines[["top", "right"]].set_visible(False)
