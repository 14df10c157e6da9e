"""Gates of FlowJo 11 workbenches: display coordinates on the axes that each gate carries itself."""

from __future__ import annotations

import math

import numpy as np

from immunomon.cytometry.formats.flowjo11_json import JsonNode
from immunomon.cytometry.formats.flowjo_axes import AxisScale, SampleAxes
from immunomon.cytometry.model.geometry import BinnedPolygon, Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import GateAxis
from immunomon.cytometry.model.scales import Biex, Linear, Log
from immunomon.study.model.channels import ChannelKind, kind_of

__all__ = ["FlowJo11Gates"]

INF = float("inf")
_OPEN = 1e5  # an open side is written as a coordinate far outside the axis
_LENGTH, _BINS = 256.0, 256
_APART = 1e-3  # FlowJo keeps a crossing's centre and its arms in different precision


class FlowJo11Gates:
    """Reads the gates of one file onto its axes; a channel drawn on two scales gets an axis for each."""

    def __init__(self, sample: str, axes: SampleAxes, *, bins: bool) -> None:
        self._sample, self._axes, self._bins = sample, axes, bins
        self._keys: dict[tuple[str, AxisScale], str] = {}

    def read(self, definition: JsonNode, number: int) -> Gate:
        """Return a gate, as it was changed for the file if it was; number: which quadrant.

        Raises ValueError, with the reason, for a gate that is not read.
        """
        changed = definition.get("desyncTable")
        gate = changed.get(self._sample) if changed.has(self._sample) else definition.get("gateDefinition")
        kind = gate.get("type").text(definition.get("type").text(""))
        match kind:
            case "range":
                return self._sides(gate, ("x",))[0]
            case "rectangle":
                return Rectangle(tuple(self._sides(gate, ("x", "y"))))
            case "polygon":
                return self._polygon(gate)
            case "ellipse":
                return self._ellipse(gate)
            case "quad":
                return self._quadrant(gate, number)
        raise ValueError(f"gates of the kind '{kind[:40]}' are not read")

    def _axis(self, gate: JsonNode, which: str) -> tuple[str, AxisScale, float]:
        """Return an axis' key, its scale, and the length that coordinates on it run to."""
        axis = gate.get(f"{which}Axis")
        name, transform = axis.get("parameterSpec").get("name").text(), axis.get("transform")
        scale = _scale(transform, name)
        length = gate.get("gateResolution").number(transform.get("vectorLength").number(_LENGTH))
        if not length > 0:
            raise ValueError("its axis has no length")
        key = self._keys.get((name, scale))
        if key is None:
            number = sum(1 for known, _ in self._keys if known == name) + 1
            key = self._keys[name, scale] = name if number == 1 else f"{name} ({number})"
            channel, compensation = self._axes.channel_of(name)
            self._axes.made[key] = GateAxis(
                channel, compensation, scale.scale, scale.bounds, scale.range, scale.gain, named=name
            )
        return key, scale, length

    def _corners(self, gate: JsonNode, which: str, fewest: int) -> list[float]:
        values = list(gate.get(f"{which}Vertices").numbers())
        if len(values) < fewest:
            raise ValueError(f"it has {len(values)} {which} coordinates, and needs {fewest}")
        return values

    def _sides(self, gate: JsonNode, axes: tuple[str, ...]) -> list[Interval]:
        sides = []
        for which in axes:
            key, _, length = self._axis(gate, which)
            low, high = sorted(self._corners(gate, which, 2)[:2])
            bottom = -INF if low <= -_OPEN else low / length
            top = INF if high >= _OPEN else math.nextafter(high / length, INF)  # both bounds belong to it
            sides.append(Interval(key, bottom, top))
        return sides

    def _polygon(self, gate: JsonNode) -> Gate:
        (x, x_scale, width), (y, y_scale, height) = self._axis(gate, "x"), self._axis(gate, "y")
        xs, ys = self._corners(gate, "x", 3), self._corners(gate, "y", 3)
        if len(xs) != len(ys):
            raise ValueError(f"it has {len(xs)} x coordinates and {len(ys)} y coordinates")
        corners = tuple((a / width, b / height) for a, b in zip(xs, ys, strict=True))
        first, second = x_scale.shift, y_scale.shift
        if self._bins and first is not None and second is not None:
            return BinnedPolygon(x, y, corners, _BINS, (first, second))
        return Polygon(x, y, corners)

    def _ellipse(self, gate: JsonNode) -> Gate:
        """Return the ellipse in a box along the axes, turned about its middle, counterclockwise."""
        (x, _, width), (y, _, height) = self._axis(gate, "x"), self._axis(gate, "y")
        xs, ys = self._corners(gate, "x", 2), self._corners(gate, "y", 2)
        angle = math.radians(gate.get("rotationAngle").number(0.0))
        if width != height:
            raise ValueError("its ellipse lies on axes of different length")
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        half = np.array([abs(xs[1] - xs[0]), abs(ys[1] - ys[0])]) / 2 / width
        if not half.all():
            raise ValueError("its ellipse has no area")
        (a, b), (_, d) = (turn @ np.diag(half**2) @ turn.T).tolist()
        return Ellipse(x, y, ((xs[0] + xs[1]) / 2 / width, (ys[0] + ys[1]) / 2 / height), ((a, b), (b, d)))

    def _quadrant(self, gate: JsonNode, number: int) -> Gate:
        """Return a part of a crossing, 0 to 3: lower left, lower right, upper left, upper right."""
        (x, _, width), (y, _, height) = self._axis(gate, "x"), self._axis(gate, "y")
        xs, ys = self._corners(gate, "x", 5), self._corners(gate, "y", 5)
        # The centre, then the ends of the lower, right, upper and left arm.
        if any(abs(arm - centre) > _APART for arm, centre in ((xs[1], xs[0]), (xs[3], xs[0]), (ys[2], ys[0]))) or (
            abs(ys[4] - ys[0]) > _APART
        ):
            raise ValueError("its crossing has arms that were moved apart, which are not read")
        if number not in range(4):
            raise ValueError(f"it is part {number} of a crossing of four")
        sides = []
        for key, centre, upper in ((x, xs[0] / width, number % 2 == 1), (y, ys[0] / height, number >= 2)):
            sides.append(Interval(key, low=centre) if upper else Interval(key, high=centre))
        return Rectangle(tuple(sides))


