"""Gates that are placed already, and files: one through the other, from a run, from a strategy without data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from immunomon.cytometry.formats.spillover import differing_matrices
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.gates.boolean import BooleanGate
from immunomon.cytometry.gates.fixed import EllipseGate, IntervalGate, PolygonGate, RectangleGate
from immunomon.cytometry.gates.quadrants import QuadrantsGate
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.matrix_labels import lacking_in
from immunomon.cytometry.model.placed import (
    OWN_MATRIX,
    UNCOMPENSATED,
    GateAxis,
    PlacedStrategy,
    Ratio,
    placed_from_run,
)
from immunomon.cytometry.model.placement import GateMethod
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.cytometry.steps.gate import axes_of, gate
from immunomon.cytometry.steps.transform import resolve_scales, undeclared
from immunomon.errors import AmbiguousChannel, BadSpec, ImmunomonError, Problem, UnknownChannel
from immunomon.runs.at_hand import read_anew
from immunomon.runs.folder import RunFolder
from immunomon.runs.opened import open_run
from immunomon.runs.prepared import FROM_FILE, NO_MATRIX, Compensation, Reader, is_stained
from immunomon.study.model.channels import Channel, ChannelKind
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.trust import Doubt

__all__ = ["apply_to_file", "place_without_data", "placed_in_run"]


def apply_to_file(
    path: Path,
    placed: PlacedStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    say_note: Callable[[str], None] | None = None,
    read: Reader = read_anew,
) -> GateTree:
    """Return one file read and gated with gates that are placed already, those tailored for it where there are some.

    panel: puts marker names on the file's detectors; compensation: the matrix for axes that ask for the file's own;
    reading: which data set of the file, and whose offset of DATA; say_note: called with what was repaired to read it;
    read: reads the file.
    Raises BadFcs, BadSpillover, SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    header, raw = read(path, reading)
    if say_note:
        for remark in (*header.deviations, *swapped_pulses(raw)):
            say_note(f"{path}: {remark}")
    if placed.tailored:
        own = placed.for_file(path.name)
        changed = sum(1 for before, now in zip(placed.populations, own.populations, strict=True) if before is not now)
        if say_note:
            gates = "1 gate is" if changed == 1 else f"{changed or 'no'} gates are"
            say_note(f"{path}: {gates} tailored for this file; else the general ones are used")
        placed = own
    asks = any(axis.compensation == OWN_MATRIX for axis in placed.axes.values())
    try:
        header = panel.known_in(header) if panel else header
        events = raw.labelled(panel.label_file(header)) if panel else raw
        spillover = compensation.of(header) if asks else None
        if say_note and asks:
            for remark in _about_matrix(header, events, placed, spillover, compensation):
                say_note(f"{path}: {remark}")
        return apply_gates(events, placed, spillover)
    except (UnknownChannel, AmbiguousChannel) as error:
        text = str(error)
        raise type(error)(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _about_matrix(
    header: FcsHeader,
    events: EventTable,
    placed: PlacedStrategy,
    spillover: SpilloverMatrix | None,
    compensation: Compensation,
) -> Iterator[str]:
    """Yield what should be said of the matrix for the axes that ask for the file's own."""
    if compensation.from_file:
        if spillover is None and is_stained(header):
            yield NO_MATRIX
        if doubt := differing_matrices(header):
            yield doubt
    on_own_matrix = (axis.channel for axis in placed.axes.values() if axis.compensation == OWN_MATRIX)
    names = (
        name
        for channel in on_own_matrix
        for name in ((channel.x, channel.y) if isinstance(channel, Ratio) else (channel,))
    )
    channels = (events.channels[events.index(name)] for name in names if events.has(name))
    fluorescent = ((c.detector, c.marker) for c in channels if c.kind is ChannelKind.FLUORESCENCE)
    if lacking := lacking_in(spillover, fluorescent):
        yield Doubt("partly_compensated", "", lacking).sentence


def placed_in_run(folder: Path) -> Iterator[tuple[str, PlacedStrategy]]:
    """Return each gated sample of a run, in its order, with the gates placed on it and the matrix used.

    Raises BadRun if the folder holds no finished run, ImmunomonError if it lacks a sample's result.
    """
    run = open_run(folder, needs=("files",))
    for sample_id in run.gated:
        result = run.result(sample_id)
        if result is None or "gates" not in result:
            file = RunFolder(run.folder).sample_file(sample_id)
            raise ImmunomonError(f"{file}: the result is missing; run again: immunomon run")
        yield sample_id, placed_from_run(result["gates"], SpilloverMatrix.from_record(result["spillover"]))


def _needs_data(method: GateMethod) -> bool:
    if isinstance(method, QuadrantsGate):
        return method.x_threshold is None or method.y_threshold is None
    return not isinstance(method, IntervalGate | RectangleGate | PolygonGate | EllipseGate | BooleanGate)


def place_without_data(strategy: GatingStrategy, panel: Panel | None, file: Path) -> PlacedStrategy:
    """Return a strategy whose gates were all declared with fixed borders, placed without any events.

    panel: tells the detector of each marker; without it the axes' own names stand for channels. file: the strategy's,
    for messages. Fluorescence is compensated with the matrix of the file that the gates will be applied to. Raises
    BadSpec, naming them, for gates and scales that depend on the data.
    """
    remedy = "run a study with it and export the run's gates"
    problems = [
        Problem(
            str(file), None, population.id, f"gate '{population.gate.method}' is placed on each file's events", remedy
        )
        for population in strategy.populations
        if _needs_data(gate_method(population.gate))
    ]
    channels = _channels(strategy, panel)
    compensated = EventTable(np.empty((0, len(channels))), channels, Scale.COMPENSATED, str(file))
    for axis in axes_of(strategy):
        missing = undeclared(strategy, axis, compensated.channels[compensated.index(axis)])
        if missing:
            message = f"{' and '.join(missing)} not declared, but found on the files that are gated"
            problems.append(Problem(str(file), None, f"scales.{axis}", message, f"{remedy}, or declare the scale"))
    if problems:
        raise BadSpec(problems)
    axes = axes_of(strategy)
    scales = resolve_scales(strategy, axes, compensated)
    tree = gate(EventTable(np.empty((0, len(channels))), channels, Scale.DISPLAY, str(file)), strategy, scales)
    detectors = {name: compensated.channels[compensated.index(name)] for name in axes}
    placed_axes = {
        name: GateAxis(
            channel.detector,
            OWN_MATRIX if channel.kind is ChannelKind.FLUORESCENCE else UNCOMPENSATED,
            scales[name],
            range=channel.range,
        )
        for name, channel in detectors.items()
    }
    return PlacedStrategy(strategy.name, placed_axes, tree.populations)


def _channels(strategy: GatingStrategy, panel: Panel | None) -> tuple[Channel, ...]:
    declared = tuple(Channel(marker.detector, marker.name) for marker in panel.markers) if panel else ()
    known = {name.casefold() for channel in declared for name in (channel.detector, channel.marker)}
    channels_by_folded_name = {axis.casefold(): axis for axis in axes_of(strategy) if axis.casefold() not in known}
    return (*declared, *(Channel(axis) for axis in channels_by_folded_name.values()))
