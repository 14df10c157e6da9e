"""Gates of FlowJo 10 and 11 workspaces: rectangles, polygons, quadrants, curly quadrants, ellipses.

FlowJo stores borders as intensities; edges are straight on the display scale. Ellipses alone are stored on the display,
in 256 bins an axis. Both bounds of a rectangle belong to it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from immunomon.cytometry.formats.flowjo_axes import AxisScale, SampleAxes
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.geometry import BinnedPolygon, Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.scales import Biex

__all__ = ["GateReader", "curly_quadrant", "ellipse", "interval", "polygon"]

INF = float("inf")
_BINS = 256.0
# FlowJo stores where a curly quadrant's arms cross, and not how they bend. In its 256 bins an arm leaves its line by
# 0.012 d^1.5 at a distance d: a fit to 44 counts of FlowJo's in public workspaces, within 0.6 % of the parent.
_CURL, _POWER = 0.012 * math.sqrt(_BINS), 1.5
_FAR, _STEPS = 8.0, 2048


def interval(name: str, axis: AxisScale, *, low: float | None, high: float | None) -> Interval:
    """Return the events with ``low <= intensity <= high`` on the display scale; both bounds belong to it.

    A bound beyond the end of a table is no bound: the events there all sit on the end. Raises ValueError for a lower
    bound above the upper one, between which no event lies.

    >>> interval("A", AxisScale(), low=1.0, high=None)
    Interval(axis='A', low=1.0, high=inf)
    """
    if low is not None and high is not None and low > high:
        raise ValueError(f"on '{name}' its lower border, {low:g}, lies above its upper one, {high:g}; draw it again")
    scale = axis.scale
    bottom, top = (scale.inverse(np.array([0.0, 1.0])).tolist()) if isinstance(scale, Biex) else (-INF, INF)
    left = -INF if low is None or low <= bottom else _shown(axis, low)
    right = INF if high is None or high >= top else float(np.nextafter(_shown(axis, high), INF))
    return Interval(name, left, right)


def _shown(axis: AxisScale, value: float) -> float:
    shown = float(axis.scale.apply(np.array([value]))[0])
    return min(max(shown, axis.bounds[0]), axis.bounds[1])


def polygon(
    names: tuple[str, str], axes: tuple[AxisScale, AxisScale], *, corners: list[tuple[float, float]], bins: int | None
) -> Polygon:
    """Return a polygon whose corners are intensities; ``bins``: how many FlowJo uses, None to decide it exactly."""
    shown = tuple((_shown(axes[0], x), _shown(axes[1], y)) for x, y in corners)
    first, second = axes[0].shift, axes[1].shift
    if bins and first is not None and second is not None:
        return BinnedPolygon(*names, shown, bins, (first, second))
    return Polygon(*names, shown)


def curly_quadrant(names: tuple[str, str], center: tuple[float, float], *, right: bool, upper: bool) -> Polygon:
    """Return one of the four parts of a crossing whose right arm bends up and whose upper arm bends right.

    center: on display scales that run from 0 to 1.

    >>> len(curly_quadrant(("A", "B"), (0.5, 0.5), right=False, upper=False).vertices)
    4
    """
    x, y = center
    away = np.linspace(0.0, math.sqrt(_FAR), _STEPS) ** 2  # denser where the bend begins
    right_arm = [(x + d, y + _CURL * d**_POWER) for d in away.tolist()]
    upper_arm = [(x + _CURL * d**_POWER, y + d) for d in away.tolist()]
    left_end, lower_end = (x - _FAR, y), (x, y - _FAR)
    match right, upper:
        case True, True:
            outline = [*right_arm, (x + _FAR, y + _FAR), *upper_arm[:0:-1]]
        case False, True:
            outline = [left_end, *upper_arm, (x - _FAR, upper_arm[-1][1])]
        case True, False:
            outline = [lower_end, *right_arm, (right_arm[-1][0], y - _FAR)]
        case _:
            outline = [(x, y), lower_end, (x - _FAR, y - _FAR), left_end]
    return Polygon(*names, tuple(point for point, after in pairwise([*outline, outline[0]]) if point != after))


class GateReader:
    """Reads the gates of one sample onto its axes."""

    def __init__(self, source: WorkspaceSource, axes: SampleAxes, *, bins: bool) -> None:
        self._source, self._axes, self._bins = source, axes, bins

    def read(self, holder: XmlElement) -> tuple[Gate, bool]:
        """Return the gate in a ``Gate`` element, and whether its inside is meant (else its outside).

        Raises ValueError for a gate that is not read, with the reason.
        """
        if len(holder.children) != 1:
            self._source.refuse(holder, f"it holds {len(holder.children)} gates instead of one")
        element = holder.children[0]
        kinds = {
            "RectangleGate": self._rectangle,
            "PolygonGate": self._polygon,
            "EllipsoidGate": self._ellipse,
            "CurlyQuad": self._curly,
        }
        if element.name not in kinds:
            raise ValueError(f"gates of the kind '{element.name}' are not read")
        return kinds[element.name](element), attribute(element, "eventsInside") != "0"

    def _names(self, element: XmlElement) -> tuple[str, ...]:
        names = []
        for dimension in element.all("dimension"):
            channel = dimension.first("fcs-dimension")
            if channel is None:
                raise ValueError("it lies on a dimension that is no channel of the file")
            if reference := attribute(dimension, "transformation-ref"):
                raise ValueError(
                    f"its axis has a scale of its own ('{reference[:40]}'), where FlowJo has one a channel"
                )
            names.append(self._source.text(channel, "name"))
        return tuple(names)

    def _pair(self, element: XmlElement) -> tuple[str, str]:
        names = self._names(element)
        if len(names) != 2:
            self._source.refuse(element, f"it has {len(names)} dimensions instead of two")
        return names[0], names[1]

    def _sides(self, element: XmlElement) -> list[tuple[float | None, float | None]]:
        bound = self._source.bound
        return [(bound(side, "min"), bound(side, "max")) for side in element.all("dimension")]

    def _rectangle(self, element: XmlElement) -> Gate:
        sides = tuple(
            interval(name, self._axes.axis(name), low=low, high=high)
            for name, (low, high) in zip(self._names(element), self._sides(element), strict=True)
        )
        if not sides:
            self._source.refuse(element, "it has no dimensions")
        return sides[0] if len(sides) == 1 else Rectangle(sides)

    def _points(self, element: XmlElement) -> list[tuple[float, float]]:
        points = []
        for vertex in element.all("vertex"):
            coordinates = [self._source.number(item, "value") for item in vertex.all("coordinate")]
            if len(coordinates) != 2:
                self._source.refuse(vertex, f"it has {len(coordinates)} coordinates instead of two")
            points.append((coordinates[0], coordinates[1]))
        return points

    def _polygon(self, element: XmlElement) -> Gate:
        names = self._pair(element)
        corners = self._points(element)
        if len(corners) < 3:
            self._source.refuse(element, f"it has {len(corners)} corners; a polygon needs three")
        resolution = self._source.optional_number(element, "gateResolution")
        # Parts of a quadrant are not binned: FlowJo lets no event fall between them.
        quadrant = attribute(element, "quadId") not in (None, "", "-1")
        bins = int(resolution) if self._bins and resolution and not quadrant else None
        axes = self._axes.axis(names[0]), self._axes.axis(names[1])
        return polygon(names, axes, corners=corners, bins=bins)

    def _ellipse(self, element: XmlElement) -> Gate:
        names = self._pair(element)
        focus = element.first("foci")
        edge = element.first("edge")
        foci = self._points(focus) if focus else []
        edges = self._points(edge) if edge else []
        if len(foci) != 2 or len(edges) != 4:
            self._source.refuse(element, "an ellipse needs two foci and four points on its edge")
        for name in names:
            self._axes.axis(name)
        return ellipse(names, np.array(foci) / _BINS, np.array(edges) / _BINS)

    def _curly(self, element: XmlElement) -> Gate:
        names, sides = self._pair(element), self._sides(element)
        center, upward = [], []
        for name, (low, high) in zip(names, sides, strict=True):
            if (low is None) == (high is None):
                self._source.refuse(element, "each side of a curly quadrant needs either a min or a max")
            center.append(_shown(self._axes.axis(name), low if low is not None else high or 0.0))
            upward.append(low is not None)
        return curly_quadrant(names, (center[0], center[1]), right=upward[0], upper=upward[1])


def ellipse(names: tuple[str, str], foci: np.ndarray, edges: np.ndarray) -> Ellipse:
    """Return the ellipse of two foci and the four ends of its axes, all (points, 2) on the display scale."""
    offset = foci[1] - foci[0]
    focal = float(np.hypot(*offset)) / 2
    lengths = [float(np.hypot(*(edges[i] - edges[i + 1]))) / 2 for i in (0, 2)]
    major = max(*lengths, focal * (1 + 1e-9))
    # The ends are stored in whole bins, the foci exactly: the minor axis follows from the foci, if they differ.
    minor = math.sqrt(major**2 - focal**2) if focal > 0 else major
    angle = math.atan2(offset[1], offset[0])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    (a, b), (_, d) = (turn @ np.diag([major**2, minor**2]) @ turn.T).tolist()
    center = foci.mean(axis=0).tolist()
    return Ellipse(*names, (center[0], center[1]), ((a, b), (b, d)))
