"""An atlas to explore in a browser: colour it, compare visits, brush a region. One page, no server, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import escape

from immunomon.errors import ImmunomonError
from immunomon.files import write_whole
from immunomon.maps.atlas.describe import (
    HELP,
    WHOSE,
    cells_plot,
    choices_of,
    difference_plot,
    marker_columns,
    side_by_side,
)
from immunomon.maps.atlas.pictures import CAUTION
from immunomon.maps.clusters.found import Metaclusters, metaclusters_of
from immunomon.plots.colours import word_colours
from immunomon.plots.umap_density import Densities, densities_of
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd
    from bokeh.document import Document
    from bokeh.models import ColumnDataSource

__all__ = ["Explorer", "explore_atlas", "explore_cells"]

MOST_CELLS = 100_000
_SCRIPT = Path(__file__).parent / "assets" / "explorer.js"
_TITLES = {
    "label": "population", "metacluster": "metacluster", "cluster": "k-means cluster", "visit": "visit",
    "dose_group": "dose group", "subject": "subject",
}  # fmt: skip
_HEIGHT = 1210


@dataclass(frozen=True, eq=False)
class Explorer:
    """A page with an atlas in it: saved as one file that opens anywhere, offline, and shown by a notebook.

    cells: how many are in it; document: Bokeh's. without: what is not shown, as it is of an earlier run. made_of: the
    digests of the run, the atlas and the clusters, by which the saved page is known to be current or not.
    """

    document: Document
    cells: int
    title: str
    without: str = ""
    made_of: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Explorer({self.title}: {self.cells:,} cells{f'; without {self.without}' if self.without else ''})"

    def html(self) -> str:
        """Return the whole page with BokehJS inside: nothing is fetched from anywhere."""
        from bokeh.embed import file_html
        from bokeh.resources import INLINE

        made_of = f"<!-- immunomon: made of {' '.join(self.made_of)} -->" if self.made_of else ""
        return file_html(self.document, INLINE, title=self.title) + made_of

    def save(self, path: str | Path) -> Path:
        """Write the page to a file and return its path."""
        written = Path(path)
        write_whole(written, self.html())
        return written

    def show(self, path: str | Path) -> Any:  # noqa: ANN401 - IPython's frame
        """Save the page beside a notebook and return a frame that shows it there; what is there already is replaced.

        It is a file because notebooks drop outputs of some megabytes. Raises ImmunomonError without IPython.
        """
        try:
            from IPython.display import IFrame
        except ImportError:
            raise ImmunomonError(
                'a frame needs a notebook; save the page instead, or pip install "immunomon[notebooks]"'
            ) from None
        return IFrame(self.save(path).as_posix(), width="100%", height=_HEIGHT)


def explore_atlas(run: str | Path | Run, panel: str | None = None, *, most: int = MOST_CELLS) -> Explorer:
    """Return a run's atlas as a page to explore, with the metaclusters if ``immunomon cluster`` made some.

    panel: default the study's first. Raises what ``Run.atlas`` and ``explore_cells`` raise.
    """
    opened = find_run(run)
    name = panel or opened.panels[0]
    atlas, record = opened.atlas(name), opened.atlas_record(name)
    groups = [group["name"] for group in opened.study["dose_groups"]]
    orders = {"visit": opened.visits, "label": record["labels"], "dose_group": groups}
    metaclusters, stale = metaclusters_of(opened, name)
    if metaclusters is not None and ("metacluster" not in atlas.columns or atlas["metacluster"].isna().all()):
        atlas = atlas.assign(metacluster=_metaclusters(atlas, metaclusters, opened.table("samples")))
    page = explore_cells(atlas, orders=orders, title=f"{opened.study['name']}, {name}", most=most)
    map_sha256 = [str(metaclusters.record["map_sha256"])] if metaclusters is not None else []
    return replace(page, without=stale, made_of=(opened.digest, str(record["digest"]), *map_sha256))


def _metaclusters(atlas: pd.DataFrame, metaclusters: Metaclusters, samples: pd.DataFrame) -> pd.Series[Any]:
    """Return each cell's metacluster, missing where it is in none."""
    import pandas as pd

    events = samples.set_index("sample_id")["events"]
    words = pd.Series(index=atlas.index, dtype=object)
    for sample, own in atlas.groupby("sample_id", sort=False, observed=True):
        codes = metaclusters.codes(str(sample), int(events[str(sample)]))[own["event"].to_numpy()]
        words.loc[own.index] = [metaclusters.names[code] if code >= 0 else None for code in codes]
    return words


