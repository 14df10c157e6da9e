"""Kaluza's axes: which channel a measurement is, and its linear, logarithmic or logicle display.

A display runs from 0 to 1,024; events beyond it sit on its end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.placed import UNCOMPENSATED, GateAxis
from immunomon.cytometry.model.scales import Linear, Log, Logicle

__all__ = ["MATRIX", "STEPS", "KaluzaAxes", "text_of"]

MATRIX = "Kaluza"
STEPS = 1024.0
_MOST_DECADES = 20.0
_SCALES = {"I": "LinearScale", "O": "LogScale", "C": "LogicleScale"}
_LETTERS = {"INT": "A", "AREA": "A", "PEAK": "H", "HEIGHT": "H", "TOF": "W", "WIDTH": "W"}


@dataclass
class KaluzaAxes:
    """The axes of one data set, made as its gates ask for them.

    measurements: ``Measurement`` elements by name; channels: the file's; detectors: those that the matrix compensates;
    in_steps: whether points are steps of 1,024 rather than intensities.
    """

    source: WorkspaceSource
    measurements: Mapping[str, XmlElement]
    channels: Sequence[str]
    detectors: frozenset[str] = frozenset()
    in_steps: bool = True
    made: dict[str, GateAxis] = field(default_factory=dict)

    def axis(self, measurement: str, kind: str) -> tuple[str, GateAxis]:
        """Return the name and the axis of a measurement on a scale (``I``, ``O``, ``C``); raises ValueError."""
        element = self.measurements.get(measurement)
        if element is None:
            raise ValueError(f"its measurement '{measurement}' is not among those of the analysis")
        scale = self._scale(element, kind)
        channel = self.channel_of(measurement)
        compensation = MATRIX if channel in self.detectors else UNCOMPENSATED
        axis = GateAxis(channel, compensation, scale, (0.0, 1.0), scale.t)
        name, number = measurement, 2
        while self.made.setdefault(name, axis) != axis:  # one measurement may be drawn on several scales
            name, number = f"{measurement} ({number})", number + 1
        return name, axis

    def channel_of(self, measurement: str, area: str = "") -> str:
        """Return the file's channel of a measurement, by its own name or its detector and kind; raises ValueError.

        area: the kind, where a detector is given instead of a measurement.
        """
        element = self.measurements.get(measurement)
        detector = text_of(element, "Detector") if element else measurement
        kind = area or (attribute(element, "T") if element else "") or measurement.rpartition(" ")[2]
        letter = _LETTERS.get(kind.upper(), kind.upper())
        spelled = [measurement, f"{measurement} LIN", f"{measurement} LOG"]
        spelled += [f"{detector}{join}{word}" for word in (kind, letter) for join in (" ", "-")] + [detector]
        folded = {name.casefold(): name for name in reversed(self.channels)}
        channel = next((folded[name.casefold()] for name in spelled if name.casefold() in folded), None)
        if channel is None:
            raise ValueError(f"the file has no channel of the measurement '{measurement}'")
        return channel

    def coordinates(self, axis: GateAxis, points: Sequence[float]) -> list[float]:
        """Return stored points as display coordinates, 0 to 1 from end to end."""
        stored = np.asarray(points, dtype=np.float64)
        if self.in_steps:
            return [float(value) for value in stored / STEPS]
        return [max(float(value), -1.0) for value in axis.scale.apply(stored)]  # a logarithm may have no place below

    def _scale(self, element: XmlElement, kind: str) -> Linear | Log | Logicle:
        name = _SCALES.get(kind)
        holder = element.first(name) if name else None
        if holder is None:
            raise ValueError(f"the measurement '{attribute(element, 'N')}' has no scale '{kind}' that is read")
        low, high = self._range(element, holder)
        decades = self.source.number(holder, "D", 4.5 if kind == "C" else (math.log10(high / low) if low > 0 else 4.0))
        if kind != "I" and not 0 < decades <= _MOST_DECADES:
            raise ValueError(f"the measurement '{attribute(element, 'N')}' has a scale of {decades:g} decades")
        try:
            if kind == "I":
                return Linear(high, -low)
            if kind == "O":
                return Log(high, decades)
            return Logicle(high, self.source.number(holder, "W", 0.5), decades, 0.0)
        except (ValueError, ArithmeticError) as error:
            raise ValueError(f"the measurement '{attribute(element, 'N')}': {error}") from error

    def _range(self, element: XmlElement, holder: XmlElement) -> tuple[float, float]:
        text = attribute(holder, "DR") or attribute(element, "Range") or text_of(element, "Range")
        ends = [self.source.parsed(holder, part, "DR") for part in re.split(r"[,;\s]+", text.strip()) if part]
        low, high = (ends[0], ends[-1]) if len(ends) == 2 else (0.0, ends[0] if len(ends) == 1 else 0.0)
        if not high > max(low, 0.0):
            raise ValueError(f"the measurement '{attribute(element, 'N')}' has the display range '{text[:40]}'")
        return low, high


def text_of(element: XmlElement, name: str) -> str:
    """Return the text of a child, or nothing."""
    child = element.first(name)
    return child.text if child else ""
