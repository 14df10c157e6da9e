"""One file through all steps: read, compensate, transform, gate, shake, quantify, picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import AmbiguousChannel, BadSpillover, UnknownChannel
from immunomon.gates import gate_method
from immunomon.io.fcs import read_fcs
from immunomon.io.spillover import spillover_of
from immunomon.model.events import ChannelKind, EventTable
from immunomon.model.fcs import FcsHeader
from immunomon.model.gatetree import GateTree, PlacedPopulation
from immunomon.model.matrix_labels import fitted_to
from immunomon.model.measured import Measured
from immunomon.model.panel import Panel
from immunomon.model.quality import Judged, QualityLimits
from immunomon.model.scales import AnyScale
from immunomon.model.settled import Estimate, Settled
from immunomon.model.spillover import SpilloverMatrix
from immunomon.model.strategy import GatingStrategy, Population
from immunomon.pipeline.controls import ControlsOf
from immunomon.steps.compensate import compensate
from immunomon.steps.gate import axes_of, gate
from immunomon.steps.picture import picture
from immunomon.steps.quantify import quantify
from immunomon.steps.shake import shake
from immunomon.steps.transform import resolve_scales, transform

__all__ = [
    "FROM_FILE",
    "Analysis",
    "Compensation",
    "FirstLook",
    "analyse",
    "first_look",
    "gate_file",
    "read_compensated",
]

_GROUND = 5000  # events that a sample gives to a gate placed on several samples


@dataclass(frozen=True)
class Compensation:
    """Which spillover matrix to use: the file's own, or this one (None: none)."""

    from_file: bool = True
    matrix: SpilloverMatrix | None = None

    def of(self, header: FcsHeader) -> SpilloverMatrix | None:
        """Return the matrix for a file; raises BadSpillover if it is malformed, or is not for this file's detectors."""
        if self.from_file or self.matrix is None:
            return spillover_of(header) if self.from_file else None
        try:
            return fitted_to(self.matrix, header.channels)
        except BadSpillover as error:
            raise BadSpillover(f"{header.path}: {error}") from error


FROM_FILE = Compensation()


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that one file gave: header, matrix used, gates with memberships, measurements, plots, intensities.

    compensated: the axes of the gates and the panel's markers. judged: how the acquisition went, if that was asked.
    """

    header: FcsHeader
    spillover: SpilloverMatrix | None
    tree: GateTree
    measured: Measured
    plots: tuple[dict[str, Any], ...]
    compensated: EventTable
    judged: Judged | None = None


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What one file's own events say of the gates that it shares with other files, and the display scales."""

    estimates: tuple[Estimate, ...]
    scales: Mapping[str, AnyScale]