def explore_cells(
    atlas: pd.DataFrame,
    *,
    orders: Mapping[str, Sequence[str]] | None = None,
    title: str = "Atlas",
    most: int = MOST_CELLS,
) -> Explorer:
    """Return a page on which an atlas is coloured, visits are compared, and a brushed region is described.

    atlas: a table that ``embed_run`` wrote, or part of it. orders: column -> its words in the order of the legend (of
    ``visit``: of time; of ``label``: what lies in no subset first, in grey). most: of more cells so many are taken by
    chance, always the same. Raises ImmunomonError if Bokeh is not installed, ValueError for fewer than two cells.
    """
    try:
        from bokeh.document import Document
    except ImportError:
        raise ImmunomonError(
            'an atlas to explore needs Bokeh, which is not installed; pip install "immunomon[notebooks]"'
        ) from None
    if len(atlas) < 2:
        raise ValueError(f"an atlas of {len(atlas)} cells is nothing to explore")
    chosen = np.sort(np.random.default_rng(0).permutation(len(atlas))[:most])
    # Shuffled: whoever is drawn last would hide the others.
    shown = atlas.iloc[np.random.default_rng(1).permutation(chosen)].reset_index(drop=True)
    colours = _colours(shown, orders or {})
    document = Document(title=title)
    _fill(document, shown, colours, densities_of(atlas))
    return Explorer(document, len(shown), title)


def _fill(document: Document, atlas: pd.DataFrame, colours: Mapping[str, dict[str, Any]], known: Densities) -> None:
    """Put the plots and what ties them together into a document."""
    from bokeh.layouts import column
    from bokeh.models import CustomJS, Range1d
    from bokeh.models.widgets.inputs import TextAreaInput
    from bokeh.models.widgets.markups import Div

    choices = choices_of(colours, _TITLES)
    visits = (str(choices.before.value), str(choices.after.value))
    left, right, bottom, top = known.extent
    ranges = (Range1d(start=left, end=right), Range1d(start=bottom, end=top))
    cells = [cells_plot("all cells", 600, ranges), *(cells_plot(visit, 345, ranges, known=known) for visit in visits)]
    change, image = difference_plot(f"{visits[1]} against {visits[0]}", known, ranges)
    legend, description = Div(text="", width=470, name="legend"), Div(text=HELP, width=470, name="found")
    comparison = Div(text="", sizing_mode="stretch_width", name="compared")
    corners = TextAreaInput(
        title=_CORNERS, rows=2, name="region", max_length=20_000, sizing_mode="stretch_width", max_width=1060
    )
    head = Div(text=_HEAD.format(title=escape(document.title), caution=CAUTION), sizing_mode="stretch_width")
    source, plots = _source(atlas, colours), [plot for plot, _ in cells]
    start = CustomJS(
        args={
            "source": source, "meta": _meta(atlas, colours), "densities": _listed(known), "plots": plots,
            "ranges": {"x": ranges[0], "y": ranges[1]}, "choices": choices.by_name(), "corners": corners,
            "pictures": [picture for _, picture in cells], "change": change, "image": image, "legend": legend,
            "found": description, "said": comparison, "help": HELP,
        },
        code=_SCRIPT.read_text(encoding="utf-8") + _START,
    )  # fmt: skip

    def does(call: str) -> CustomJS:
        return CustomJS(args={"source": source}, code=f"if (source.atlas) source.atlas.{call};")

    document.js_on_event("document_ready", start)
    choices.colour.js_on_change("value", does("recolour()"))
    for choice in (choices.before, choices.after, choices.dose):
        choice.js_on_change("value", does("compare()"))
    for axis_range in ranges:
        for end in ("start", "end"):
            axis_range.js_on_change(end, does("repaint()"))
    for plot in (*plots, change):
        plot.js_on_event("selectiongeometry", does("brush(cb_obj)"))
        plot.js_on_event("reset", does("clear()"))
    document.add_root(
        column(
            head,
            side_by_side(plots[0], column(choices.colour, legend, description)),
            side_by_side(choices.before, choices.after, choices.dose),
            side_by_side(*plots[1:], change),
            comparison,
            corners,
            sizing_mode="stretch_width",
        )
    )


