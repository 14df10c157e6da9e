"""The gallery in a notebook: the desk's own drawing in a frame that needs no server and no network; read only."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from immunomon.errors import UnknownName, nearest
from immunomon.outputs.report.page import DRAWING_SCRIPTS, TickSets, joined_script, page_sample
from immunomon.outputs.review.at_run import sample_distances
from immunomon.outputs.review.gallery import entries_of, population_tree
from immunomon.plots.colours import DENSITY_STOPS, DENSITY_STOPS_DARK
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.runs.verdicts import progress_words, review_progress, reviews_of_run

__all__ = ["ShownGallery", "shown_gallery"]

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = (*DRAWING_SCRIPTS, *(_ASSETS / name for name in ("page.js", "gallery.js", "notebook.js")))
_HEIGHT = 640


@dataclass(frozen=True)
class ShownGallery:
    """A gallery as a page of its own; a notebook shows it.

    page: the whole page, HTML.
    """

    page: str
    words: str

    def __repr__(self) -> str:
        return f"ShownGallery({self.words})"

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{escape(self.page)}" title="{escape(self.words)}" '
            f'style="width: 100%; height: {_HEIGHT}px; border: 1px solid #d5dae2; border-radius: 8px"></iframe>'
        )


def shown_gallery(run: str | Path | Run, panel: str, population: str = "") -> ShownGallery:
    """Return the gallery of a panel's gates over all samples, those that need a person first.

    population: the gate that is shown first; by default the last of the strategy, which rests on all above it. Raises
    UnknownName with the nearest name.
    """
    run = find_run(run)
    if panel not in run.panels:
        raise UnknownName(f"no panel '{panel}'; {nearest(panel, run.panels)}")
    tree = population_tree(run.table("populations"), panel)
    names = [str(entry["id"]) for entry in tree]
    first = population or names[-1]
    if first not in names:
        raise UnknownName(f"panel {panel}: no population '{first}'; {nearest(first, names)}")
    galleries, plots = _galleries(run, panel, names)
    words = progress_words(review_progress(run.folder, run.gated))
    overview = {"study": run.name, "panels": [{"name": panel, "populations": tree}], "visits": list(run.visits)}
    data = {
        "density": {"light": DENSITY_STOPS, "dark": DENSITY_STOPS_DARK},
        "overview": {**overview, "words": words, "blind": False},
        "population": first,
        "galleries": galleries,
        "plots": plots,
        "ticks": [],
    }
    return ShownGallery(_page(data), f"{run.name}, {panel}: {words}")


def _galleries(
    run: Run, panel: str, populations: list[str]
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return the entries of each gate with the number of their plot, and the plots: several gates share one."""
    rows, samples, reviews = run.table("populations"), run.table("samples"), reviews_of_run(run.folder)
    ticks, plots, numbers = TickSets(), list[dict[str, Any]](), dict[tuple[str, str], int]()
    for sample in run.gated:
        stored = run.result(sample)
        for plot in (stored or {}).get("plots") or ():
            for name in plot.get("populations") or ():
                numbers[sample, name] = len(plots)
            plots.append(page_sample({"plots": [plot]}, ticks)["plots"][0])
    galleries, distances = {}, {sample: sample_distances(run, sample) for sample in run.gated}
    for name in populations:
        of_gate = rows[(rows["panel"] == panel) & (rows["population"] == name)]
        far = {sample: of_sample[name] for sample, of_sample in distances.items() if name in of_sample}
        entries = entries_of(of_gate, samples, reviews=reviews, distances=far)
        galleries[name] = [{**entry, "plot": numbers.get((entry["sample_id"], name))} for entry in entries]
    return galleries, plots


def _page(data: dict[str, Any]) -> str:
    page = (_ASSETS / "desk.html").read_text(encoding="utf-8")
    hidden = "#help, #report, #decisions { display: none; }"
    style = f"<style>{(_ASSETS / 'desk.css').read_text(encoding='utf-8')} {hidden}</style>"
    code = f"<script>{joined_script(_SCRIPTS, data)}</script>"
    return page.replace('<link rel="stylesheet" href="/desk.css">', style).replace(
        '<script src="/desk.js"></script>', code
    )
