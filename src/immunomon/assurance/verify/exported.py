"""The gates of a run as FlowKit applies them: from exported Gating-ML, and rebuilt where that has no words for them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
from flowkit import Dimension, GatingStrategy, gates, parse_gating_xml, transforms

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.formats.gatingml_source import GATING, OURS
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.model.placed import UNCOMPENSATED, placed_from_run
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover, ExportFailed, ImmunomonError, UnknownChannel, UnknownName, nearest

__all__ = ["ExportedGates", "masks_of_run", "on_edges", "on_scale"]

Plain = Mapping[str, Any]


class ExportedGates:
    """The gates of one sample, out through ``write_gatingml`` and in through FlowKit's parser.

    placed: the sample's gates as the run keeps them; spillover: the matrix that it used. Raises ExportFailed, with the
    reason, for what Gating-ML 2.0 has no words for and for a document that FlowKit does not read; BadSpillover if the
    matrix in the document is not the one that the run used.
    """

    def __init__(self, placed: Plain, spillover: Plain | None) -> None:
        self._spillover = spillover
        self._document = _exported(placed, spillover)
        self._strategy = _parsed(self._document)
        self._check_matrix()

    def masks(self, raw: Mapping[str, Floats], compensated: Mapping[str, Floats]) -> tuple[dict[str, Mask], int]:
        """Return population -> (events,), ``root`` included, and how many events on edges FlowKit had left out.

        raw, compensated: detector -> (events,). Raises UnknownChannel for a detector that is not there.
        """
        axes = _Axes(self._strategy, raw, compensated)
        size = next((values.size for values in raw.values()), 0)
        masks: dict[str, Mask] = {"root": np.ones(size, dtype=np.bool_)}
        missed = 0
        names = self._names()
        for gate_id, population in names.items():  # the document has parents and operands first
            gate, above = self._strategy.get_gate(gate_id), self._strategy.get_parent_gate_id(gate_id)
            parent = masks[names[above[0]] if above else "root"]
            if isinstance(gate, gates.BooleanGate):
                operands = {(r["ref"], "/".join(r["path"])): masks[names[r["ref"]]] for r in gate.gate_refs}
                members = parent & gate.apply(operands)
            else:
                members = parent & np.asarray(gate.apply(axes.of(gate)), dtype=np.bool_)
            if isinstance(gate, gates.PolygonGate):
                x, y = (axes.coordinates(dimension) for dimension in gate.dimensions)
                edge = on_edges(x, y, gate.vertices) & parent
                missed += int((edge & ~members).sum())
                members |= edge
            masks[population] = members
        return masks, missed

    def _names(self) -> dict[str, str]:
        """Return the population that each gate of the document stands for, in the document's order."""
        root = ET.fromstring(self._document)
        names = {gate.get(f"{{{GATING}}}id", ""): gate.get(f"{{{OURS}}}id") for gate in root.iter()}
        return {name: ours or name for name, ours in names.items() if name}

    def _check_matrix(self) -> None:
        for matrix in self._strategy.comp_matrices.values():
            used = self._spillover
            if (
                used is None
                or list(matrix.detectors) != list(used["detectors"])
                or not np.array_equal(matrix.matrix, np.asarray(used["values"]))
            ):
                raise BadSpillover("FlowKit reads another matrix from the exported Gating-ML than the run used")


class _Axes:
    """One file's coordinates on the axes of gates, each worked out once."""

    def __init__(self, strategy: GatingStrategy, raw: Mapping[str, Floats], compensated: Mapping[str, Floats]) -> None:
        self._strategy, self._raw, self._compensated = strategy, raw, compensated
        self._done: dict[tuple[str, str, str | None], Floats] = {}

    def of(self, gate: Any) -> pd.DataFrame:  # noqa: ANN401 - FlowKit carries no types
        return pd.DataFrame({dimension.id: self.coordinates(dimension) for dimension in gate.dimensions})

    def coordinates(self, dimension: Any) -> Floats:  # noqa: ANN401
        key = (dimension.id, dimension.compensation_ref, dimension.transformation_ref)
        if key not in self._done:
            self._done[key] = self._work_out(*key)
        return self._done[key]

    def _work_out(self, detector: str, compensation: str, transformation: str | None) -> Floats:
        source = self._raw if compensation == UNCOMPENSATED else self._compensated
        if detector not in source:
            raise UnknownChannel(f"no channel '{detector}'; {nearest(detector, source)}")
        values = source[detector]
        if transformation is None:
            return values
        return on_scale(self._strategy.get_transform(transformation), values)


def _exported(placed: Plain, spillover: Plain | None) -> bytes:
    try:
        matrix = SpilloverMatrix.from_record(spillover)
        return write_gatingml(placed_from_run(placed, matrix or None))
    except ImmunomonError as error:
        raise ExportFailed(f"the gates cannot be written as Gating-ML ({error})") from error


def _parsed(document: bytes) -> GatingStrategy:
    try:
        strategy = parse_gating_xml(io.BytesIO(document))
    except Exception as error:  # whatever it is, FlowKit did not read the document, and that is what must be said
        raise ExportFailed(f"FlowKit cannot read the exported Gating-ML ({type(error).__name__}: {error})") from error
    for name, path in strategy.get_gate_ids():
        gate = strategy.get_gate(name, path)
        sides = {(d.id, d.compensation_ref, d.transformation_ref) for d in gate.dimensions or ()}
        if len({side[0] for side in sides}) != len(sides):
            raise ExportFailed(f"gate '{name}' has one detector on two scales, which FlowKit cannot hold apart")
    return strategy


