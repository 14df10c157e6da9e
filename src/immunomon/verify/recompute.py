"""One file worked out a second time: fcsparser reads, NumPy's solver compensates, FlowKit transforms and gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from flowkit import Dimension, gates, transforms
from numpy.typing import NDArray

from immunomon.errors import BadFcs, BadSpillover, UnknownChannel, UnknownName, nearest
from immunomon.io.second_reader import read_with_fcsparser
from immunomon.verify.edges import on_edges

__all__ = ["FCSPARSER", "FLOWIO", "Recomputed", "recompute"]

FCSPARSER = "fcsparser"
FLOWIO = "flowio"

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Plain = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Recomputed:
    """What a second computation found in one file.

    reader: the library that read it; refusal: why it was not fcsparser. intensities: detector -> (events,),
    compensated; masks: population -> (events,), ``root`` included, without those whose gate was not placed. on_edges:
    events exactly on the edge of a polygon that FlowKit left out, put in as Gating-ML asks, summed over populations.
    """

    reader: str
    refusal: str
    intensities: Mapping[str, Floats]
    masks: Mapping[str, Mask]
    on_edges: int

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

    placed: the contents of the run's ``gates/SAMPLE.json``; spillover: ``detectors`` and ``values`` as the run used
    them, None for no compensation. Raises BadFcs if no reader reads the file, BadSpillover or UnknownChannel for a
    detector that it lacks, UnknownName for a gate or scale that FlowKit has no class for here.
    """
    raw, names, reader, refusal = _read(path)
    intensities = _compensated(raw, names, spillover, path)
    axes = pd.DataFrame(
        {name: _coordinates(intensities, axis, path) for name, axis in placed["axes"].items()},
        index=range(raw.shape[0]),
    )
    return Recomputed(reader, refusal, intensities, *_masks(axes, placed["populations"]))


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
        with path.open("rb") as file:  # FlowIO leaves a file open that it cannot read
            data = flowio.FlowData(file)
        return np.asarray(data.as_array(preprocess=True), np.float64), tuple(data.pnn_labels), FLOWIO, refusal
    except Exception as error:  # whatever it is, the file was not read a second time, and that is what must be said
        raise BadFcs(path, f"no second reader reads it ({error})", refusal) from error


def _compensated(raw: Floats, names: tuple[str, ...], spillover: Plain | None, path: Path) -> dict[str, Floats]:
    places = {name.strip(): column for column, name in enumerate(names)}
    values = raw.copy()
    if spillover is not None:
        missing = [name for name in spillover["detectors"] if name not in places]
        if missing:
            raise BadSpillover(
                f"{path}: no channel '{missing[0]}', which the matrix has; {nearest(missing[0], places)}"
            )
        columns = [places[name] for name in spillover["detectors"]]
        # observed = true @ spillover, so that the transposed matrix is solved for the transposed events.
        values[:, columns] = np.linalg.solve(np.array(spillover["values"], np.float64).T, raw[:, columns].T).T
    return {name: values[:, column] for name, column in places.items()}


def _coordinates(intensities: Mapping[str, Floats], axis: Plain, path: Path) -> Floats:
    if axis["detector"] not in intensities:
        raise UnknownChannel(f"{path}: no channel '{axis['detector']}'; {nearest(axis['detector'], intensities)}")
    values = intensities[axis["detector"]]
    scale = axis["scale"]
    match scale["kind"]:
        case "identity":
            return values
        case "linear":
            function = transforms.LinearTransform(scale["t"], scale["a"])
        case "asinh":
            function = transforms.AsinhTransform(scale["t"], scale["m"], scale["a"])
        case "logicle":
            function = transforms.LogicleTransform(scale["t"], scale["w"], scale["m"], scale["a"])
        case "hyperlog":
            function = transforms.HyperlogTransform(scale["t"], scale["w"], scale["m"], scale["a"])
        case other:
            raise UnknownName(f"{path}: no scale named '{other}' in FlowKit's terms")
    # FlowKit's logicle gives -1 for what is not a finite number; such an event has no place on the axis.
    return np.where(np.isfinite(values), function.apply(values), values)


def _masks(axes: pd.DataFrame, populations: list[Plain]) -> tuple[dict[str, Mask], int]:
    missed = 0
    masks: dict[str, Mask] = {"root": np.ones(len(axes), dtype=np.bool_)}
    for population in populations:  # parents and operands come first
        parent, gate = masks.get(population["parent"]), population["gate"]
        if gate is None or parent is None:
            continue
        inside = _combined(gate, masks) if gate["kind"] == "boolean" else _flowkit_gate(gate).apply(axes)
        members = parent & np.asarray(inside, dtype=np.bool_)
        if gate["kind"] == "polygon":
            edge = on_edges(axes[gate["x"]].to_numpy(), axes[gate["y"]].to_numpy(), gate["vertices"]) & parent
            missed += int((edge & ~members).sum())
            members |= edge
        masks[population["population"]] = members
    return masks, missed


def _combined(gate: Plain, masks: Mapping[str, Mask]) -> Mask:
    operands = np.stack([masks[name] for name in gate["of"]])
    if gate.get("complements"):
        operands ^= np.array(gate["complements"], dtype=np.bool_)[:, np.newaxis]
    found = operands.all(axis=0) if gate["operator"] == "and" else operands.any(axis=0)
    return np.asarray(~found if gate["operator"] == "not" else found, dtype=np.bool_)


def _flowkit_gate(gate: Plain) -> Any:  # noqa: ANN401 - FlowKit carries no types
    match gate["kind"]:
        case "interval":
            return gates.RectangleGate("gate", [_side(gate)])
        case "rectangle":
            return gates.RectangleGate("gate", [_side(side) for side in gate["sides"]])
        case "polygon":
            return gates.PolygonGate("gate", _plane(gate), gate["vertices"])
        case "ellipse":
            return gates.EllipsoidGate(
                "gate", _plane(gate), gate["center"], np.array(gate["covariance"]), gate["distance_square"]
            )
        case "ellipsoid":
            dimensions = [Dimension(axis) for axis in gate["axes"]]
            covariance = np.array(gate["covariance"])
            return gates.EllipsoidGate("gate", dimensions, gate["center"], covariance, gate["distance_square"])
    raise UnknownName(f"no geometry named '{gate['kind']}' in FlowKit's terms")


def _side(side: Plain) -> Dimension:
    return Dimension(side["axis"], range_min=side["low"], range_max=side["high"])


def _plane(gate: Plain) -> list[Dimension]:
    return [Dimension(gate["x"]), Dimension(gate["y"])]
