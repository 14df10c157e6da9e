"""Quality of a control: gate a single stain's cells, find its peak detector and its positives, or refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.regions import cluster_map, in_cluster
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.kernels.single_stain import OwnLight, Stain, find_stain, foreign_events, own_light
from immunomon.cytometry.model.controls import ControlLabel, Fault, GoodControl, RefusedControl
from immunomon.cytometry.model.events import EventTable

__all__ = ["ControlLimits", "gated_cells", "judge_control", "own_negatives", "scatter_of"]

_FEWEST_CELLS, _MOST_NEGATIVES = 20, 1000
_MOST_EVENTS = 10_000  # of a control; more make the lines no better than the stain is


@dataclass(frozen=True)
class ControlLimits:
    """What a single stain must have.

    separation: of positives and negatives, in standard deviations of the negatives; alone: the same where there is no
    unstained tube of the same scatter to tell a stain from the cells' own light; pooled: where the controls' own
    negatives stand in for it; near_peak: how much of the peak's light the panel's detector must see at least.
    """

    min_events: int = 200
    min_positive: int = 20
    separation: float = 4.0
    separation_alone: float = 10.0
    separation_pooled: float = 7.0
    most_saturated: float = 0.05
    most_foreign: float = 0.02
    near_peak: float = 0.95


def judge_control(
    events: EventTable,
    label: ControlLabel,
    detectors: Sequence[str],
    *,
    unstained: EventTable | None = None,
    limits: ControlLimits = ControlLimits(),
) -> GoodControl | RefusedControl:
    """Return a single stain ready for regression, or why it is refused.

    events, unstained: raw. The unstained tube serves where its cells have the same scatter as the control's (beads have
    not). Raises UnknownChannel if a detector is missing.

    >>> from immunomon.study.model.channels import Channel
    >>> few = EventTable(np.ones((9, 1)), (Channel("PE-A"),))
    >>> str(judge_control(few, ControlLabel("pe.fcs", "PE"), ["PE-A"]))
    'pe.fcs (PE): refused, too few events: 9 of 9 events are cells or beads; 200 are needed: acquire more'
    """
    values = _columns(events, detectors)
    sound = np.isfinite(values).all(axis=1)
    refused: RefusedControl | None = None
    for cells, dark in _gates(events, unstained, detectors):
        quality = _judged(values[cells & sound], dark, label, detectors=detectors, total=events.count, limits=limits)
        if isinstance(quality, GoodControl):
            return quality
        refused = refused or quality
        if quality.fault is not Fault.NO_POSITIVE:
            break
    assert refused is not None
    return refused


def own_negatives(events: EventTable, detectors: Sequence[str], known: EventTable | None = None) -> EventTable:
    """Return the events of a single stain's main cluster that it does not stain, at most 1,000; none if all are.

    known: negatives of this and other controls, found before, which tell a stain from the cells' own light.

    >>> from immunomon.study.model.channels import Channel
    >>> light = np.r_[np.linspace(0, 10, 300), np.linspace(900, 999, 100)]
    >>> own_negatives(EventTable(light[:, None], (Channel("PE-A"),)), ["PE-A"]).count
    300
    """
    values, scatter = _columns(events, detectors), scatter_of(events)
    cells = np.isfinite(values).all(axis=1)
    if scatter is not None:
        cells &= in_cluster(scatter, cluster_map(scatter))
    rows = np.flatnonzero(cells)
    dark = None if known is None else _columns(known, detectors)
    if rows.size >= _FEWEST_CELLS and np.ptp(values[rows], axis=0).any():
        stain = find_stain(values[rows], dark, None if dark is None else own_light(dark))
        rows = rows[~stain.positive]
    if rows.size < max(50, 0.05 * events.count):
        rows = rows[:0]
    chosen = rows[evenly(rows.size, _MOST_NEGATIVES)]
    return EventTable(events.values[chosen], events.channels, source=events.source)


def _gates(
    events: EventTable, unstained: EventTable | None, detectors: Sequence[str]
) -> list[tuple[Mask, Floats | None]]:
    """Return the main cluster and, in case the stained cells are not in it, all events within the scatter's range."""
    scatter = scatter_of(events)
    if scatter is None:
        dark = None if unstained is None else gated_cells(unstained, detectors)
        return [(np.ones(events.count, dtype=np.bool_), dark)]
    cluster = cluster_map(scatter)
    everything = (np.ones((1, 1), dtype=np.bool_), np.array([-np.inf, np.inf]), np.array([-np.inf, np.inf]))
    gates = []
    for where in (cluster, everything):
        cells = in_cluster(scatter, where)
        gates.append((cells, _matching(unstained, where, detectors, share=float(cells.mean()))))
    return gates


def _matching(
    unstained: EventTable | None, cluster: tuple[Mask, Floats, Floats], detectors: Sequence[str], *, share: float
) -> Floats | None:
    """Return the unstained tube's events of the same scatter, or None if they are too few: it is of another kind."""
    scatter = None if unstained is None else scatter_of(unstained)
    if unstained is None or scatter is None:
        return None
    inside = in_cluster(scatter, cluster)
    if inside.sum() < 100 or inside.mean() < 0.25 * share:
        return None
    matching = _columns(unstained, detectors)[inside]
    return _thinned(matching[np.isfinite(matching).all(axis=1)])


def gated_cells(events: EventTable, detectors: Sequence[str]) -> Floats:
    """Return the detectors' values of the events in the main scatter cluster, (events, detectors)."""
    scatter = scatter_of(events)
    values = _columns(events, detectors)
    cells = np.isfinite(values).all(axis=1)
    if scatter is not None:
        cells &= in_cluster(scatter, cluster_map(scatter))
    return _thinned(values[cells])