# Gates as the run keeps them, rebuilt as FlowKit's objects: for what Gating-ML 2.0 has no words for.

# FlowKit's biexponential table ends at FlowJo's 4096 channels, that of a run at 1.
_BIEX_CHANNELS = 4096.0


def masks_of_run(placed: Plain, compensated: Mapping[str, Floats]) -> tuple[dict[str, Mask], int]:
    """Return population -> (events,), ``root`` included, and how many events on edges FlowKit had left out.

    placed: the sample's gates as the run keeps them; compensated: detector -> (events,). Raises UnknownChannel for a
    detector that is not there, UnknownName for a gate or scale that FlowKit has no class for here.
    """
    size = next((values.size for values in compensated.values()), 0)
    axes = pd.DataFrame(
        {name: _coordinates(compensated, axis) for name, axis in placed["axes"].items()}, index=range(size)
    )
    return _masks(axes, placed["populations"])


def _coordinates(intensities: Mapping[str, Floats], axis: Plain) -> Floats:
    if axis["detector"] not in intensities:
        raise UnknownChannel(f"no channel '{axis['detector']}'; {nearest(axis['detector'], intensities)}")
    values = intensities[axis["detector"]]
    scale = axis["scale"]
    match scale["kind"]:
        case "identity":
            return values
        case "linear":
            function = transforms.LinearTransform(scale["t"], scale["a"])
        case "log":
            function = transforms.LogTransform(scale["t"], scale["m"])
        case "biex":
            table = transforms.WSPBiexTransform(scale["neg"], scale["width"], scale["pos"], scale["max_range"])
            return on_scale(table, values) / _BIEX_CHANNELS
        case "asinh":
            function = transforms.AsinhTransform(scale["t"], scale["m"], scale["a"])
        case "logicle":
            function = transforms.LogicleTransform(scale["t"], scale["w"], scale["m"], scale["a"])
        case "hyperlog":
            function = transforms.HyperlogTransform(scale["t"], scale["w"], scale["m"], scale["a"])
        case unknown:
            raise UnknownName(f"no scale named '{unknown}' in FlowKit's terms")
    return on_scale(function, values)


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
    is_inside = operands.all(axis=0) if gate["operator"] == "and" else operands.any(axis=0)
    return np.asarray(~is_inside if gate["operator"] == "not" else is_inside, dtype=np.bool_)


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


# Where FlowKit is put right: values without a place on a scale, and events on the very edge of a polygon.


def on_scale(transform: Any, values: Floats) -> Floats:  # noqa: ANN401 - FlowKit carries no types
    """Return intensities on one of FlowKit's scales; values and result: (events,).

    The logarithm of what is negative, no number in FlowKit, lies at minus infinity, where FlowKit puts that of zero.

    >>> from flowkit import transforms
    >>> on_scale(transforms.LogTransform(100, 2), np.array([-1.0, 0.0, 1.0, 100.0]))
    array([-inf, -inf,   0.,   1.])
    """
    with np.errstate(all="ignore"):
        scaled = np.asarray(transform.apply(values), dtype=np.float64)
    scaled = np.where(np.isnan(scaled) & (values < 0), -np.inf, scaled)
    # FlowKit's logicle gives -1 for what is not a finite number; such an event has no place on the axis.
    return np.where(np.isfinite(values), scaled, values)


# Gating-ML 2.0 counts events on the edge of a polygon as inside. FlowKit says so too, but its compiled code
# (FlowUtils 1.2) leaves out those on some of the edges: seen where detectors give whole numbers and corners are whole
# numbers as well. Rational arithmetic decides.

# Far above the rounding error of a cross product in float64, relative to its terms: nothing on an edge escapes it.
_NEAR = 1e-12


def on_edges(x: Floats, y: Floats, vertices: Sequence[Sequence[float]]) -> Mask:
    """Return which events lie exactly on the closed line through a polygon's corners.

    x, y: (events,). Result: (events,).

    >>> on_edges(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.9, 0.3]), [[0, 0], [1, 0], [1, 1], [0, 1]])
    array([ True, False,  True])
    """
    is_on_edge = np.zeros(x.shape, dtype=np.bool_)
    for start, end in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        (ax, ay), (bx, by) = start, end
        within = (x >= min(ax, bx)) & (x <= max(ax, bx)) & (y >= min(ay, by)) & (y <= max(ay, by))
        places = np.flatnonzero(within & ~is_on_edge)
        rise, run = (bx - ax) * (y[places] - ay), (by - ay) * (x[places] - ax)
        for index in places[np.abs(rise - run) <= _NEAR * (np.abs(rise) + np.abs(run))]:
            is_on_edge[index] = _on_line(float(x[index]), float(y[index]), start, end)
    return is_on_edge


def _on_line(x: float, y: float, start: Sequence[float], end: Sequence[float]) -> bool:
    (ax, ay), (bx, by) = (tuple(Fraction(value) for value in corner) for corner in (start, end))
    return (bx - ax) * (Fraction(y) - ay) == (by - ay) * (Fraction(x) - ax)
