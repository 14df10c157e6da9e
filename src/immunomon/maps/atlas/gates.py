"""Gates: where an atlas' cells lie on the gating plots of their own samples, packed for its page."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.arrays import Ints
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.steps.apply import apply_gates, display_of
from immunomon.errors import ImmunomonError
from immunomon.maps.clusters.cells import Job
from immunomon.maps.clusters.samples import Source, source_of
from immunomon.maps.clusters.workers import workers
from immunomon.plots.gating import frame_of, unpack_density
from immunomon.plots.outline import outline
from immunomon.runs.jobs import default_jobs
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO_GATES", "Gates", "gates_of"]

_PLACES = 1000  # across a plot
_MOST_PLACED = 100_000  # cells, of all samples: of more, each sample's first ones, in the chance order of the page


@dataclass(frozen=True, eq=False)
class Gates:
    """Samples' gates for a page: sample id -> JSON, as bytes; missing: why there are none, if there are none."""

    packed: Mapping[str, bytes]
    missing: str = ""


NO_GATES = Gates({})


def gates_of(
    run: Run, panel: str, atlas: pd.DataFrame, *, progress: Callable[[str, int, int, int], None] | None = None
) -> Gates:
    """Return the gating plots of every sample of an atlas, and where its cells lie on them; each file is read once.

    atlas: its columns ``sample_id`` and ``event``; of more than 100,000 cells each sample's first ones. Where the study
    or a file is not at hand as it was gated, there are no gates, and ``missing`` says why.
    """
    share = min(1.0, _MOST_PLACED / len(atlas))
    by_sample = atlas.groupby("sample_id", sort=True, observed=True)["event"]
    rows = {str(sample): own.to_numpy()[: math.ceil(share * len(own))] for sample, own in by_sample}
    try:
        source = source_of(run, panel, None)
        jobs = [job for job in source.jobs if job.sample.id in rows]
        packed: dict[str, bytes] = {}
        with workers(default_jobs()) as pool:
            of_samples = pool.map(lambda job: _of_sample(run, source, job, rows[job.sample.id]), jobs)
            for done, (job, contents) in enumerate(zip(jobs, of_samples, strict=True), start=1):
                packed[job.sample.id] = json.dumps(contents, separators=(",", ":")).encode()
                if progress is not None:
                    progress("gates", done, len(jobs), 0)
    except ImmunomonError as error:
        return Gates({}, str(error))
    return Gates(packed)


def _of_sample(run: Run, source: Source, job: Job, events: Ints) -> dict[str, Any]:
    reading = job.reading
    _, raw = read_fcs(job.path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    sample = raw.labelled(source.panel.label_channels(raw.channels))
    tree = apply_gates(sample, job.placed, None)
    display = display_of(sample, job.placed, None)
    populations = [
        {"label": population.label, "cells": np.flatnonzero(mask[events]).tolist()}
        for population in tree.populations
        if (mask := tree.mask(population.id)) is not None
    ]
    plots = [_plot(plot, tree, display, events) for plot in run.plots(job.sample.id) if plot.get("y")]
    return {"placed": len(events), "populations": populations, "plots": plots}


def _plot(plot: Mapping[str, Any], tree: GateTree, display: EventTable, events: Ints) -> dict[str, Any]:
    """Return a stored plot with the atlas' cells of its parent on it, in thousandths of its sides."""
    frame, mask, levels = frame_of(plot), tree.mask(plot["parent"]), unpack_density(plot)
    inside = np.flatnonzero(np.ones(events.size, dtype=np.bool_) if mask is None else mask[events])
    places = {
        axis: _thousandths(display.column(plot[axis]["axis"])[events[inside]], limits)
        for axis, limits in (("x", frame.x_range), ("y", frame.y_range))
    }
    gates = [
        {
            "label": gate["label"],
            "percent": None if gate["percent_of_parent"] is None else f"{gate['percent_of_parent']:.3g}",
            "lines": [
                [[_fraction(x, frame.x_range), _fraction(y, frame.y_range)] for x, y in line] for line in drawn.lines
            ],
        }
        for gate in plot["gates"]
        if (drawn := outline(gate["gate"], frame)) is not None
    ]
    return {
        "parent": plot["parent_label"], "across": plot["x"]["label"], "up": plot["y"]["label"], "gates": gates,
        "levels": base64.b64encode(levels.tobytes()).decode("ascii"), "shape": list(levels.shape),
        "cells": inside.tolist(), **places,
    }  # fmt: skip


def _thousandths(values: Any, limits: tuple[float, float]) -> list[int]:  # noqa: ANN401 - any array of numbers
    low, high = limits
    # What lies beyond is drawn on the border, as cytometers do.
    fractions = np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)
    return [int(place) for place in np.rint(_PLACES * np.nan_to_num(fractions))]


def _fraction(value: float, limits: tuple[float, float]) -> float:
    return round((value - limits[0]) / (limits[1] - limits[0]), 4)
