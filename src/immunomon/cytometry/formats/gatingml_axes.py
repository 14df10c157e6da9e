"""Gating-ML 2.0's axes: transformations, ratios and spectrum matrices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, OURS, TRANSFORMS, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis, Ratio
from immunomon.cytometry.model.scales import AnyScale, Asinh, Hyperlog, Identity, Linear, Log, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover

__all__ = ["SCALE_ELEMENTS", "GatingMlAxes", "Transformation", "read_matrices", "read_transformations"]

# Gating-ML's transformations and spectrum matrices.

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


_Key = tuple[str, bool, str, str | None]  # name, whether it is a ratio's, compensation, transformation


class GatingMlAxes:
    """Gives each dimension of the document's gates an axis; the same combination has the same axis.

    An axis is named by its channel alone where the document looks at the channel in one way only. ``declared`` are the
    names that immunomon wrote itself, with the range of each axis.
    """

    def __init__(
        self, source: GatingMlSource, transformations: Mapping[str, Transformation], matrices: Mapping[str, object]
    ) -> None:
        self._source = source
        self._transformations = transformations
        self._matrices = matrices
        self._found: dict[_Key, GateAxis] = {}
        self._names: dict[_Key, str] = {}

    def declare(self, elements: list[XmlElement]) -> None:
        """Take names and ranges of axes from what immunomon wrote into the document."""
        for element in elements:
            with self._source.noting():
                name = self._source.text(element, "name", OURS)
                key, axis = self._read(element)
                if key in self._names:
                    continue  # two names for one axis: the first is as good as the second
                if name in self._names.values():
                    self._source.refuse(element, f"the axis '{name}' is declared twice")
                limit = self._source.optional_number(element, "range", OURS)
                self._names[key] = name
                self._found[key] = axis if limit is None else replace(axis, range=limit)

    def name_all(self, elements: list[XmlElement]) -> None:
        """Name the axes of all dimension and divider elements, all at once: names depend on the others."""
        keys: list[_Key] = []
        for element in elements:
            with self._source.noting():
                key, axis = self._read(element)
                keys += [] if key in self._found else [key]
                self._found.setdefault(key, axis)
        taken = {name.casefold() for name in self._names.values()}
        ways = Counter(key[0] for key in self._found)
        for key in keys:
            channel = key[0]
            words = channel if ways[channel] == 1 else ", ".join(part for part in (channel, key[2], key[3]) if part)
            name, number = words, 1
            while name.casefold() in taken:
                number += 1
                name = f"{words} ({number})"
            taken.add(name.casefold())
            self._names[key] = name

    def name_of(self, element: XmlElement) -> str:
        """Return the name of the axis that a dimension or divider element is on."""
        return self._names[self._read(element)[0]]

    @property
    def axes(self) -> dict[str, GateAxis]:
        """All axes by name."""
        return {self._names[key]: axis for key, axis in self._found.items() if key in self._names}

    def _read(self, element: XmlElement) -> tuple[_Key, GateAxis]:
        source = self._source
        compensation = source.text(element, "compensation-ref", GATING)
        known = (UNCOMPENSATED, OWN_MATRIX, *self._matrices)
        if compensation not in known:
            source.refuse_unknown(element, "spectrumMatrix", compensation, known=known)
        reference = element.get("transformation-ref", GATING)
        transformation = None if reference is None else self._transformation(element, reference)
        if transformation is not None and isinstance(transformation.does, Ratio):
            source.refuse(element, f"the ratio '{reference}' is no scale", "name it in a new-dimension element")
        scale = Identity() if transformation is None else transformation.does
        assert not isinstance(scale, Ratio)
        bounds = (-math.inf, math.inf) if transformation is None else transformation.bounds
        name, channel = self._channel(element)
        key = (name, isinstance(channel, Ratio), compensation, reference)
        return key, GateAxis(channel, compensation, scale, bounds)

    def _channel(self, element: XmlElement) -> tuple[str, str | Ratio]:
        plain = element.first("fcs-dimension", DATATYPES)
        if plain is not None:
            name = self._source.text(plain, "name", DATATYPES)
            return name, name
        new = element.first("new-dimension", DATATYPES)
        if new is None:
            self._source.refuse(element, "it has neither an fcs-dimension nor a new-dimension")
        reference = self._source.text(new, "transformation-ref", DATATYPES)
        ratio = self._transformation(new, reference).does
        if not isinstance(ratio, Ratio):
            self._source.refuse(new, f"'{reference}' makes no new dimension", "only fratio does")
        return reference, ratio

    def _transformation(self, element: XmlElement, reference: str) -> Transformation:
        if reference not in self._transformations:
            self._source.refuse_unknown(element, "transformation", reference, known=self._transformations)
        return self._transformations[reference]
