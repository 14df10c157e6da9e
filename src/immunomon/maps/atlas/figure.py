"""The atlas' picture: cells by population, visit, dose group, subject, cluster and every marker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from immunomon.maps.atlas.heading import heading
from immunomon.plots.figures import png_of
from immunomon.plots.umap import atlas_plot

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import SubFigure

__all__ = ["picture"]

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
    visits = [v["label"] for v in sorted(study["visits"], key=lambda visit: visit["planned_day"])]
    groups = [group["name"] for group in study["dose_groups"]]
    orders = {"visit": visits, "dose_group": groups, "label": record["labels"]}
    for column, ax in axes.items():
        atlas_plot(ax, atlas, column, order=orders.get(column), size=_POINT if column == "label" else 1.6)