def _columns(events: EventTable, detectors: Sequence[str]) -> Floats:
    return np.asarray(events.values[:, [events.index(name) for name in detectors]], dtype=np.float64)


def _thinned(values: Floats) -> Floats:
    """Return every so-manieth event where there are more than a line needs."""
    rows = np.linspace(0, values.shape[0] - 1, _MOST_EVENTS).astype(np.int64)
    return values if values.shape[0] <= _MOST_EVENTS else values[rows]


def scatter_of(events: EventTable) -> Floats | None:
    """Return forward and side scatter, (events, 2), area before height, or None if the file has not both."""
    scatter = []
    for word in ("FSC", "SSC"):
        names = [c.detector for c in events.channels if c.detector.upper().startswith((word, word[:2] + " ", word[:2]))]
        names.sort(key=lambda name: (not name.upper().endswith("-A"), not name.upper().endswith("-H"), len(name)))
        if not names:
            return None
        scatter.append(events.column(names[0]))
    return np.stack(scatter, axis=1).astype(np.float64)


def _judged(
    values: Floats,
    dark: Floats | None,
    label: ControlLabel,
    *,
    detectors: Sequence[str],
    total: int,
    limits: ControlLimits,
) -> GoodControl | RefusedControl:
    count = values.shape[0]
    if count < limits.min_events:
        problem = f"{count} of {total} events are cells or beads; {limits.min_events} are needed: acquire more"
        return RefusedControl(label, Fault.TOO_FEW_EVENTS, problem)
    values = _thinned(values)
    if not (np.ptp(values, axis=0) > 0).any():
        problem = "all events have the same value in every detector; is it the right file?"
        return RefusedControl(label, Fault.NO_POSITIVE, problem)
    light = None if dark is None else own_light(dark)
    stain = find_stain(values, dark, light)
    piled = _piled_up(values[:, stain.peak], stain.positive)
    fault = _fault(values, stain, dark, light=light, label=label, detectors=detectors, piled=piled, limits=limits)
    if fault is not None:
        return fault
    peak = detectors.index(label.detector) if label.detector in detectors else stain.peak
    warnings = () if peak == stain.peak else (f"{label.file}: {detectors[stain.peak]} is a little brighter",)
    kept, positive = values[~piled], stain.positive[~piled]
    if dark is not None and np.count_nonzero(~positive) < 0.1 * positive.size:
        kept = np.concatenate([kept, dark])  # all cells are stained: the unstained tube is the line's lower end
        positive = np.concatenate([positive, np.zeros(dark.shape[0], dtype=np.bool_)])
    return GoodControl(
        label, kept, peak, positive, stain.brightness, stain.separation, gated=count, total=total, warnings=warnings
    )


def _piled_up(values: Floats, positive: Mask) -> Mask:
    """Return the events at the top of the detector's range: three or more positives with the same largest value."""
    top = values >= values.max() * (1 - 1e-7)
    return top if np.count_nonzero(top & positive) >= 3 else np.zeros_like(top)


def _fault(
    values: Floats,
    stain: Stain,
    dark: Floats | None,
    *,
    light: OwnLight | None,
    label: ControlLabel,
    detectors: Sequence[str],
    piled: Mask,
    limits: ControlLimits,
) -> RefusedControl | None:
    peak, positives = detectors[stain.peak], int(np.count_nonzero(stain.positive))
    needed = max(limits.min_positive, round(0.02 * values.shape[0]))
    separation = limits.separation if dark is not None else limits.separation_alone
    if positives < needed or stain.separation < separation:
        problem = f"{positives} events of {values.shape[0]} are brighter than negatives, {needed} are needed"
        if positives >= needed:
            problem = f"the brightest lie {stain.separation:.1f} standard deviations above the negatives in {peak}, "
            problem += f"{separation:g} are needed"
        remedy = "stain again, or use beads" if dark is not None else "if all are stained, give --unstained"
        if not label.fluorochrome:
            remedy = f"if it is the unstained tube, say so: --unstained {label.file}"
        return RefusedControl(label, Fault.NO_POSITIVE, f"{problem}; {remedy}")
    saturated = np.count_nonzero(piled) / positives
    if saturated > limits.most_saturated:
        problem = (
            f"{saturated:.0%} of the positives are at the top of {peak}'s range; lower its voltage and run it again"
        )
        return RefusedControl(label, Fault.SATURATED, problem)
    wrong = _wrong_detector(stain, label, detectors, limits)
    if wrong:
        return RefusedControl(label, Fault.WRONG_DETECTOR, wrong)
    foreign, where = foreign_events(values, stain, dark, light)
    if np.count_nonzero(foreign) >= limits.min_positive and foreign.mean() > limits.most_foreign:
        problem = f"{foreign.mean():.1%} of the events are bright in {detectors[where]} beside the stain in {peak}; "
        problem += "a carry-over or a second stain: rinse and run it again"
        return RefusedControl(label, Fault.CARRY_OVER, problem)
    return None


def _wrong_detector(stain: Stain, label: ControlLabel, detectors: Sequence[str], limits: ControlLimits) -> str:
    if not label.detector or label.detector == detectors[stain.peak] or label.detector not in detectors:
        return ""
    share = float(stain.spectrum[detectors.index(label.detector)])
    if share >= limits.near_peak:
        return ""
    return (
        f"it is brightest in {detectors[stain.peak]}; its own detector {label.detector} sees {share:.1%} of that "
        "light; the tube may be another fluorochrome's, or the panel names the wrong detector"
    )