_HEAD = '<h1 style="font-size:18px;margin:0">{title}</h1><div style="color:#667">{caution}</div>'
_CORNERS = "The region that was drawn, for immunomon.describe_region(atlas, ...)"
_START = """
source.atlas = startAtlas({source, meta, densities, ranges, choices, plots, pictures, change, image, legend, found,
                           corners, said, help});
"""


def _listed(known: Densities) -> list[dict[str, Any]]:
    return [
        {"visit": visit, "group": group, "patients": known.patients[visit, group], "sums": sums.ravel()}
        for (visit, group), sums in known.sums.items()
    ]


def _colours(atlas: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return what cells can be coloured by: words with a palette, or a marker with its range."""
    import seaborn as sns

    colours: dict[str, dict[str, Any]] = {}
    for name in _TITLES:
        if name not in atlas.columns or (name == "cluster" and "metacluster" in colours):
            continue
        values = atlas[name].dropna().astype(str)
        present = set(values)
        if values.empty:
            continue
        words = [word for word in orders.get(name, sorted(present, key=lambda w: (len(w), w))) if word in present]
        grey = orders["label"][0] if name == "label" and orders.get("label") else None
        palette = word_colours(name, words, grey=grey)
        colours[name] = {"kind": "words", "words": words, "palette": [palette[word] for word in words]}
    viridis = sns.color_palette("viridis", 256).as_hex()
    for marker in marker_columns(atlas):
        low, high = np.percentile(atlas[marker], [1, 99])
        colours[marker] = {
            "kind": "marker",
            "low": float(low),
            "high": float(max(high, low + 1e-3)),
            "palette": viridis,
        }
    return colours


def _meta(atlas: pd.DataFrame, colours: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    words = {name: colour["words"] for name, colour in colours.items() if colour["kind"] == "words"}
    named = {
        name: dict(zip(colour["words"], colour["palette"], strict=True))
        for name, colour in colours.items()
        if name in words
    }
    markers = marker_columns(atlas)
    return {"markers": markers, "words": words, "whose": list(WHOSE), "colours": named, "shown": dict(colours)}


def _source(atlas: pd.DataFrame, colours: Mapping[str, dict[str, Any]]) -> ColumnDataSource:
    from bokeh.models import ColumnDataSource

    data: dict[str, Any] = {
        name: atlas[name].to_numpy(dtype=np.float32) for name in ("umap1", "umap2", *marker_columns(atlas))
    }
    data["weight"] = (
        atlas["weight"].to_numpy(dtype=np.float32) if "weight" in atlas.columns else np.ones(len(atlas), "f4")
    )
    for name, colour in colours.items():
        if colour["kind"] == "words":
            codes = {word: number for number, word in enumerate(colour["words"])}
            data[name] = atlas[name].astype(str).map(codes).fillna(-1).to_numpy(dtype=np.int16)  # None: in none
    return ColumnDataSource(data)
