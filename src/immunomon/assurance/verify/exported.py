"""Gates as FlowKit reads them from the exported Gating-ML: which events lie in each population."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
from flowkit import GatingStrategy, gates, parse_gating_xml
from numpy.typing import NDArray

from immunomon.assurance.verify.edges import on_edges
from immunomon.assurance.verify.scales import on_scale
from immunomon.cytometry.formats.gatingml_source import GATING, OURS
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.model.placed import UNCOMPENSATED, placed_from_run
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover, ExportFailed, ImmunomonError, UnknownChannel, nearest

__all__ = ["ExportedGates"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
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
        matrix = spillover and SpilloverMatrix(tuple(spillover["detectors"]), tuple(map(tuple, spillover["values"])))
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
