"""The axes of a Gating-ML document: each combination of channel, compensation and transformation, with a name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from immunomon.cytometry.formats.gatingml_scales import Transformation
from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, OURS, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis, Ratio
from immunomon.cytometry.model.scales import Identity

__all__ = ["GatingMlAxes"]

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
