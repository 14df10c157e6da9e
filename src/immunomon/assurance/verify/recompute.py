"""One file worked out a second time: fcsparser reads, NumPy's solver compensates, FlowKit transforms and gates.

The gates come from the exported Gating-ML. FlowIO, which reads what fcsparser refuses, is not the reader under test.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import flowio
import numpy as np
from fcsparser.api import FCSParser, ParserFeatureNotImplementedError, fromfile
from flowutils.compensate import get_spill
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.assurance.verify.exported import ExportedGates, masks_of_run
from immunomon.errors import BadFcs, BadSpillover, ExportFailed, UnknownChannel, UnknownName, nearest
from immunomon.files import NotARegularFile, open_input

__all__ = [
    "FCSPARSER",
    "FLOWIO",
    "GATING_ML",
    "RUN",
    "Recomputed",
    "matrix_in_file",
    "read_with_fcsparser",
    "recompute",
]

FCSPARSER = "fcsparser"
FLOWIO = "flowio"
# Where the gates came from.
GATING_ML = "exported Gating-ML"
RUN = "the run's own gates"

Plain = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Recomputed:
    """What a second computation found in one file.

    reader: the library that read it; refusal: why it was not fcsparser. intensities: detector -> (events,),
    compensated; masks: population -> (events,), ``root`` included, without those whose gate was not placed. on_edges:
    events exactly on the edge of a polygon that FlowKit left out, put in as Gating-ML asks, summed over populations.
    gates: GATING_ML or RUN; not_exported: why it was not Gating-ML.
    """

    reader: str
    refusal: str
    intensities: Mapping[str, Floats]
    masks: Mapping[str, Mask]
    on_edges: int
    gates: str
    not_exported: str

    @property
    def events(self) -> int:
        """The number of events in the file."""
        return int(self.masks["root"].size)

    def count(self, population: str) -> int | None:
        """Return the number of events in a population, or None if its gate was not placed."""
        mask = self.masks.get(population)
        return None if mask is None else int(mask.sum())

    def median(self, population: str, detector: str) -> float | None:
        """Return the median compensated intensity, or None for a population without events or without a gate."""
        mask = self.masks.get(population)
        if mask is None or not mask.any():
            return None
        return float(np.median(self.intensities[detector][mask]))


def recompute(path: Path, placed: Plain, spillover: Plain | None) -> Recomputed:
    """Return one file read, compensated and gated again.

    placed: the sample's gates as the run keeps them, with the ranges of events that it left out; spillover:
    ``detectors`` and ``values`` as the run used them, None for no compensation. FlowKit gates from the exported
    Gating-ML; where that cannot say it, from the same gates built as FlowKit's objects, with the reason. Raises BadFcs
    if no reader reads the file, BadSpillover or UnknownChannel for a detector that it lacks, UnknownName for a gate or
    scale that FlowKit has no class for here.
    """
    events, names, reader, refusal = _read(path)
    raw = {name.strip(): events[:, column] for column, name in enumerate(names)}
    intensities = _compensated(raw, spillover, path)
    try:
        exported, reason = ExportedGates(placed, spillover), ""
    except ExportFailed as error:
        exported, reason = None, str(error)
    try:
        masks, missed = exported.masks(raw, intensities) if exported else masks_of_run(placed, intensities)
        masks = _kept(masks, placed.get("excluded", ()))
    except (UnknownChannel, UnknownName) as error:
        raise type(error)(f"{path}: {error}") from error
    return Recomputed(reader, refusal, intensities, masks, missed, GATING_ML if exported else RUN, reason)


def _kept(masks: Mapping[str, Mask], excluded: Sequence[Sequence[int]]) -> dict[str, Mask]:
    """Return the masks without the ranges of events that the run left out of every population."""
    out = {name: mask.copy() for name, mask in masks.items()}
    for start, stop in excluded:
        for mask in out.values():
            mask[start:stop] = False
    return out


def _read(path: Path) -> tuple[Floats, tuple[str, ...], str, str]:
    try:
        events, names = read_with_fcsparser(path)
    except BadFcs as error:
        if not path.is_file():
            raise
        refusal = str(error)
    else:
        return events.astype(np.float64), names, FCSPARSER, ""
    import flowio

    try:
        with open_input(path) as file:  # FlowIO leaves a file open that it cannot read
            data = flowio.FlowData(file)
        return np.asarray(data.as_array(preprocess=True), np.float64), tuple(data.pnn_labels), FLOWIO, refusal
    except Exception as error:  # whatever it is, the file was not read a second time, and that is what must be said
        raise BadFcs(path, f"no second reader reads it ({error})", refusal) from error


def _compensated(raw: Mapping[str, Floats], spillover: Plain | None, path: Path) -> dict[str, Floats]:
    compensated = dict(raw)
    if spillover is not None:
        detectors = spillover["detectors"]
        missing = [name for name in detectors if name not in raw]
        if missing:
            raise BadSpillover(f"{path}: no channel '{missing[0]}', which the matrix has; {nearest(missing[0], raw)}")
        observed = np.stack([raw[name] for name in detectors])
        # observed = true @ spillover, so that the transposed matrix is solved for the transposed events.
        compensated |= zip(
            detectors, np.linalg.solve(np.array(spillover["values"], np.float64).T, observed), strict=True
        )
    return compensated


# The spillover matrix that a run used, beside the one in the file as flowutils reads it.

_KEYWORDS = ("spillover", "spill")


def matrix_in_file(path: Path, used: Mapping[str, Any] | None) -> str:
    """Return in words that the matrix a run used is the file's own; raises BadSpillover if it is another one.

    used: ``detectors`` and ``values``, None for no compensation. The keyword is parsed by flowutils, not by immunomon.
    Keywords in other forms ($COMP, numbers for names) flowutils cannot read: then the words say so.
    """
    try:
        with open_input(path) as file:
            text = flowio.FlowData(file, only_text=True).text
    except Exception as error:  # FlowIO raises whatever its parts raise; the events are read by the other reader
        return f"not compared: FlowIO cannot read the keywords ({type(error).__name__})"
    own = next((text[name] for name in _KEYWORDS if text.get(name)), None)
    if own is None:
        return "not compared: the file has no SPILLOVER keyword" if used else "none in the file, none used"
    try:
        values, detectors = get_spill(own)
    except (ValueError, IndexError):
        return "not compared: flowutils cannot read the file's SPILLOVER keyword"
    if used is None:
        raise BadSpillover(f"{path}: the file carries a spillover matrix, but the run used none")
    if detectors != list(used["detectors"]):
        return "not compared: the file's matrix names its detectors in another way"
    if not np.array_equal(np.asarray(values), np.asarray(used["values"])):
        raise BadSpillover(f"{path}: the run used another spillover matrix than the file carries")
    return "equal to the file's own"


# A second, independent way to read FCS files: fcsparser, mended for big-endian files. For verification only.

# It logs bytes that are not UTF-8, which are common in operators' names; without a handler that goes to the terminal.
logging.getLogger("fcsparser").addHandler(logging.NullHandler())

# fcsparser also pads 24 bits to 32, but forgets the padding before: only the first channel comes out right.
_WIDTHS = {1, 2, 4, 8}
_REMEDY = "the second reader does not cover it: verify this file by hand"
_FAULTS = (
    ParserFeatureNotImplementedError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    OSError,
)


class _Parser(FCSParser):  # type: ignore[misc]  # fcsparser carries no types
    """fcsparser's parser, with the byte order put right in a way that NumPy 2 still has."""

    def read_data(self, file_handle: BinaryIO) -> None:
        """Read the DATA segment into one float64 array, (events, channels)."""
        self._verify_assumptions()
        text = self.annotation
        order = "<" if text["$BYTEORD"].startswith("1") else ">"
        kind = {"F": "f", "D": "f", "I": "u"}[text["$DATATYPE"].strip()]
        widths = [text[f"$P{number}B"] // 8 for number in self.channel_numbers]
        if not set(widths) <= _WIDTHS:
            raise ParserFeatureNotImplementedError(f"numbers of {max(set(widths) - _WIDTHS)} bytes")
        file_handle.seek(self._data_start)
        stored = fromfile(file_handle, ",".join(f"{order}{kind}{width}" for width in widths), text["$TOT"])
        if order != ("<" if sys.byteorder == "little" else ">"):
            # fcsparser calls ndarray.newbyteorder() here, which NumPy 2 took away.
            stored = stored.byteswap().view(stored.dtype.newbyteorder())
        names = stored.dtype.names or ()
        columns = [stored[name] for name in names] if names else [stored]
        if kind == "u":
            columns = [self._without_spare_bits(values, number) for number, values in enumerate(columns, start=1)]
        self._data = np.column_stack(columns).astype(np.float64)

    def _without_spare_bits(self, values: NDArray[Any], number: int) -> NDArray[Any]:
        # An integer of 16 bits may hold a measurement of 10: the bits above the range mean nothing.
        top = int(float(self.annotation[f"$P{number}R"]))
        bits = max(top - 1, 0).bit_length()
        return values if bits >= 8 * values.itemsize else values & values.dtype.type((1 << bits) - 1)


def read_with_fcsparser(path: Path) -> tuple[NDArray[np.floating], tuple[str, ...]]:
    """Return an FCS file's events, (events, channels), and its detectors ($PnN), read by fcsparser alone.

    Log amplifiers ($PnE) of integer data, gain ($PnG) and the time step are applied, as the standard asks (FCS 3.1,
    Spidlen et al. 2010). As by ``read_fcs``, events are float32 if that holds all channels but time exactly, else
    float64, unless that takes more than four times the room of the file's DATA. Raises BadFcs for what it does not
    cover.

    >>> read_with_fcsparser(Path("no-such-file.fcs"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file
    """
    try:
        with open_input(path):  # fcsparser would wait for ever for a named pipe
            pass
    except FileNotFoundError:
        raise BadFcs(path, "there is no such file") from None
    except NotARegularFile as error:
        raise BadFcs(path, f"it is {error.strerror}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of an ANALYSIS segment and of names that occur twice
            parser = _Parser(str(path), channel_naming="$PnN")
        text: dict[str, Any] = parser.annotation
        if text["$NEXTDATA"] != 0:
            raise ParserFeatureNotImplementedError("several data sets ($NEXTDATA)")
        names = tuple(str(text[f"$P{number}N"]).strip() for number in parser.channel_numbers)
        columns = [_as_measured(parser.data[:, number - 1], text, number) for number in parser.channel_numbers]
        return _narrowed(np.column_stack(columns), text, names), names
    except _FAULTS as error:
        raise BadFcs(path, f"fcsparser cannot read it ({type(error).__name__}: {error})", _REMEDY) from error


def _narrowed(events: Floats, text: Mapping[str, Any], names: tuple[str, ...]) -> NDArray[np.floating]:
    """Return the events as float32 where nothing but the last bits of seconds is lost, else as they are."""
    with np.errstate(all="ignore"):  # too large for float32: infinite there, and so not equal
        short = events.astype(np.float32)
    judged = [column for column, name in enumerate(names) if name.casefold() != "time"]
    stored_bits = sum(int(text[f"$P{number}B"]) for number in range(1, len(names) + 1))
    if 64 * len(names) > 4 * stored_bits or np.array_equal(short[:, judged], events[:, judged], equal_nan=True):
        return short
    return events


def _as_measured(stored: Floats, text: Mapping[str, Any], number: int) -> Floats:
    """Return stored numbers as intensities: log amplifiers undone, gain and time step applied."""
    decades, lowest = (float(part) for part in str(text.get(f"$P{number}E", "0,0")).split(","))
    if decades > 0 and text["$DATATYPE"].strip() == "I":
        # Numbers with a decimal point are linear by the standard, whatever $PnE says.
        return np.asarray((lowest or 1.0) * 10.0 ** (decades * stored / float(text[f"$P{number}R"])))
    if str(text[f"$P{number}N"]).strip().casefold() == "time":
        return stored * float(str(text.get("$TIMESTEP", "1")).strip() or 1)
    return stored / (float(str(text.get(f"$P{number}G", "1")).strip() or 1) or 1.0)
