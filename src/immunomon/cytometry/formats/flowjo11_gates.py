"""FlowJo 11's workbench: its JSON, and the gates in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from immunomon.cytometry.formats.flowjo_axes import AxisScale, SampleAxes
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.cytometry.model.geometry import BinnedPolygon, Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import GateAxis
from immunomon.cytometry.model.scales import Biex, Linear, Log
from immunomon.errors import BadSpec, Problem
from immunomon.jsonfile import parse_json
from immunomon.study.model.channels import ChannelKind, kind_of

__all__ = ["FlowJo11Gates", "JsonNode", "read_analyses"]

# The JSON in FlowJo 11's workbenches, read safely: sizes limited, nothing unpacked onto the disk, places kept.

_LARGEST = 64 * 1024 * 1024  # bytes of all analyses; one of a hundred files takes about 10 MB
_REMEDY = "save it as a workspace (.wsp) in FlowJo"


class JsonNode:
    """A value of a JSON document and where it stands; what is not there reads as nothing.

    >>> node = JsonNode({"a": [{"b": 1.5}]}, "x")
    >>> node.get("a").list()[0].get("b").number(), node.get("c").text("none")
    (1.5, 'none')
    >>> node.get("a").number()
    Traceback (most recent call last):
        ...
    ValueError: x.a is not a number
    """

    def __init__(self, value: object, location: str) -> None:
        self._value, self._place = value, location

    def _refuse(self, problem: str) -> NoReturn:
        raise ValueError(f"{self._place} is {problem}")

    def has(self, name: str) -> bool:
        """Say whether this is an object with such a member."""
        return isinstance(self._value, dict) and name in self._value

    def _object(self) -> dict[str, object]:
        if not isinstance(self._value, dict | None):
            self._refuse("not an object")
        return self._value or {}

    def get(self, name: str) -> JsonNode:
        """Return a member of an object."""
        return JsonNode(self._object().get(name), f"{self._place}.{name[:60]}")

    def items(self) -> Iterator[tuple[str, JsonNode]]:
        """Return an object's members by name."""
        return ((name, self.get(name)) for name in self._object())

    def list(self) -> list[JsonNode]:
        """Return an array's elements."""
        if not isinstance(self._value, list | None):
            self._refuse("not an array")
        return [JsonNode(item, f"{self._place}[{number}]") for number, item in enumerate(self._value or ())]

    def text(self, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        if self._value is None and default is not None:
            return default
        if not isinstance(self._value, str):
            self._refuse("missing" if self._value is None else "not a text")
        return self._value.encode("utf-8", "replace").decode("utf-8")

    def texts(self) -> tuple[str, ...]:
        """Return an array of texts."""
        return tuple(item.text() for item in self.list())

    def number(self, default: float | None = None) -> float:
        """Return a finite number; without a default it must be there."""
        if self._value is None and default is not None:
            return default
        if isinstance(self._value, bool) or not isinstance(self._value, int | float) or not abs(self._value) < 1e30:
            self._refuse("not a number")
        return float(self._value)

    def numbers(self) -> tuple[float, ...]:
        """Return an array of finite numbers."""
        return tuple(item.number() for item in self.list())

    def flag(self) -> bool:
        """Say whether it is true."""
        return self._value is True


def read_analyses(path: Path) -> list[JsonNode]:
    """Return the analyses in a workbench; raises BadSpec for what is no such file or larger than is read.

    >>> read_analyses(Path("none.flowjo"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.flowjo: no such file; check the path
    """
    try:
        with ZipSource(path) as archive:
            return list(_analyses(archive))
    except BadSpec as error:
        problems = [replace(item, remedy=_REMEDY) if path.is_file() else item for item in error.problems]
        raise BadSpec(problems) from error
    except (OSError, RecursionError, ValueError) as error:
        problem = f"not a readable FlowJo 11 workbench ({type(error).__name__}: {str(error)[:120]})"
        raise BadSpec([Problem(str(path), None, "", problem, _REMEDY)]) from error


def _analyses(archive: ZipSource) -> Iterator[JsonNode]:
    named = [(name.replace("\\", "/").rpartition("/")[2], name) for name in archive.names(".json")]
    entries = [name for own, name in named if own.startswith("analysis-")]
    if not entries:
        archive.refuse("", "it holds no analysis (analysis-*.json)")
    room = _LARGEST
    for name in entries:
        content = archive.read(name, room)
        room -= len(content)
        document = parse_json(content)
        if not isinstance(document, dict):
            archive.refuse(name, "its analysis is no object")
        yield JsonNode(document, "analysis")


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
