"""An atlas to explore in a browser: colour it, compare visits, draw around cells. One page, no server, no network."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from immunomon.errors import ImmunomonError, NothingToDraw
from immunomon.files import file_digest, write_whole
from immunomon.maps.atlas.describe import WHOSE, marker_columns
from immunomon.maps.atlas.gates import NO_GATES, Gates, gates_of
from immunomon.maps.atlas.pictures import CAUTION
from immunomon.maps.clusters.found import Metaclusters, metaclusters_of
from immunomon.plots.colours import DENSITY_STOPS, word_colours
from immunomon.plots.umap_density import BINS, DIFFERENCE_STOPS, Densities, densities_of
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO_WORD", "Explorer", "explore_atlas", "explore_cells", "words_of"]

MOST_CELLS = 1_000_000
NO_WORD = "in none"
"""What the legend calls cells that have no word."""
_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("explorer.js", "painters.js", "page.js", "stage.js", "gates.js", "start.js")
_LIBRARY = _ASSETS / "scatterplot.js"  # packed by the build hook, if there was npm
_TITLES = {
    "label": "population", "metacluster": "metacluster", "cluster": "k-means cluster", "visit": "visit",
    "dose_group": "dose group", "subject": "subject", "sample_id": "sample",
}  # fmt: skip
_COLOURED = ("label", "metacluster", "cluster", "visit", "dose_group", "subject")
_LEVELS = 65535
_HEIGHT = 1210
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Explorer:
    """A page with an atlas in it: saved as one file that opens anywhere, offline, and shown by a notebook.

    cells: how many are in it. page: its HTML, without what it was made of. without: what is not shown, as it is of an
    earlier run; gates_missing: why the cells' gates are not. panel: whose they are, if of a run. made_of: the digests
    of the run, the atlas and the clusters, by which the saved page is known to be current or not.
    """

    page: str
    cells: int
    title: str
    without: str = ""
    gates_missing: str = ""
    made_of: tuple[str, ...] = ()
    panel: str = ""

    def __repr__(self) -> str:
        return f"Explorer({self.title}: {self.cells:,} cells{f'; without {self.without}' if self.without else ''})"

    def html(self) -> str:
        """Return the whole page with all scripts inside: nothing is fetched from anywhere."""
        return self.page + (f"<!-- immunomon: made of {' '.join(self.made_of)} -->" if self.made_of else "")

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


def explore_atlas(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    projected: bool = False,
    most: int = MOST_CELLS,
    progress: Progress | None = None,
) -> Explorer:
    """Return a run's atlas as a page to explore, with its gates, and metaclusters if ``immunomon cluster`` made some.

    panel: default the study's first. projected: the cells that ``immunomon project`` put onto it instead of its own; of
    more than ``most`` so many by chance, always the same. The FCS files are read again, to place the cells on their
    samples' gates; where that cannot be, the page says why. Raises what ``Run.atlas``, ``Run.projected`` and
    ``explore_cells`` raise.
    """
    opened = find_run(run)
    name = panel or opened.panels[0]
    atlas, record = opened.projected(name) if projected else opened.atlas(name), opened.atlas_record(name)
    groups = [group["name"] for group in opened.study["dose_groups"]]
    orders = {"visit": opened.visits, "label": record["labels"], "dose_group": groups}
    metaclusters, stale = metaclusters_of(opened, name)
    if metaclusters is not None and ("metacluster" not in atlas.columns or atlas["metacluster"].isna().all()):
        atlas = atlas.assign(metacluster=_metaclusters(atlas, metaclusters, opened.table("samples")))
    title = f"{opened.study['name']}, {name}{', projected cells' if projected else ''}"
    shown = _shuffled(atlas, most)
    gates = gates_of(opened, name, shown, progress=progress)
    map_sha256 = [str(metaclusters.record["map_sha256"])] if metaclusters is not None else []
    projection = [file_digest(opened.folder / "atlas" / f"{name}.projected.json")] if projected else []
    page = _explorer(shown, atlas, orders, title, gates, without=stale)
    return replace(page, panel=name, made_of=(opened.digest, str(record["digest"]), *map_sha256, *projection))


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
    """Return a page on which an atlas is coloured, visits are compared, and a region that is drawn is described.

    atlas: a table that ``embed_run`` wrote, or part of it. orders: column -> its words in the order of the legend (of
    ``visit``: of time; of ``label``: what lies in no subset first, in grey). most: of more cells so many are taken by
    chance, always the same. Raises NothingToDraw for fewer than two cells.
    """
    if len(atlas) < 2:
        raise NothingToDraw(f"an atlas of {len(atlas)} cells is nothing to explore; choose more of its rows")
    return _explorer(_shuffled(atlas, most), atlas, orders or {}, title, NO_GATES)


def _shuffled(atlas: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the cells to show, in a chance order: whoever is drawn last would hide the others."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(atlas))[:most])
    return atlas.iloc[np.random.default_rng(1).permutation(chosen)].reset_index(drop=True)


def _explorer(
    shown: pd.DataFrame,
    atlas: pd.DataFrame,
    orders: Mapping[str, Sequence[str]],
    title: str,
    gates: Gates,
    *,
    without: str = "",
) -> Explorer:
    colours = _colours(shown, orders)
    known = densities_of(atlas.assign(**{name: None for name in WHOSE if name not in atlas.columns}))
    columns, parts = _columns(shown, colours)
    parts["densities"] = b"".join(sums.astype("<f4").tobytes() for sums in known.sums.values())
    parts |= {f"gates-{number}": text for number, text in enumerate(gates.packed.values())}
    environment = Environment(loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("explorer.html.j2").render(
        title=title, caution=CAUTION, without=without, gates_missing=gates.missing,
        visits=colours["visit"]["words"] if "visit" in colours else [],
        meta=_json(_meta(shown, colours, columns, known, list(gates.packed))),
        parts=[{"id": name, "packed": _packed(content)} for name, content in parts.items()],
        library=_script(_LIBRARY) if _LIBRARY.is_file() else "",
        script=_script(*(_ASSETS / name for name in _SCRIPTS)),
    )  # fmt: skip
    return Explorer(page, len(shown), title, without, gates.missing)


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _json(data: Mapping[str, Any]) -> Markup:
    return Markup(json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))


def _script(*files: Path) -> Markup:
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return Markup(text.replace("</script", "<\\/script"))


def _meta(
    shown: pd.DataFrame,
    colours: Mapping[str, dict[str, Any]],
    columns: Mapping[str, Any],
    known: Densities,
    gates: list[str],
) -> dict[str, Any]:
    """Return what the page's scripts know beside the packed columns."""
    left, right, bottom, top = known.extent
    words = {name: colour["words"] for name, colour in colours.items() if colour["kind"] == "words"}
    visible = {name: colour for name, colour in colours.items() if name != "sample_id"}
    return {
        "cells": len(shown), "columns": columns, "first": next(iter(visible)), "shown": visible, "words": words,
        "titles": {name: _TITLES.get(name, name) for name in columns},
        "markers": marker_columns(shown), "whose": [name for name in WHOSE if name in words],
        "colours": {name: dict(zip(of, colours[name]["palette"], strict=True)) for name, of in words.items()},
        "extent": {"x0": left, "x1": right, "y0": bottom, "y1": top}, "bins": BINS,
        "densities": [
            {"visit": visit, "group": group, "patients": known.patients[visit, group]} for visit, group in known.sums
        ],
        "difference": _steps(DIFFERENCE_STOPS, 255), "density": _steps(DENSITY_STOPS, 64),
        "gates": gates, "none": NO_WORD,
    }  # fmt: skip


