"""FACSDiva experiments, exported as XML: each tube's gates, compensation and counts.

Diva stores a gate in the units of the plot it was drawn on: data values on a linear axis, decades on a log axis, and
0 to 4,096 on a biexponential one, which is the logicle of Parks, Roederer & Moore (2006) with T = 262,144, M = 4.5 and
``W = (M - log10(T / r)) / 2`` for the axis' scale value r. Events beyond an axis sit on its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.errors import BadSpillover
from immunomon.io.flowjo import base_name
from immunomon.io.flowjo_source import WorkspaceSource, attribute
from immunomon.io.workspace_tree import Branch, Tree, grow
from immunomon.io.xmltree import XmlElement
from immunomon.model.geometry import Gate, Interval, Polygon, Rectangle
from immunomon.model.placed import UNCOMPENSATED, GateAxis, PlacedStrategy
from immunomon.model.scales import AnyScale, Linear, Log, Logicle
from immunomon.model.spectrum import SpectrumMatrix
from immunomon.model.workspace import Workspace, WorkspaceSample

__all__ = ["read_diva", "scale_of_diva"]

_TOP, _DECADES, _BINS = 262144.0, 4.5, 4096.0
_EVERYTHING = "all events"
_BOOLEANS = {"AND": "and", "OR": "or", "NOT": "not", "RESTOF": "not"}


def scale_of_diva(value: float) -> Logicle:
    """Return the logicle of a biexponential axis with Diva's scale value.

    >>> scale_of_diva(262.144)
    Logicle(t=262144.0, w=0.75, m=4.5, a=0.0)
    """
    width = (_DECADES - math.log10(_TOP / abs(value))) / 2 if value else 0.0
    return Logicle(_TOP, min(max(width, 0.0), _DECADES / 2), _DECADES, 0.0)


def read_diva(path: Path, root: XmlElement) -> Workspace:
    """Return a FACSDiva experiment, a sample a tube.

    root: its XML. A tube without gates of its own has those of the global worksheet that it names, or of the only one;
    where several are there and none is named, its failure lists them, and each can be asked for among ``groups``.
    Raises BadSpec with every problem and its line; gates of a kind that is not read stay, with the reason.
    """
    source = WorkspaceSource(path)
    experiment = root.first("experiment")
    samples: list[WorkspaceSample] = []
    choices: list[WorkspaceSample] = []
    if experiment is not None:
        sheets = _worksheets(experiment)
        for specimen in experiment.all("specimen"):
            for tube in specimen.all("tube"):
                settings = _nearest_settings(tube, specimen, experiment)
                with source.noting():
                    reader = _Tube(source, settings)
                    samples.append(reader.read(specimen, tube, sheets))
                    if samples[-1].failure:
                        choices.extend(_Tube(source, settings).each(specimen, tube, sheets))
    source.findings.raise_any()
    program = f"FACSDiva {attribute(root, 'version') or ''}".strip()
    return Workspace(str(path), program, tuple(samples), tuple(choices))


def _worksheets(experiment: XmlElement) -> dict[str, tuple[XmlElement, ...]]:
    """Return the gates of each global worksheet that has some, by its name."""
    found: dict[str, tuple[XmlElement, ...]] = {}
    pending = list(experiment.all("acquisition_worksheets"))
    while pending:
        element = pending.pop(0)
        pending.extend(element.children if element.name != "worksheet_template" else ())
        holder = element.first("gates")
        gates = tuple(holder.all("gate")) if holder and element.name == "worksheet_template" else ()
        if any(map(_is_gate, gates)):
            name = attribute(element, "name") or f"worksheet {len(found) + 1}"
            found[name if name not in found else f"{name} #{len(found) + 1}"] = gates
    return found


def _is_gate(element: XmlElement) -> bool:
    return attribute(element, "type") != "EventSource_Classifier"


def _chosen(tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]) -> tuple[str | None, str]:
    """Return the global worksheet of a tube, or None and why it is not known."""
    wanted = _text(tube, "pref_global_worksheet").strip()
    named = [name for name in sheets if wanted.casefold() in (name.casefold(), name.casefold().rpartition("\\")[2])]
    named = named or [name for name in sheets if name.casefold() == wanted.casefold().rpartition("\\")[2]]
    listed = ", ".join(f"'{name}'" for name in sheets)
    if wanted and len(named) != 1 and sheets:
        return None, f"it points to the global worksheet '{wanted}'; those with gates are {listed}"
    if not wanted and len(sheets) > 1:
        return None, f"it names none of the {len(sheets)} global worksheets: {listed}"
    return next(iter(named if wanted else sheets), None), ""


def _nearest_settings(*places: XmlElement) -> XmlElement | None:
    return next((found for place in places if (found := place.first("instrument_settings")) is not None), None)


def _text(element: XmlElement, name: str) -> str:
    found = element.first(name)
    return found.text if found else ""


def _is_true(element: XmlElement, name: str) -> bool:
    return _text(element, name).strip().lower() == "true"


def _path(fullname: str) -> str:
    steps = fullname.replace("/", "_").split("\\")
    return "/".join(steps[1:] if steps and steps[0].strip().casefold() == _EVERYTHING else steps)


@dataclass
class _Tube:
    source: WorkspaceSource
    settings: XmlElement | None

    def __post_init__(self) -> None:
        self.axes: dict[str, GateAxis] = {}
        self.matrix = self._matrix()

    def read(
        self, specimen: XmlElement, tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]
    ) -> WorkspaceSample:
        """Return the tube with its own gates, or those of its global worksheet."""
        holder = tube.first("gates")
        own = tuple(holder.all("gate")) if holder else ()
        sheet, unknown = (None, "") if any(map(_is_gate, own)) else _chosen(tube, sheets)
        elements = own if any(map(_is_gate, own)) else sheets.get(sheet or "", ())
        sample = self._sample(specimen, tube, elements)
        everything = [item for item in own if not _is_gate(item)]
        total = (self._count(everything[0]) if everything else None) or None  # 0 where nobody had counted
        if total:
            sample = replace(sample, event_count=total, identity={"$TOT": str(total), "$FIL": sample.file})
        if elements is not own or not total:
            sample = replace(sample, counts={})  # a worksheet's counts are of whichever tube was open
        if unknown:
            remedy = f"name one with --sample, as in '{sample.name} with {next(iter(sheets))}'"
            sample = replace(sample, failure=f"tube '{sample.name}': {unknown}; {remedy}")
        return sample

    def each(
        self, specimen: XmlElement, tube: XmlElement, sheets: Mapping[str, tuple[XmlElement, ...]]
    ) -> Iterator[WorkspaceSample]:
        """Return the tube with the gates of each global worksheet."""
        for name, elements in sheets.items():
            self.axes = {}
            sample = self._sample(specimen, tube, elements)
            yield replace(sample, id=f"{sample.id} with {name}", name=f"{sample.name} with {name}", counts={})

    def _sample(self, specimen: XmlElement, tube: XmlElement, elements: Sequence[XmlElement]) -> WorkspaceSample:
        group, name = attribute(specimen, "name") or "", attribute(tube, "name") or ""
        tree = self._tree(elements)
        matrices = {"Diva": self.matrix} if self.matrix else {}
        return WorkspaceSample(
            f"{group}/{name}",
            f"{group} {name}".strip(),
            base_name(_text(tube, "data_filename") or name),
            PlacedStrategy(f"{group} {name}".strip(), self.axes, tree.populations, matrices),
            tree.order,
            tree.counts,
            groups=(group,),
        )

    def _count(self, element: XmlElement) -> int | None:
        text = _text(element, "num_events")
        return int(self.source.parsed(element, text, "num_events")) if text else None

    def _matrix(self) -> SpectrumMatrix | None:
        settings = self.settings
        if settings is None or not _is_true(settings, "compensation_enabled"):
            return None
        names, columns = [], []
        for parameter in settings.all("parameter"):
            holder = parameter.first("compensation")
            if holder is not None and _is_true(parameter, "can_be_compensated"):
                cells = holder.all("compensation_coefficient")
                names.append(self.source.text(parameter, "name"))
                columns.append([self.source.parsed(cell, cell.text, cell.name) for cell in cells])
        if not names:
            return None
        try:
            # A parameter's coefficients are what the raw values are multiplied with: the matrix inverted already.
            values = tuple(zip(*columns, strict=True))
            return SpectrumMatrix(tuple(names), tuple(names), values, inverted=True)
        except (BadSpillover, ValueError) as error:
            self.source.refuse(settings, f"the compensation coefficients do not make a matrix ({error})")

    def _tree(self, elements: Sequence[XmlElement]) -> Tree:
        children: dict[str, list[tuple[str, Branch]]] = {}
        hidden: dict[str, str] = {}
        for element in elements:
            region = element.first("region")
            path, parent = _path(attribute(element, "fullname") or ""), _path(_text(element, "parent"))
            if region is not None and "BINNER" in (attribute(region, "type") or ""):
                hidden[path] = parent  # the middle of a quadrant gate; its four parts are gates of their own
            elif attribute(element, "type") != "EventSource_Classifier" and path:
                with self.source.noting():
                    branch = self._branch(element, region, path)
                    children.setdefault(parent, []).append((path, branch))
        for middle, parent in hidden.items():
            children.setdefault(parent, []).extend(children.pop(middle, []))

        def nested(parent: str) -> tuple[Branch, ...]:
            return tuple(replace(branch, children=nested(path)) for path, branch in children.pop(parent, []))

        return grow(nested(""))

    def _branch(self, element: XmlElement, region: XmlElement | None, path: str) -> Branch:
        branch = Branch(_text(element, "name").replace("/", "_") or path.rpartition("/")[2], count=self._count(element))
        operator = _BOOLEANS.get((attribute(element, "type") or "").partition("_")[0].upper())
        if operator:
            operands = tuple(_path(item.text) for item in element.all("input"))
            return replace(branch, formula=(operator, operands)) if operands else replace(branch, failure="no inputs")
        if region is None:
            return replace(branch, failure=f"gates of the kind '{attribute(element, 'type')}' are not read")
        try:
            return replace(branch, gate=self._gate(element, region))
        except ValueError as error:
            return replace(branch, failure=str(error))

    def _gate(self, element: XmlElement, region: XmlElement) -> Gate:
        holder = region.first("points")
        points = tuple(holder.all("point")) if holder else ()
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
        scale, to_display = self._scale(element, side)
        matrix = self.matrix
        compensated = matrix is not None and channel in matrix.fluorochromes
        wanted = GateAxis(channel, "Diva" if compensated else UNCOMPENSATED, scale, (0.0, 1.0))
        name, number = channel, 2
        while self.axes.setdefault(name, wanted) != wanted:  # one channel may be drawn on several scales
            name, number = f"{channel} ({number})", number + 1
        return name, to_display

    def _scale(self, element: XmlElement, side: str) -> tuple[AnyScale, Callable[[float], float]]:
        if _is_true(element, f"is_{side}_parameter_scaled"):
            text = _text(element, f"{side}_parameter_scale_value")
            value = self.source.parsed(element, text or "0", f"{side}_parameter_scale_value")
            return scale_of_diva(max(value, 0.0)), lambda stored: stored / _BINS
        if _is_true(element, f"is_{side}_parameter_log"):
            top = math.log10(_TOP)
            return Log(_TOP, top), lambda stored: stored / top
        return Linear(_TOP), lambda stored: stored / _TOP
