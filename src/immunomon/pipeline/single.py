"""One file through all steps: read, compensate, transform, gate, shake, quantify, picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import AmbiguousChannel, BadSpillover, UnknownChannel
from immunomon.gates import gate_method
from immunomon.io.fcs import read_fcs
from immunomon.io.spillover import spillover_of
from immunomon.kernels.reach import LEVELS
from immunomon.model.events import ChannelKind, EventTable
from immunomon.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.model.gatetree import GateTree, PlacedPopulation
from immunomon.model.matrix_labels import fitted_to
from immunomon.model.measured import Measured
from immunomon.model.noise import ChannelNoise, NoiseBook, NoisyScales
from immunomon.model.panel import Panel
from immunomon.model.quality import Judged, QualityLimits
from immunomon.model.settled import Estimate, Settled
from immunomon.model.spillover import SpilloverMatrix
from immunomon.model.strategy import ROOT, GatingStrategy, Population
from immunomon.model.swapped_pulses import swapped_pulses
from immunomon.pipeline.controls import ControlsOf
from immunomon.steps.compensate import compensate
from immunomon.steps.gate import axes_of, gate
from immunomon.steps.measure_noise import EVENTS, book_of, evenly, measure_noise
from immunomon.steps.picture import picture
from immunomon.steps.quantify import quantify
from immunomon.steps.shake import shake
from immunomon.steps.sift import Sifted, saturated, sift
from immunomon.steps.transform import resolve_scales, transform

__all__ = [
    "FROM_FILE",
    "Analysis",
    "Compensation",
    "FirstLook",
    "analyse",
    "first_look",
    "gate_file",
    "noise_of_file",
    "read_compensated",
]

_FEWEST_FOR_REACH = 200  # events: of fewer, the 99 % quantile is no quantile
_GROUND = 5000  # events that a sample gives to a gate placed on several samples


@dataclass(frozen=True)
class Compensation:
    """Which spillover matrix to use: the file's own, or this one (None: none).

    needed: whether a file without a matrix of its own is refused, because nobody said that it needs none.
    """

    from_file: bool = True
    matrix: SpilloverMatrix | None = None
    needed: bool = False

    def of(self, header: FcsHeader) -> SpilloverMatrix | None:
        """Return the matrix for a file.

        Raises BadSpillover if it is malformed, is not for this file's detectors, or is missing and needed.
        """
        if not self.from_file:
            return None if self.matrix is None else self._fitted(self.matrix, header)
        matrix = spillover_of(header)
        if matrix is None and self.needed and is_stained(header):
            raise BadSpillover(
                f"{header.path}: the file has no spillover matrix of its own, so it cannot be compensated; give one "
                "('compensation: source: matrix, path: MATRIX.csv') or declare that none is needed ('source: none')"
            )
        return matrix

    @staticmethod
    def _fitted(matrix: SpilloverMatrix, header: FcsHeader) -> SpilloverMatrix:
        try:
            return fitted_to(matrix, header.channels)
        except BadSpillover as error:
            raise BadSpillover(f"{header.path}: {error}") from error


def is_stained(header: FcsHeader) -> bool:
    """Say whether a file has several fluorescence channels, so that one can spill into another."""
    return sum(channel.kind is ChannelKind.FLUORESCENCE for channel in header.channels) > 1


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
    scales: NoisyScales


def analyse(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    book: NoiseBook | None = None,
    settled: Mapping[str, Settled] | None = None,
    controls: ControlsOf | None = None,
    quality: QualityLimits | None = None,
    with_plots: bool = True,
) -> Analysis:
    """Return one file read, compensated, transformed, gated and measured.

    panel: puts marker names on the file's detectors; without it the file's own names hold. reading: which data set of
    the file, and whose offset of DATA. book: what the files of the panel show of their noise, from which scales come
    that were not declared; without it this file stands alone. settled: population id -> where its gate lies, decided
    outside this file. controls: makes the file's control tubes from its scales. quality: the thresholds that the
    acquisition is judged by; if they say so, flagged events belong to no population. Raises BadFcs, BadSpillover,
    SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    ready = _prepared(path, strategy, panel, compensation, reading, book)
    judged = None if quality is None else _judged(ready.raw, quality)
    at_hand = controls(ready.scales) if controls else None
    among = _kept(_unflagged(judged, quality), ready.sifted)
    tree = gate(
        ready.display,
        strategy,
        ready.scales,
        settled=settled,
        controls=at_hand,
        among=among,
        dead=ready.sifted.dead,
    )
    shaken = shake(tree, ready.display, strategy, scales=ready.scales)
    measured = _doubted(quantify(tree, ready.compensated, ready.markers), tree, ready)
    measured = replace(measured, gate_errors=shaken.gate_errors, border_errors=shaken.border_errors)
    plots = tuple(picture(tree, ready.display)) if with_plots else ()
    return Analysis(ready.header, ready.spillover, tree, measured, plots, ready.compensated, judged)