def _steps(stops: Sequence[str], count: int) -> list[str]:
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ramp = LinearSegmentedColormap.from_list("steps", list(stops))
    return [to_hex(ramp(step / (count - 1))) for step in range(count)]


def _colours(atlas: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return what cells can be coloured by: words with a palette, or a marker with its range; and their samples."""
    import seaborn as sns

    colours: dict[str, dict[str, Any]] = {}
    for name in _COLOURED:
        if name not in atlas.columns or (name == "cluster" and "metacluster" in colours):
            continue
        words = words_of(atlas[name], orders.get(name, ()))
        if not words:
            continue
        grey = orders["label"][0] if name == "label" and orders.get("label") else None
        palette = word_colours(name, words, grey=grey)
        colours[name] = {"kind": "words", "words": words, "palette": [palette[word] for word in words]}
    viridis = sns.color_palette("viridis", 256).as_hex()
    for marker in marker_columns(atlas):
        low, high = (float(value) for value in np.percentile(atlas[marker], [1, 99]))
        colours[marker] = {"kind": "marker", "low": low, "high": max(high, low + 1e-3), "palette": viridis}
    if "sample_id" in atlas.columns:
        ids = words_of(atlas["sample_id"], ())
        colours["sample_id"] = {"kind": "words", "words": ids, "palette": [""] * len(ids)}
    return colours


def words_of(column: pd.Series[Any], order: Sequence[str]) -> list[str]:
    """Return the words of a column, those of the order first: what the order forgot has a colour all the same.

    >>> import pandas as pd
    >>> words_of(pd.Series(["W12", "W4", None, "D-1"]), ["D-1"])
    ['D-1', 'W4', 'W12']
    """
    present = set(column.dropna().astype(str))
    ordered = [word for word in dict.fromkeys(order) if word in present]
    return [*ordered, *sorted(present - set(ordered), key=lambda word: (len(word), word))]


def _columns(
    atlas: pd.DataFrame, colours: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """Return how each column is packed, and its bytes: places exactly, markers in 65,536 levels, words as numbers."""
    columns: dict[str, dict[str, Any]] = {}
    parts: dict[str, bytes] = {}

    def pack(name: str, kind: str, values: NDArray[Any], **more: float) -> None:
        part = f"column-{len(columns)}"
        columns[name] = {"type": kind, "id": part, **more}
        parts[part] = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()

    for axis in ("umap1", "umap2"):
        pack(axis, "f4", atlas[axis].to_numpy())
    for marker in marker_columns(atlas):
        values = atlas[marker].to_numpy(dtype=np.float64)
        low, step = float(values.min()), float(np.ptp(values)) / _LEVELS
        pack(marker, "u2", np.rint((values - low) / (step or 1.0)), low=low, step=step)
    pack("weight", "f4", atlas["weight"].to_numpy() if "weight" in atlas.columns else np.ones(len(atlas)))
    if "event" in atlas.columns:
        pack("event", "u4", atlas["event"].to_numpy())
    for name, colour in colours.items():
        if colour["kind"] == "words":
            codes = {word: number for number, word in enumerate(colour["words"])}
            pack(name, "i2", atlas[name].astype(str).map(codes).fillna(-1).to_numpy())  # None: in none
    return columns, parts
