"""One file through all steps: read, compensate, transform, gate, gate errors, quantify, picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.gates.under import gates_under
from immunomon.cytometry.kernels.outliers import LEVELS
from immunomon.cytometry.kernels.selection import evenly, quantiles_at
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.noise import NoiseBook, NoisyScales
from immunomon.cytometry.model.settled import Estimate, Settled
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.model.swapped_pulses import swapped_pulses
from immunomon.cytometry.steps.doubt_borders import doubt_borders
from immunomon.cytometry.steps.doubt_kinds import doubt_kinds
from immunomon.cytometry.steps.doubt_lineages import doubt_lineages
from immunomon.cytometry.steps.gate import gate
from immunomon.cytometry.steps.gate_error import estimate_gate_errors
from immunomon.cytometry.steps.picture import picture
from immunomon.cytometry.steps.quantify import quantify
from immunomon.cytometry.steps.ungateable import Ungateable, saturated
from immunomon.cytometry.steps.weigh_border import weigh_borders
from immunomon.runs.at_hand import read_anew
from immunomon.runs.controls import ControlsOf
from immunomon.runs.prepared import (
    FROM_FILE,
    NO_MATRIX,
    Compensation,
    Prepared,
    Reader,
    is_stained,
    noise_of_file,
    prepare,
    read_compensated,
)
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.quality import Judged, QualityLimits
from immunomon.study.model.strategy import ROOT, GatingStrategy, Population
from immunomon.threads import one_thread

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
    """What one file's own events say of the gates that it shares with other files, the display scales, and other gates.

    placed: population -> its gate, of those that it does not share. ready: the file as it was made ready.
    """

    estimates: tuple[Estimate, ...]
    placed: Mapping[str, PlacedPopulation]
    ready: Prepared

    @property
    def scales(self) -> NoisyScales:
        """The display scales, with what is known of the noise on them."""
        return self.ready.scales


@one_thread()
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
    placed: Mapping[str, PlacedPopulation] | None = None,
    ready: Prepared | None = None,
    read: Reader = read_anew,
) -> Analysis:
    """Return one file read, compensated, transformed, gated and measured.

    panel: puts marker names on the file's detectors; without it the file's own names hold. reading: which data set of
    the file, and whose offset of DATA. book: what the files of the panel show of their noise, from which scales come
    that were not declared; without it this file stands alone. settled: population id -> where its gate lies, decided
    outside this file. controls: makes the file's control tubes from its scales. quality: the thresholds that the
    acquisition is judged by; if they say so, flagged events belong to no population. placed: where the file's
    first look found its gates; those that nothing settled moves are not placed again. ready: the file as that look made
    it ready, from the same panel, strategy, compensation and book. read: reads the file otherwise. Raises BadFcs,
    BadSpillover, SingularSpillover, UnknownChannel, AmbiguousChannel, each naming the file.
    """
    if ready is None:
        ready = prepare(path, strategy, panel=panel, compensation=compensation, reading=reading, book=book, read=read)
    judged = None if quality is None else _judged(ready.raw, quality)
    at_hand = controls(ready.scales) if controls else None
    among = _kept(_unflagged(judged, quality, strategy), ready.ungateable)
    tree = _gated(
        gate(
            ready.display,
            strategy,
            ready.scales,
            settled=settled,
            placed=_unmoved(placed or {}, strategy, settled or {}),
            controls=at_hand,
            among=among,
            dead=ready.ungateable.dead,
        ),
        ready,
        strategy,
    )
    estimated = estimate_gate_errors(tree, ready.display, strategy, scales=ready.scales)
    measured = quantify(tree, ready.compensated, ready.markers)
    about_file = {ROOT: ready.ungateable.doubts} if ready.ungateable.doubts else {}
    measured = replace(
        measured,
        gate_errors=estimated.gate_errors,
        border_errors=estimated.border_errors,
        doubts={**about_file, **measured.doubts},
        fingerprint=ready.raw.fingerprint(),
    )
    plots = tuple(picture(tree, ready.display)) if with_plots else ()
    return Analysis(ready.header, ready.spillover, tree, measured, plots, ready.compensated, judged)


def _unmoved(
    placed: Mapping[str, PlacedPopulation], strategy: GatingStrategy, settled: Mapping[str, Settled]
) -> dict[str, PlacedPopulation]:
    """Return the populations that rest on nothing settled: the same events would place their gates there again."""
    moved = set(settled)
    return {name: population for name, population in placed.items() if not moved & set(gates_under(strategy, name))}


def _judged(raw: EventTable, limits: QualityLimits) -> Judged:
    from immunomon.cytometry.steps.quality_control import check_quality  # compiled code, which takes a second to load

    return check_quality(raw, limits)


def _unflagged(judged: Judged | None, quality: QualityLimits | None, strategy: GatingStrategy) -> Mask | None:
    if judged is None or quality is None or not quality.exclude_flagged:
        return None
    # Beads are bright to the top of the range: left out as margins, they would make the cells too many.
    return ~(judged.strays if strategy.beads else judged.flagged)


def _kept(unflagged: Mask | None, ungateable: Ungateable) -> Mask | None:
    if unflagged is None or ungateable.numbers is None:
        return ungateable.numbers if unflagged is None else unflagged
    return unflagged & ungateable.numbers


def _gated(tree: GateTree, ready: Prepared, strategy: GatingStrategy) -> GateTree:
    """Return the tree with what its gates show once they are placed: events at the top, doubtful and idle borders."""
    looks = (
        saturated(tree, ready.raw),
        weigh_borders(tree, ready.display, strategy, scales=ready.scales),
        doubt_borders(tree, ready.compensated, strategy),
        doubt_lineages(tree, ready.compensated, strategy),
        doubt_kinds(tree, ready.compensated),
    )
    doubted = (
        replace(p, doubts=(*p.doubts, *(d for look in looks for d in look.get(p.id, ())))) for p in tree.populations
    )
    return replace(tree, populations=tuple(doubted)) if any(looks) else tree


@one_thread()
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
    say_note: Callable[[str], None] | None = None,
) -> GateTree:
    """Return one file read, compensated, transformed and gated, nothing more: the way from a path to counts.

    threads: how many work on the file at once; fast: by compiled code, which takes a second to load and longer to
    compile the first time; the result depends on neither. say_note: called with what was repaired, what is missing, and
    what was left out. Raises what ``analyse`` raises.
    """
    ready = prepare(path, strategy, panel=panel, compensation=compensation, reading=reading, book=book, fast=fast)
    if say_note:
        for remark in _remarks(ready, compensation):
            say_note(f"{path}: {remark}")
    tree = gate(
        ready.display,
        strategy,
        ready.scales,
        among=ready.ungateable.numbers,
        dead=ready.ungateable.dead,
        threads=threads,
    )
    return _gated(tree, ready, strategy)


def _remarks(ready: Prepared, compensation: Compensation) -> Iterator[str]:
    yield from ready.header.deviations
    if ready.spillover is None and compensation.from_file and is_stained(ready.header):
        yield NO_MATRIX
    yield from swapped_pulses(ready.raw)
    yield from (doubt.sentence for doubt in ready.ungateable.doubts)


@one_thread()
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
    read: Reader = read_anew,
) -> FirstLook:
    """Return where one file's own events put the gates that it shares with other files, and on which scales.

    Raises what ``analyse`` raises.
    """
    ready = prepare(path, strategy, panel=panel, compensation=compensation, reading=reading, book=book, read=read)
    judged = _judged(ready.raw, quality) if quality is not None and quality.exclude_flagged else None
    at_hand = controls(ready.scales) if controls else None
    among = _kept(_unflagged(judged, quality, strategy), ready.ungateable)
    tree = gate(ready.display, strategy, ready.scales, controls=at_hand, among=among, dead=ready.ungateable.dead)
    placed = {population.id: population for population in tree.populations}
    shared = dict.fromkeys(strategy.gate_id(p.id) for p in strategy if p.gate.is_shared)
    estimates = tuple(_estimate(placed[name], strategy.population(name), tree, ready.display) for name in shared)
    own = {name: population for name, population in placed.items() if not strategy.population(name).gate.is_shared}
    return FirstLook(estimates, own, ready)


def _estimate(placed: PlacedPopulation, declared: Population, tree: GateTree, events: EventTable) -> Estimate:
    ground = None
    mask = tree.mask(declared.gate.place_on or declared.parent)
    if declared.gate.fit != "sample" and mask is not None:
        rows = np.flatnonzero(mask)
        # Evenly over the file, so that what drifts in time is in it as it is in the whole.
        sampled = rows[evenly(rows.size, _GROUND)]
        axes = gate_method(declared.gate).axes
        channels = tuple(events.channels[events.index(axis)] for axis in axes)
        values = np.column_stack([events.column(axis)[sampled] for axis in axes])
        ground = EventTable(values, channels, events.scale, events.source)
    about = (placed.facts, placed.errors, placed.source, placed.note, placed.failure)
    reach = _reach(gate_method(declared.gate).axes, mask, events)
    return Estimate(placed.id, *about, ground, placed.doubts, placed.origins, reach)


def _reach(axes: Sequence[str], mask: Mask | None, events: EventTable) -> dict[str, list[float]]:
    """Return how far the events that a gate divides reach on its fluorescence axes; of too few events nothing."""
    rows = np.flatnonzero(mask) if mask is not None else np.zeros(0, dtype=np.int64)
    if rows.size < _FEWEST_FOR_REACH:
        return {}
    sampled = events.take(rows[evenly(rows.size, _GROUND)])
    stained = [axis for axis in axes if events.channels[events.index(axis)].kind is ChannelKind.FLUORESCENCE]
    return {axis: quantiles_at(sampled.column(axis), LEVELS) for axis in stained}
