"""A sample's stored gates and plots as the page shows them: outlines in fractions of the plot, ticks shared by all."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import UnknownName
from immunomon.outputs.report.acquisition import page_acquisition
from immunomon.plots.gating import frame_of, unpack_density
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks
from immunomon.study.model.trust import doubts_from

__all__ = ["TickSets", "page_sample"]


class TickSets:
    """The tick sets of a page, each kept once: many plots share an axis."""

    def __init__(self) -> None:
        self._indices: dict[tuple[object, ...], int] = {}
        self.sets: list[list[list[float | str]]] = []

    def index_of(self, axis: Mapping[str, Any]) -> int:
        """Return the number of the axis's tick set, which is made when it is new.

        >>> sets = TickSets()
        >>> axis = {"range": [0.0, 1.0], "scale": {"kind": "logicle"}}
        >>> sets.index_of(axis), sets.index_of(axis), len(sets.sets)
        (0, 0, 1)
        """
        low, high = (float(end) for end in axis["range"])
        scale = axis.get("scale") or {"kind": "identity"}
        key = (low, high, *sorted(scale.items()))
        if key not in self._indices:
            self._indices[key] = len(self.sets)
            ticks = axis_ticks(scale_from_dict(dict(scale)), low, high)
            self.sets.append([[round((tick.coordinate - low) / (high - low), 4), tick.label] for tick in ticks])
        return self._indices[key]


def page_sample(stored: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    """Return the plots of one sample for the page, how its gates were placed, and how its acquisition went.

    stored: ``samples/<sample_id>.json``. Outlines are in fractions of the plot, (0, 0) bottom left. A damaged plot is
    named, not drawn.
    """
    plots = [_plot_or_problem(plot, ticks) for plot in stored.get("plots") or ()]
    gates = stored.get("gates")
    placed = gates.get("populations") if isinstance(gates, dict) else None
    acquisition = page_acquisition(stored)
    return {"plots": plots, "placed": {str(gate["population"]): _placed_gate(gate) for gate in placed or ()}} | (
        {} if acquisition is None else {"acquisition": acquisition}
    )


def _placed_gate(stored: Mapping[str, Any]) -> dict[str, Any]:
    facts = {str(name): float(f"{value:.4g}") for name, value in (stored.get("facts") or {}).items()}
    notes = [str(stored[key]) for key in ("note", "failure") if stored.get(key)]
    # A doubt says in a sentence what the note only hints at; a run of before has none.
    doubts = [doubt.sentence for doubt in doubts_from(stored.get("doubts") or ())]
    return {"facts": facts, "note": "; ".join([*notes, *doubts])}


def _plot_or_problem(plot: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    title = {"parent": str(plot.get("parent", "")), "parent_label": str(plot.get("parent_label", ""))}
    try:
        return {**title, **_page_plot(plot, ticks)}
    except (KeyError, TypeError, ValueError, ArithmeticError, zlib.error, UnknownName) as error:
        return {**title, "problem": f"this plot cannot be drawn: {error}"}


def _page_plot(plot: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    levels = unpack_density(plot)
    rows, columns = levels.shape if levels.ndim == 2 else (1, levels.shape[0])
    frame, x, y = frame_of(plot), plot["x"], plot.get("y")
    return {
        "x": {"label": str(x.get("label") or x["axis"]), "ticks": ticks.index_of(x)},
        "y": None if y is None else {"label": str(y.get("label") or y["axis"]), "ticks": ticks.index_of(y)},
        "bins": plot["bins"],
        "shape": [int(rows), int(columns)],
        "events": plot.get("events"),
        "gates": [_page_gate(gate, frame) for gate in plot.get("gates") or ()],
    }


def _page_gate(gate: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    drawn = outline(gate["gate"], frame) if gate.get("gate") else None
    return {
        "population": str(gate["population"]),
        "label": str(gate.get("label") or gate["population"]),
        "count": gate.get("count"),
        "percent": gate.get("percent_of_parent"),
        "ring": None if drawn is None else _fractions(drawn.ring, frame),
        "lines": [] if drawn is None else [_fractions(line, frame) for line in drawn.lines],
    }


def _fractions(points: Sequence[tuple[float, float]], frame: Frame) -> list[list[float]]:
    (left, right), (bottom, top) = frame.x_range, frame.y_range
    return [[round((x - left) / (right - left), 4), round((y - bottom) / (top - bottom), 4)] for x, y in points]
