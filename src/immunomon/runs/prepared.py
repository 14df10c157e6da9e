"""One file made ready for its gates: read, its channels named, compensated, on its display scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.cytometry.formats.spillover import differing_matrices, spillover_of
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.lazy import DisplayTable
from immunomon.cytometry.model.matrix_labels import fitted_to, lacking_in
from immunomon.cytometry.model.noise import ChannelNoise, NoiseBook, NoisyScales
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.doubt_borders import look_logarithmic
from immunomon.cytometry.steps.gate import axes_of
from immunomon.cytometry.steps.measure_noise import EVENTS, book_of, measure_noise
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.cytometry.steps.ungateable import Ungateable, find_ungateable
from immunomon.errors import AmbiguousChannel, BadSpillover, UnknownChannel
from immunomon.runs.at_hand import Read, read_anew
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.trust import Doubt
from immunomon.threads import one_thread

__all__ = [
    "FROM_FILE",
    "NO_MATRIX",
    "Compensation",
    "Prepared",
    "Reader",
    "is_stained",
    "noise_of_file",
    "prepare",
    "read_compensated",
]

Reader = Callable[[Path, Reading], Read]


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
NO_MATRIX = "not compensated: the file has no spillover matrix of its own; give one, or say that none is needed"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A file made ready: its header, raw events under the panel's names, the matrix, and what gates are placed on.

    markers: those whose medians are measured; compensated: the axes and markers; display: the axes on their scales;
    ungateable: which events are numbers, and which detectors show nothing.
    """

    header: FcsHeader
    raw: EventTable
    spillover: SpilloverMatrix | None
    markers: Sequence[str]
    compensated: EventTable
    scales: NoisyScales
    display: EventTable
    ungateable: Ungateable

    @property
    def nbytes(self) -> int:
        """The room that its columns take, besides the raw events."""
        shown = self.display.nbytes if isinstance(self.display, DisplayTable) else 0
        return 8 * self.raw.count * len(self.compensated.channels) + shown


def _known(read: Read, panel: Panel | None) -> Read:
    """Return a file's header, with what the panel knows of its channels, and its raw events."""
    header, raw = read
    return panel.known_in(header) if panel else header, raw


def read_compensated(
    path: Path, axes: Sequence[str], reading: Reading = AS_JUDGED, *, panel: Panel, compensation: Compensation
) -> EventTable:
    """Return a tube's compensated events on some axes; raises what ``analyse`` raises."""
    header, raw = _known(read_anew(path, reading), panel)
    events = raw.labelled(panel.label_file(header))
    return compensate(events, compensation.of(header), names=list(axes))


def prepare(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None,
    compensation: Compensation,
    reading: Reading,
    book: NoiseBook | None,
    fast: bool = True,
    read: Reader = read_anew,
) -> Prepared:
    """Return one file read, compensated and transformed; raises what ``analyse`` raises."""
    header, raw = _known(read(path, reading), panel)
    events, spillover, compensated = _compensated(path, header, raw, strategy, panel, compensation)
    axes = axes_of(strategy)
    if book is None:
        book = book_of(compensated, [channel.name for channel in compensated.channels])
    scales = resolve_scales(strategy, axes, compensated, book)
    ungateable = find_ungateable(events, compensated, axes)
    stained = [*axes, *_markers(events, panel)] if panel else axes
    of_matrix = _doubts_of_matrix(header, events, spillover, stained, compensation)
    doubts = (*ungateable.doubts, *of_matrix, *look_logarithmic(events))
    ungateable = replace(ungateable, doubts=doubts)
    # Fast coordinates mix all detectors at once: what is no number in one would reach the others.
    display = transform(compensated, scales, fast=fast and ungateable.is_all_numbers)
    return Prepared(header, events, spillover, _markers(events, panel), compensated, scales, display, ungateable)


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
        events = raw.labelled(panel.label_file(header)) if panel else raw
        axes = axes_of(strategy)
        missing = [axis for axis in axes if not events.has(axis)]
        if missing:
            events.index(missing[0])  # raises with the nearest name
        spillover = compensation.of(header)
        return events, spillover, compensate(events, spillover, names=[*axes, *_markers(events, panel)])
    except (UnknownChannel, AmbiguousChannel) as error:
        text = str(error)
        raise type(error)(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _doubts_of_matrix(
    header: FcsHeader,
    events: EventTable,
    spillover: SpilloverMatrix | None,
    stained: Sequence[str],
    compensation: Compensation,
) -> Iterator[Doubt]:
    """Yield what should be said of the matrix in use; stained: the axes and markers that it should compensate."""
    channels = (events.channels[events.index(name)] for name in dict.fromkeys(stained) if events.has(name))
    fluorescent = ((c.detector, c.marker) for c in channels if c.kind is ChannelKind.FLUORESCENCE)
    if lacking := lacking_in(spillover, fluorescent):
        yield Doubt("partly_compensated", "", lacking)
    if compensation.from_file and (several := differing_matrices(header)):
        yield Doubt("several_matrices", "", several)


@one_thread()
def noise_of_file(
    path: Path,
    strategy: GatingStrategy,
    *,
    panel: Panel | None = None,
    compensation: Compensation = FROM_FILE,
    reading: Reading = AS_JUDGED,
    read: Reader = read_anew,
) -> tuple[ChannelNoise, ...]:
    """Return what one file shows of the noise of its axes and markers; raises what ``analyse`` raises."""
    header, raw = _known(read(path, reading), panel)
    sampled = raw.take(evenly(raw.count, EVENTS)) if raw.count > EVENTS else raw
    compensated = _compensated(path, header, sampled, strategy, panel, compensation)[2]
    return measure_noise(compensated, [channel.name for channel in compensated.channels])


def _markers(events: EventTable, panel: Panel | None) -> Sequence[str]:
    if panel is not None:
        return [marker.name for marker in panel.markers]
    fluorescence = [c for c in events.channels if c.kind is ChannelKind.FLUORESCENCE]
    names = [replace(channel).name for channel in fluorescence]
    return [c.name if names.count(c.name) == 1 else c.detector for c in fluorescence]
