"""Gates as the run keeps them, rebuilt as FlowKit's objects: for what Gating-ML 2.0 has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from flowkit import Dimension, gates, transforms
from numpy.typing import NDArray

from immunomon.assurance.verify.edges import on_edges
from immunomon.assurance.verify.scales import on_scale
from immunomon.errors import UnknownChannel, UnknownName, nearest

__all__ = ["masks_of_run"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Plain = Mapping[str, Any]
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
