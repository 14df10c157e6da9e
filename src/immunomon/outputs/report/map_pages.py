"""Clusters and atlases of a run as pages of its report; one of another state of the run is named, not shown."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from immunomon.errors import ImmunomonError
from immunomon.files import read_input
from immunomon.maps.clusters.found import Metaclusters, metaclusters_of
from immunomon.outputs.report.drawing import picture
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.outputs.report.told import ToldPage, ToldSection, ToldSheet
from immunomon.plots.clusters import cluster_heatmap
from immunomon.plots.umap import atlas_plot
from immunomon.study.model.visits import visit_labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["map_pages"]

# What an atlas is coloured by besides its markers: title and sentence.
_WHOSE = {
    "label": ("Population", "The subset that the gates put each cell into."),
    "visit": ("Visit", ""),
    "dose_group": ("Dose group", ""),
    "subject": ("Subject", ""),
    "cluster": ("Cluster", ""),
}
_HEADS = ("metacluster", "phenotype", "% of cells", "samples", "population", "F1", "remark")


def map_pages(run: ReportedRun) -> Iterator[ToldPage]:
    """Yield a page of the clusters and one of the atlases that lie in a run's folder."""
    clusters = tuple(_clusters(run))
    if clusters:
        yield ToldPage("clusters", "Clusters", clusters)
    atlases = tuple(_atlases(run))
    if atlases:
        yield ToldPage("atlas", "Atlas", atlases)


def _clusters(run: ReportedRun) -> Iterator[ToldSection]:
    for path in sorted(run.folder.glob("clusters/*/clusters.json")):
        panel = path.parent.name
        again = f"immunomon cluster {run.folder.name} --panel {panel}"
        clusters, why = metaclusters_of(run, panel)
        if clusters is None:
            reason = "They are of another state of the run" if why else "They cannot be read"
            yield ToldSection(panel, (f"{reason} and are not shown; make them again: {again}",), ())
            continue
        rows = clusters.table.astype(object).where(clusters.table.notna(), None).to_dict("records")
        number = sum(map(int, dict(clusters.record.get("cells") or {}).values()))
        sentence = (
            f"{number:,} cells of {clusters.record.get('within', '')}, {len(rows)} metaclusters by "
            f"{', '.join(map(str, clusters.record.get('markers') or ()))}. Exploratory: nothing is tested here."
        )
        sheet = ToldSheet("Metaclusters", _HEADS, tuple(_row(row) for row in rows))
        yield ToldSection(panel, (sentence,), (sheet,), (), tuple(_heatmap(clusters)))


def _row(row: dict[Any, Any]) -> tuple[str, ...]:
    texts = [row.get(name) for name in ("metacluster", "phenotype", "percent_of_parent", "samples", "population", "f1")]
    numbers = {2: "{:.2f}", 5: "{:.2f}"}
    cells = ["-" if value is None else numbers.get(column, "{}").format(value) for column, value in enumerate(texts)]
    return (*cells, str(row.get("note") or "-"))


def _heatmap(clusters: Metaclusters) -> Iterator[Markup]:
    try:
        centres = clusters.centres()
    except (OSError, ValueError, KeyError, ImmunomonError):
        return
    notes = {str(row["metacluster"]): str(row["population"] or "") for row in
             clusters.table.astype(object).where(clusters.table.notna(), None).to_dict("records")}  # fmt: skip

    def draw(ax: Axes) -> None:
        cluster_heatmap(ax, centres, notes=notes)
        for axes in ax.figure.axes:
            axes.tick_params(labelsize=11)

    sentence = (
        "Each marker from its dimmest to its brightest metacluster; behind a name the population it overlaps most."
    )
    yield picture(draw, 90 + 16 * len(centres), "How bright", sentence=sentence)


def _atlases(run: ReportedRun) -> Iterator[ToldSection]:
    for path in sorted(run.folder.glob("atlas/*.json")):
        panel = path.name.removesuffix(".json")
        if panel.endswith(".projected"):
            continue
        again = f"immunomon embed {run.folder.name} --panel {panel} --refit"
        try:
            record = json.loads(read_input(path))
            is_of_now = record["run_digest"] in (run.record.get("digest"), run.record_sha256)
            sentence = (
                f"{record['cells']:,} cells of {record['within']} by {', '.join(map(str, record['markers']))}; "
                f"trustworthiness {record['trustworthiness']['value']:.3f}. To look at: its axes mean nothing."
            )
        except (OSError, ValueError, KeyError, TypeError):
            yield ToldSection(panel, (f"This atlas cannot be read; make it again: {again}",), ())
            continue
        if not is_of_now:
            yield ToldSection(panel, (f"This atlas is of another state of the run and is not shown; make it again: "
                                      f"{again}",), ())  # fmt: skip
            continue
        try:
            pictures = tuple(_small_multiples(run, run.atlas(panel), record))
        except (OSError, ValueError, KeyError, TypeError, ImmunomonError):
            sentence, pictures = f"The cells of this atlas cannot be read; make it again: {again}", ()
        yield ToldSection(panel, (sentence,), (), (), pictures)


def _small_multiples(run: ReportedRun, atlas: pd.DataFrame, record: Mapping[str, Any]) -> Iterator[Markup]:
    """Yield a picture of each colouring of an atlas, as wide as a telephone."""
    orders = {
        "label": list(record["labels"]),
        "visit": list(visit_labels(run.study)),
        "dose_group": [group["name"] for group in run.study.get("dose_groups") or ()],
    }
    other = list(record["other_markers"])
    columns = [name for name in (*_WHOSE, *record["markers"], *other) if name in atlas.columns]
    for column in columns:
        draw = partial(_one_colouring, atlas=atlas, column=column, order=orders.get(column))
        height = 340 if column not in _WHOSE else 330 + 17 * -(-atlas[column].nunique() // 2)
        title, sentence = _WHOSE.get(column, (column, "For its colour only." if column in other else ""))
        yield _lighter(picture(draw, height, title, sentence=sentence))


def _lighter(drawn: Markup) -> Markup:
    """Return a picture whose points have 64 colours, a quarter of their weight; what is text stays text."""
    from PIL import Image

    def few(found: re.Match[str]) -> str:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(base64.b64decode(found[1])), formats=("PNG",)) as points:
            reduced = points.convert("RGBA").quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        reduced.save(buffer, format="PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

    return Markup(re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", few, str(drawn)))  # as safe as it was


def _one_colouring(ax: Axes, atlas: pd.DataFrame, column: str, order: Sequence[str] | None) -> None:
    atlas_plot(ax, atlas, column, order=order, size=1.6)
    ax.set_title("")
    for axes in ax.figure.axes:
        axes.tick_params(labelsize=11)
    legend = ax.get_legend()
    if legend is not None:  # beside the cells there is no room for names
        handles = [handle for handle in legend.legend_handles if handle is not None]
        names = [text.get_text() for text in legend.get_texts()]
        ax.legend(
            handles, names, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=2, markerscale=2.5, borderaxespad=0.3,
            handletextpad=0.2, columnspacing=1.0,
        )  # fmt: skip