def _judged(raw: EventTable, limits: QualityLimits) -> Judged:
    from immunomon.steps.judge import judge  # compiled code, which takes a second to load

    return judge(raw, limits)


def _unflagged(judged: Judged | None, quality: QualityLimits | None) -> NDArray[np.bool_] | None:
    return ~judged.flagged if judged is not None and quality is not None and quality.exclude_flagged else None


def _kept(unflagged: NDArray[np.bool_] | None, sifted: Sifted) -> NDArray[np.bool_] | None:
    if unflagged is None or sifted.numbers is None:
        return sifted.numbers if unflagged is None else unflagged
    return unflagged & sifted.numbers


def _doubted(measured: Measured, tree: GateTree, ready: _Prepared) -> Measured:
    """Return the measurements with the doubts that are about the file, and about what lies at a channel's top."""
    doubts = dict(measured.doubts) | ({ROOT: ready.sifted.doubts} if ready.sifted.doubts else {})
    for population, more in saturated(tree, ready.raw).items():
        doubts[population] = (*doubts.get(population, ()), *more)
    return replace(measured, doubts=doubts)


def gate_file(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    book: NoiseBook | None = None,
    threads: int = 1,
    fast: bool = True,
    say: Callable[[str], None] | None = None,
) -> GateTree:
    """Return one file read, compensated, transformed and gated, nothing more: the way from a path to counts.

    threads: how many work on the file at once; fast: by compiled code, which takes a second to load and longer to
    compile the first time; the result depends on neither. say: called with what was repaired, what is missing, and what
    was left out. Raises what ``analyse`` raises.
    """
    ready = _prepared(path, strategy, panel, compensation, reading, book, fast=fast)
    if say:
        for remark in _remarks(ready, compensation):
            say(f"{path}: {remark}")
    return gate(
        ready.display,
        strategy,
        ready.scales,
        among=ready.sifted.numbers,
        dead=ready.sifted.dead,
        threads=threads,
    )


def _remarks(ready: _Prepared, compensation: Compensation) -> Iterator[str]:
    yield from ready.header.deviations
    if ready.spillover is None and compensation.from_file and is_stained(ready.header):
        yield "not compensated: the file has no spillover matrix of its own; give one, or say that none is needed"
    yield from swapped_pulses(ready.raw)
    yield from (doubt.sentence for doubt in ready.sifted.doubts)


def first_look(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    book: NoiseBook | None = None,
    controls: ControlsOf | None = None,
    quality: QualityLimits | None = None,
) -> FirstLook:
    """Return where one file's own events put the gates that it shares with other files, and on which scales.

    Raises what ``analyse`` raises.
    """
    ready = _prepared(path, strategy, panel, compensation, reading, book)
    judged = _judged(ready.raw, quality) if quality is not None and quality.exclude_flagged else None
    at_hand = controls(ready.scales) if controls else None
    among = _kept(_unflagged(judged, quality), ready.sifted)
    tree = gate(ready.display, strategy, ready.scales, controls=at_hand, among=among, dead=ready.sifted.dead)
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
    reach = _reach(gate_method(declared.gate).axes, mask, events)
    return Estimate(placed.id, *about, ground, placed.doubts, placed.origins, reach)


