"""The gates of a FACSDiva tube or worksheet.

Diva stores a gate in the units of the plot it was drawn on: data values on a linear axis, decades on a log axis, and
0 to 4,096 on a biexponential one, which is the logicle of Parks, Roederer & Moore (2006) with T = 262,144, M = 4.5 and
``W = (M - log10(T / r)) / 2`` for the axis' scale value r. Events beyond an axis sit on its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.workspace_tree import Branch, Tree, grow
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.geometry import Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import UNCOMPENSATED, GateAxis
from immunomon.cytometry.model.scales import AnyScale, Linear, Log, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix

__all__ = ["MATRIX", "DivaGates", "count_of", "is_true", "scale_of_diva", "text_of"]

MATRIX = "Diva"
_TOP, _DECADES, _BINS = 262144.0, 4.5, 4096.0
_EVERYTHING = "all events"
_BOOLEANS = {"AND": "and", "OR": "or", "NOT": "not", "RESTOF": "not"}
_SNAPPED = "FACSDiva fits this gate anew to each tube: the outline that it stored is used"


def scale_of_diva(value: float) -> Logicle:
    """Return the logicle of a biexponential axis with Diva's scale value.

    >>> scale_of_diva(262.144)
    Logicle(t=262144.0, w=0.75, m=4.5, a=0.0)
    """
    width = (_DECADES - math.log10(_TOP / abs(value))) / 2 if value else 0.0
    return Logicle(_TOP, min(max(width, 0.0), _DECADES / 2), _DECADES, 0.0)


def text_of(element: XmlElement, name: str) -> str:
    """Return the text of a child, or nothing."""
    child = element.first(name)
    return child.text if child else ""


def is_true(element: XmlElement, name: str) -> bool:
    """Say whether a child says true."""
    return text_of(element, name).strip().lower() == "true"


def _path(fullname: str) -> str:
    steps = fullname.replace("/", "_").split("\\")
    return "/".join(steps[1:] if steps and steps[0].strip().casefold() == _EVERYTHING else steps)


def count_of(source: WorkspaceSource, element: XmlElement) -> int | None:
    """Return the events that a gate held when the experiment was exported, if it says so."""
    text = text_of(element, "num_events")
    return int(source.parsed(element, text, "num_events")) if text else None


@dataclass
class DivaGates:
    """Reads gates onto the axes of one tube.

    settings: the tube's instrument settings, matrix: its compensation, if it has any; axes: made as gates ask for them.
    """

    source: WorkspaceSource
    settings: XmlElement | None
    matrix: SpectrumMatrix | None
    axes: dict[str, GateAxis] = field(default_factory=dict)

    def tree(self, elements: Sequence[XmlElement]) -> Tree:
        """Return the populations of ``gate`` elements; what is not read says so."""
        children: dict[str, list[tuple[str, Branch]]] = {}
        hidden: dict[str, str] = {}
        for element in elements:
            region = element.first("region")
            path, parent = _path(attribute(element, "fullname") or ""), _path(text_of(element, "parent"))
            if region is not None and "BINNER" in (attribute(region, "type") or ""):
                hidden[path] = parent  # the middle of a quadrant gate; its four parts are gates of their own
            elif attribute(element, "type") != "EventSource_Classifier" and path:
                with self.source.noting():
                    branch = self._branch(element, region, path)
                    children.setdefault(parent, []).append((path, branch))
        for parent, siblings in children.items():
            children[parent] = [(path, _with_siblings(branch, siblings)) for path, branch in siblings]
        for middle, parent in hidden.items():
            children.setdefault(parent, []).extend(children.pop(middle, []))

        def nested(parent: str) -> tuple[Branch, ...]:
            return tuple(replace(branch, children=nested(path)) for path, branch in children.pop(parent, []))

        return grow(nested(""))

    def _branch(self, element: XmlElement, region: XmlElement | None, path: str) -> Branch:
        name = text_of(element, "name").replace("/", "_") or path.rpartition("/")[2]
        branch = Branch(name, count=count_of(self.source, element))
        kind = (attribute(element, "type") or "").partition("_")[0].upper()
        operator = _BOOLEANS.get(kind)
        if operator:
            operands = tuple(_path(item.text) for item in element.all("input"))
            if kind == "RESTOF":  # what it is the rest of may stand among its inputs
                operands = tuple(name for name in operands if name != _path(text_of(element, "parent")))
                return replace(branch, formula=(operator, operands))
            return replace(branch, formula=(operator, operands)) if operands else replace(branch, failure="no inputs")
        if region is None:
            return replace(branch, failure=f"gates of the kind '{attribute(element, 'type')}' are not read")
        try:
            return replace(branch, gate=self._gate(element, region), note=_SNAPPED if kind == "SNAPTO" else "")
        except ValueError as error:
            return replace(branch, failure=str(error))

    def _gate(self, element: XmlElement, region: XmlElement) -> Gate:
        holder = region.first("points")
        points = tuple(holder.all("point")) if holder else ()
        self.source.limit_corners(region, len(points))
        kind = attribute(region, "type") or ""
        sides = [side for side in ("x", "y") if attribute(region, f"{side}parm")]
        if not sides or not points:
            self.source.refuse(region, "it has no parameter or no points", "export the experiment again")
        first, *more = sides
        x, to_x = self._axis(element, region, first)
        xs = [to_x(self.source.number(point, "x")) for point in points]
        if kind == "INTERVAL_REGION" or not more:
            return Interval(x, min(xs), math.nextafter(max(xs), math.inf))
        y, to_y = self._axis(element, region, more[0])
        ys = [to_y(self.source.number(point, "y")) for point in points]
        if kind == "RECTANGLE_REGION":
            return Rectangle(
                (
                    Interval(x, min(xs), math.nextafter(max(xs), math.inf)),
                    Interval(y, min(ys), math.nextafter(max(ys), math.inf)),
                )
            )
        if kind == "POLYGON_REGION":
            return Polygon(x, y, tuple(zip(xs, ys, strict=True)))
        raise ValueError(f"regions of the kind '{kind}' are not read")

    def _axis(self, element: XmlElement, region: XmlElement, side: str) -> tuple[str, Callable[[float], float]]:
        """Return an axis' name, and the function from a stored coordinate to a display coordinate."""
        channel = self.source.text(region, f"{side}parm")
        scale, to_display = self._scale(element, side, channel)
        matrix = self.matrix
        compensated = matrix is not None and channel in matrix.fluorochromes
        axis = GateAxis(channel, MATRIX if compensated else UNCOMPENSATED, scale, (0.0, 1.0))
        name, number = channel, 2
        while self.axes.setdefault(name, axis) != axis:  # one channel may be drawn on several scales
            name, number = f"{channel} ({number})", number + 1
        return name, to_display

    def _scale(self, element: XmlElement, side: str, channel: str) -> tuple[AnyScale, Callable[[float], float]]:
        if is_true(element, f"is_{side}_parameter_scaled"):
            text = text_of(element, f"{side}_parameter_scale_value")
            value = self.source.parsed(element, text or "0", f"{side}_parameter_scale_value")
            value = value if value > 0 else self._set_scale(channel)
            return scale_of_diva(max(value, 0.0)), lambda stored: stored / _BINS
        if is_true(element, f"is_{side}_parameter_log"):
            top = math.log10(_TOP)
            return Log(_TOP, top), lambda stored: stored / top
        return Linear(_TOP), lambda stored: stored / _TOP

    def _set_scale(self, channel: str) -> float:
        """Return the biexponential scale value that the tube's settings have for a channel; 0 for none."""
        for parameter in self.settings.all("parameter") if self.settings is not None else ():
            if attribute(parameter, "name") == channel:
                return self.source.parsed(parameter, text_of(parameter, "comp_biexp_scale") or "0", "comp_biexp_scale")
        return 0.0


def _with_siblings(branch: Branch, beside: Sequence[tuple[str, Branch]]) -> Branch:
    """Return a rest that names no inputs as what lies in none of the gates beside it."""
    if branch.formula != ("not", ()):
        return branch
    named_paths = tuple(path for path, sibling in beside if sibling.formula is None)
    if not named_paths:
        return replace(branch, formula=None, failure="it is the rest of a population without other gates")
    names = ", ".join(f"'{path.rpartition('/')[2]}'" for path in named_paths)
    return replace(branch, formula=("not", named_paths), note=f"it names no gates: the rest beside {names} is taken")
