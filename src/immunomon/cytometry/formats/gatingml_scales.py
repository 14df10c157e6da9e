"""Gating-ML's transformations and spectrum matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from immunomon.cytometry.formats.gatingml_source import DATATYPES, TRANSFORMS, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, Ratio
from immunomon.cytometry.model.scales import AnyScale, Asinh, Hyperlog, Linear, Log, Logicle
from immunomon.cytometry.model.spectrum import SpectrumMatrix
from immunomon.errors import BadSpillover

__all__ = ["SCALE_ELEMENTS", "Transformation", "read_matrices", "read_transformations"]

# Gating-ML's element -> our scale; its parameters are the scale's fields in capitals.
SCALE_ELEMENTS: dict[str, type[Linear | Log | Asinh | Hyperlog | Logicle]] = {
    "flin": Linear,
    "flog": Log,
    "fasinh": Asinh,
    "hyperlog": Hyperlog,
    "logicle": Logicle,
}
_MOST_DECADES = 100.0


@dataclass(frozen=True)
class Transformation:
    """A transformation of the document: a scale or a ratio, and where its results are cut off."""

    does: AnyScale | Ratio
    bounds: tuple[float, float]


def read_transformations(source: GatingMlSource, elements: Iterable[XmlElement]) -> dict[str, Transformation]:
    """Return the transformations by id; what cannot be read is noted in the source."""
    transformations: dict[str, Transformation] = {}
    for element in elements:
        with source.noting():
            name = source.text(element, "id", TRANSFORMS)
            if name in transformations:
                source.refuse(element, "a transformation of this id is there already", "give each its own id")
            transformations[name] = _transformation(source, element)
    return transformations


def _transformation(source: GatingMlSource, element: XmlElement) -> Transformation:
    low = source.optional_number(element, "boundMin", TRANSFORMS)
    high = source.optional_number(element, "boundMax", TRANSFORMS)
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    if bounds[0] > bounds[1]:
        source.refuse(element, f"boundMin {low:g} is greater than boundMax {high:g}")
    kinds = [child for child in element.children if child.namespace == TRANSFORMS]
    if len(kinds) != 1:
        source.refuse(element, f"it has {len(kinds)} functions", f"give one of {', '.join(SCALE_ELEMENTS)}, fratio")
    if kinds[0].name == "fratio":
        return Transformation(_ratio(source, kinds[0], bounds), bounds)
    return Transformation(_scale(source, kinds[0]), bounds)


def _ratio(source: GatingMlSource, element: XmlElement, bounds: tuple[float, float]) -> Ratio:
    names = _dimension_names(source, element)
    if len(names) != 2:
        source.refuse(element, f"a ratio has two dimensions, this one has {len(names)}")
    a, b, c = (source.number(element, name, TRANSFORMS) for name in "ABC")
    return Ratio(names[0], names[1], a, b, c, bounds)


def _scale(source: GatingMlSource, element: XmlElement) -> AnyScale:
    kind = SCALE_ELEMENTS.get(element.name)
    if kind is None:
        source.refuse(element, f"no transformation named '{element.name}'", f"known are: {', '.join(SCALE_ELEMENTS)}")
    parameters = [name for name in "TWMA" if name.lower() in kind.__dataclass_fields__]
    values = {name.lower(): source.number(element, name, TRANSFORMS) for name in parameters}
    t, m, a = values["t"], values.get("m", 1.0), values.get("a", 0.0)
    decades = kind is not Linear
    if not (t > 0 and 0 < m <= _MOST_DECADES and (t + a > 0 if not decades else 0 < m + a <= _MOST_DECADES)):
        source.refuse(element, "its parameters describe no scale: T, M and their sums with A must be positive")
    try:
        return kind(**values)
    except (ValueError, ArithmeticError) as error:
        source.refuse(element, str(error))


def _dimension_names(source: GatingMlSource, element: XmlElement) -> tuple[str, ...]:
    dimensions = source.children(element, "fcs-dimension", DATATYPES)
    return tuple(source.text(item, "name", DATATYPES) for item in dimensions)


def read_matrices(source: GatingMlSource, elements: Iterable[XmlElement]) -> dict[str, SpectrumMatrix]:
    """Return the spectrum matrices by id; what cannot be read is noted in the source."""
    matrices: dict[str, SpectrumMatrix] = {}
    for element in elements:
        with source.noting():
            name = source.text(element, "id", TRANSFORMS)
            if name in matrices or name in (OWN_MATRIX, UNCOMPENSATED):
                source.refuse(element, "its id is taken already", f"{OWN_MATRIX} and {UNCOMPENSATED} are reserved")
            matrices[name] = _matrix(source, element)
    return matrices


def _matrix(source: GatingMlSource, element: XmlElement) -> SpectrumMatrix:
    fluorochromes = _dimension_names(source, source.children(element, "fluorochromes", TRANSFORMS)[0])
    detectors = _dimension_names(source, source.children(element, "detectors", TRANSFORMS)[0])
    rows = tuple(
        tuple(source.number(item, "value", TRANSFORMS) for item in source.children(row, "coefficient", TRANSFORMS))
        for row in source.children(element, "spectrum", TRANSFORMS)
    )
    try:
        inverted = source.flag(element, "matrix-inverted-already", TRANSFORMS)
        matrix = (
            SpectrumMatrix(fluorochromes, detectors, rows, inverted)
            if inverted
            else MatrixTable(fluorochromes, detectors, rows).spectrum()
        )
        _ = matrix.weights
    except BadSpillover as error:
        source.refuse(element, str(error))
    return matrix
