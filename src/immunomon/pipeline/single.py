"""One file through all steps: read, compensate, transform, gate, quantify, picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from immunomon.errors import AmbiguousChannel, UnknownChannel
from immunomon.io.fcs import read_fcs
from immunomon.io.spillover import spillover_of
from immunomon.model.events import ChannelKind, EventTable
from immunomon.model.fcs import FcsHeader
from immunomon.model.gatetree import GateTree
from immunomon.model.measured import Measured
from immunomon.model.panel import Panel
from immunomon.model.scales import AnyScale
from immunomon.model.spillover import SpilloverMatrix
from immunomon.model.strategy import GatingStrategy
from immunomon.steps.compensate import compensate
from immunomon.steps.gate import axes_of, gate
from immunomon.steps.picture import picture
from immunomon.steps.quantify import quantify
from immunomon.steps.transform import resolve_scales, transform

__all__ = ["FROM_FILE", "Analysis", "Compensation", "analyse", "gate_file"]


@dataclass(frozen=True)
class Compensation:
    """Which spillover matrix to use: the file's own, or this one (None: none)."""

    from_file: bool = True
    matrix: SpilloverMatrix | None = None

    def of(self, header: FcsHeader) -> SpilloverMatrix | None:
        """Return the matrix for a file; raises BadSpillover if the file's own is malformed."""
        return spillover_of(header) if self.from_file else self.matrix


FROM_FILE = Compensation()


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that one file gave: header, matrix used, gates with memberships, measurements, plots, intensities.

    compensated: the axes of the gates and the panel's markers.
    """

    header: FcsHeader
    spillover: SpilloverMatrix | None
    tree: GateTree
    measured: Measured
    plots: tuple[dict[str, Any], ...]
    compensated: EventTable


def analyse(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    with_plots: bool = True,
) -> Analysis:
    """Return one file read, compensated, transformed, gated and measured.

    panel: puts marker names on the file's detectors; without it the file's own names hold. Raises BadFcs,
    BadSpillover, SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    ready = _prepared(path, strategy, panel, compensation)
    tree = gate(ready.display, strategy, ready.scales)
    measured = quantify(tree, ready.compensated, ready.markers)
    plots = tuple(picture(tree, ready.display)) if with_plots else ()
    return Analysis(ready.header, ready.spillover, tree, measured, plots, ready.compensated)


def gate_file(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    threads: int = 1,
) -> GateTree:
    """Return one file read, compensated, transformed and gated, nothing more: the way from a path to counts.

    threads: how many work on the file at once; the result does not depend on it. Raises what ``analyse`` raises.
    """
    ready = _prepared(path, strategy, panel, compensation, threads=threads)
    return gate(ready.display, strategy, ready.scales, threads=threads)


@dataclass(frozen=True, eq=False)
class _Prepared:
    header: FcsHeader
    spillover: SpilloverMatrix | None
    markers: Sequence[str]
    compensated: EventTable
    scales: Mapping[str, AnyScale]
    display: EventTable


def _prepared(
    path: Path, strategy: GatingStrategy, panel: Panel | None, compensation: Compensation, *, threads: int = 1
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
    display = transform(compensated, scales, threads=threads)
    return _Prepared(header, spillover, markers, compensated, scales, display)


def _markers(events: EventTable, panel: Panel | None) -> Sequence[str]:
    if panel is not None:
        return [marker.name for marker in panel.markers]
    fluorescence = [c for c in events.channels if c.kind is ChannelKind.FLUORESCENCE]
    names = [replace(channel).name for channel in fluorescence]
    return [c.name if names.count(c.name) == 1 else c.detector for c in fluorescence]