def _scale(transform: JsonNode, name: str) -> AxisScale:
    kind = transform.get("transformType").text("")
    if kind_of(name) is ChannelKind.TIME and kind != "Linear":
        raise ValueError(f"a time axis on the scale '{kind[:40]}' has no unit")
    match kind:
        case "Linear":
            low, high = transform.get("minRange").number(0.0), transform.get("maxRange").number()
            if high <= low:
                raise ValueError(f"its axis '{name}' has no range")
            shift = None if kind_of(name) is ChannelKind.TIME else 0.5
            return AxisScale(Linear(high, -low), shift=shift, range=high, gain=1.0)
        case "Biex":
            wide, positive, negative, width = (transform.get(letter).number() for letter in "TMAW")
            try:
                biex = Biex(wide, positive, negative, width)
            except (ValueError, ArithmeticError) as error:
                raise ValueError(f"its axis '{name}': {error}") from error
            return AxisScale(biex, shift=0.0, range=wide, gain=1.0)
        case "Log":
            usual = transform.get("decadesOffset").number(1.0), transform.get("shift").number(0.0)
            if usual != (1.0, 0.0) or transform.get("negate").flag():
                raise ValueError(f"its axis '{name}' is a shifted logarithm, which is not read")
            decades = transform.get("numberDecades").number()
            if not 0 < decades <= 20:
                raise ValueError(f"its axis '{name}' has {decades:g} decades")
            return AxisScale(Log(10.0**decades, decades), (0.0, INF), 0.5, 10.0**decades, gain=1.0)
    raise ValueError(f"its axis '{name}' is on the scale '{kind[:40]}', which is not read")
