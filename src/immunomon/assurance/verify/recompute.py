"""One file worked out a second time: fcsparser reads, NumPy's solver compensates, FlowKit transforms and gates.

The gates come from the exported Gating-ML. FlowIO, which reads what fcsparser refuses, is not the reader under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flowio
import numpy as np
from flowutils.compensate import get_spill
from numpy.typing import NDArray

from immunomon.assurance.verify.exported import ExportedGates, masks_of_run
from immunomon.cytometry.formats.second_reader import read_with_fcsparser
from immunomon.errors import BadFcs, BadSpillover, ExportFailed, UnknownChannel, UnknownName, nearest
from immunomon.files import open_input

__all__ = ["FCSPARSER", "FLOWIO", "GATING_ML", "RUN", "Recomputed", "matrix_in_file", "recompute"]

FCSPARSER = "fcsparser"
FLOWIO = "flowio"
# Where the gates came from.
GATING_ML = "exported Gating-ML"
RUN = "the run's own gates"

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
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