def _reach(axes: Sequence[str], mask: NDArray[np.bool_] | None, events: EventTable) -> dict[str, list[float]]:
    """Return how far the events that a gate divides reach on its fluorescence axes; of too few events nothing."""
    rows = np.flatnonzero(mask) if mask is not None else np.zeros(0, dtype=np.int64)
    if rows.size < _FEWEST_FOR_REACH:
        return {}
    some = events.take(rows[np.linspace(0, rows.size - 1, min(rows.size, _GROUND)).astype(np.int64)])
    stained = [axis for axis in axes if events.channels[events.index(axis)].kind is ChannelKind.FLUORESCENCE]
    return {axis: np.quantile(some.column(axis), LEVELS).tolist() for axis in stained}


@dataclass(frozen=True, eq=False)
class _Prepared:
    header: FcsHeader
    raw: EventTable
    spillover: SpilloverMatrix | None
    markers: Sequence[str]
    compensated: EventTable
    scales: NoisyScales
    display: EventTable
    sifted: Sifted


def read_compensated(
    path: Path, axes: Sequence[str], reading: Reading = AS_JUDGED, *, panel: Panel, compensation: Compensation
) -> EventTable:
    """Return a tube's compensated events on some axes; raises what ``analyse`` raises."""
    header, raw = read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset)
    header = panel.known_in(header)
    events = raw.labelled(panel.label_file(header))
    return compensate(events, compensation.of(header), wanted=list(axes))


def _prepared(
    path: Path,
    strategy: GatingStrategy,
    panel: Panel | None,
    compensation: Compensation,
    reading: Reading,
    book: NoiseBook | None,
    *,
    fast: bool = True,
) -> _Prepared:
    header, raw = read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset)
    events, spillover, compensated = _compensated(path, header, raw, strategy, panel, compensation)
    axes = axes_of(strategy)
    if book is None:
        book = book_of(compensated, [channel.name for channel in compensated.channels])
    scales = resolve_scales(strategy, axes, compensated, book)
    sifted = sift(events, compensated, axes)
    # Fast coordinates mix all detectors at once: what is no number in one would reach the others.
    display = transform(compensated, scales, fast=fast and sifted.is_all_numbers)
    return _Prepared(header, events, spillover, _markers(events, panel), compensated, scales, display, sifted)


def _compensated(
    path: Path,
    header: FcsHeader,
    raw: EventTable,
    strategy: GatingStrategy,
    panel: Panel | None,
    compensation: Compensation,
) -> tuple[EventTable, SpilloverMatrix | None, EventTable]:
    """Return the events under the panel's names, the matrix, and the axes and markers compensated."""
    try:
        header = panel.known_in(header) if panel else header
        events = raw.labelled(panel.label_file(header)) if panel else raw
        axes = axes_of(strategy)
        missing = [axis for axis in axes if not events.has(axis)]
        if missing:
            events.index(missing[0])  # raises with the nearest name
        spillover = compensation.of(header)
        return events, spillover, compensate(events, spillover, wanted=[*axes, *_markers(events, panel)])
    except (UnknownChannel, AmbiguousChannel) as error:
        text = str(error)
        raise type(error)(text if text.startswith(str(path)) else f"{path}: {text}") from error


def noise_of_file(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
) -> tuple[ChannelNoise, ...]:
    """Return what one file shows of the noise of its axes and markers; raises what ``analyse`` raises."""
    header, raw = read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset)
    some = raw.take(evenly(raw.count)) if raw.count > EVENTS else raw
    compensated = _compensated(path, header, some, strategy, panel, compensation)[2]
    return measure_noise(compensated, [channel.name for channel in compensated.channels])


def _markers(events: EventTable, panel: Panel | None) -> Sequence[str]:
    if panel is not None:
        return [marker.name for marker in panel.markers]
    fluorescence = [c for c in events.channels if c.kind is ChannelKind.FLUORESCENCE]
    names = [replace(channel).name for channel in fluorescence]
    return [c.name if names.count(c.name) == 1 else c.detector for c in fluorescence]