def analyse(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    settled: Mapping[str, Settled] | None = None,
    controls: ControlsOf | None = None,
    quality: QualityLimits | None = None,
    with_plots: bool = True,
) -> Analysis:
    """Return one file read, compensated, transformed, gated and measured.

    panel: puts marker names on the file's detectors; without it the file's own names hold. settled: population id ->
    where its gate lies, decided outside this file. controls: makes the file's control tubes from its scales. quality:
    the thresholds that the acquisition is judged by; if they say so, flagged events belong to no population. Raises
    BadFcs, BadSpillover, SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    ready = _prepared(path, strategy, panel, compensation)
    judged = None if quality is None else _judged(ready.raw, quality)
    at_hand = controls(ready.scales) if controls else None
    among = _unflagged(judged, quality)
    tree = gate(ready.display, strategy, ready.scales, settled=settled, controls=at_hand, among=among)
    shaken = shake(tree, ready.display, strategy, scales=ready.scales)
    measured = quantify(tree, ready.compensated, ready.markers)
    measured = replace(measured, gate_errors=shaken.gate_errors, border_errors=shaken.border_errors)
    plots = tuple(picture(tree, ready.display)) if with_plots else ()
    return Analysis(ready.header, ready.spillover, tree, measured, plots, ready.compensated, judged)


def _judged(raw: EventTable, limits: QualityLimits) -> Judged:
    from immunomon.steps.judge import judge  # compiled code, which takes a second to load

    return judge(raw, limits)


def _unflagged(judged: Judged | None, quality: QualityLimits | None) -> NDArray[np.bool_] | None:
    return ~judged.flagged if judged is not None and quality is not None and quality.exclude_flagged else None


def gate_file(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    threads: int = 1,
    fast: bool = True,
) -> GateTree:
    """Return one file read, compensated, transformed and gated, nothing more: the way from a path to counts.

    threads: how many work on the file at once; fast: by compiled code, which takes a second to load and longer to
    compile the first time; the result depends on neither. Raises what ``analyse`` raises.
    """
    ready = _prepared(path, strategy, panel, compensation, fast=fast)
    return gate(ready.display, strategy, ready.scales, threads=threads)


def first_look(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    controls: ControlsOf | None = None,
    quality: QualityLimits | None = None,
) -> FirstLook:
    """Return where one file's own events put the gates that it shares with other files, and on which scales.

    Raises what ``analyse`` raises.
    """
    ready = _prepared(path, strategy, panel, compensation)
    judged = _judged(ready.raw, quality) if quality is not None and quality.exclude_flagged else None
    at_hand = controls(ready.scales) if controls else None
    tree = gate(ready.display, strategy, ready.scales, controls=at_hand, among=_unflagged(judged, quality))
    placed = {population.id: population for population in tree.populations}
    shared = dict.fromkeys(strategy.gate_id(p.id) for p in strategy if p.gate.is_shared)
    said = tuple(_estimate(placed[name], strategy.population(name), tree, ready.display) for name in shared)
    return FirstLook(said, ready.scales)


def _estimate(placed: PlacedPopulation, declared: Population, tree: GateTree, events: EventTable) -> Estimate:
    ground = None
    mask = tree.mask(declared.gate.place_on or declared.parent)
    if declared.gate.fit != "sample" and mask is not None:
        rows = np.flatnonzero(mask)
        # Evenly over the file, so that what drifts in time is in it as it is in the whole.
        some = rows[np.linspace(0, rows.size - 1, min(rows.size, _GROUND)).astype(np.int64)] if rows.size else rows
        axes = gate_method(declared.gate).axes
        channels = tuple(events.channels[events.index(axis)] for axis in axes)
        values = np.column_stack([events.column(axis)[some] for axis in axes])
        ground = EventTable(values, channels, events.scale, events.source)
    about = (placed.facts, placed.errors, placed.source, placed.note, placed.failure)
    return Estimate(placed.id, *about, ground, placed.doubts, placed.origins)


@dataclass(frozen=True, eq=False)
class _Prepared:
    header: FcsHeader
    raw: EventTable
    spillover: SpilloverMatrix | None
    markers: Sequence[str]
    compensated: EventTable
    scales: Mapping[str, AnyScale]
    display: EventTable


def read_compensated(path: Path, axes: Sequence[str], *, panel: Panel, compensation: Compensation) -> EventTable:
    """Return a tube's compensated events on some axes; raises what ``analyse`` raises."""
    header, raw = read_fcs(path)
    events = raw.labelled(panel.label_channels(raw.channels))
    return compensate(events, compensation.of(header), wanted=list(axes))


def _prepared(
    path: Path, strategy: GatingStrategy, panel: Panel | None, compensation: Compensation, *, fast: bool = True
) -> _Prepared:
    header, raw = read_fcs(path)
    try:
        events = raw.labelled(panel.label_channels(raw.channels)) if panel else raw
        axes = axes_of(strategy)
        missing = [axis for axis in axes if not events.has(axis)]
        if missing:
            events.index(missing[0])  # raises with the nearest name
        spillover = compensation.of(header)
        markers = _markers(events, panel)
        compensated = compensate(events, spillover, wanted=[*axes, *markers])
    except (UnknownChannel, AmbiguousChannel) as error:
        text = str(error)
        raise type(error)(text if text.startswith(str(path)) else f"{path}: {text}") from error
    scales = resolve_scales(strategy, axes, compensated)
    display = transform(compensated, scales, fast=fast)
    return _Prepared(header, events, spillover, markers, compensated, scales, display)


def _markers(events: EventTable, panel: Panel | None) -> Sequence[str]:
    if panel is not None:
        return [marker.name for marker in panel.markers]
    fluorescence = [c for c in events.channels if c.kind is ChannelKind.FLUORESCENCE]
    names = [replace(channel).name for channel in fluorescence]
    return [c.name if names.count(c.name) == 1 else c.detector for c in fluorescence]
