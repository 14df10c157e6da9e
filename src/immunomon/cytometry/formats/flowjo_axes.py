"""The axes of a workspace's gates: which channel, which compensation, which scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis
from immunomon.cytometry.model.scales import AnyScale, Asinh, Biex, Hyperlog, Identity, Linear, Log, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover
from immunomon.study.model.channels import ChannelKind, kind_of

__all__ = ["AxisScale", "SampleAxes", "SampleMatrix", "lacking_matrix", "read_derived", "read_matrix", "read_scales"]

INF = float("inf")
_MOST_DECADES = 20.0
_OF_THE_FILE = ("acquisition-defined", "acquisition defined")


@dataclass(frozen=True)
class AxisScale:
    """A scale as a workspace gives it; ``shift`` is how FlowJo rounds it into bins (None: not known, so not binned).

    gain: the axis' units per stored number: where a workspace says none it is 1, for FlowJo does not divide by $PnG
    on any scale. failure: why there is no scale, for a kind that is not read.
    """

    scale: AnyScale = field(default_factory=Identity)
    bounds: tuple[float, float] = (-INF, INF)
    shift: float | None = None
    range: float = 262144.0
    gain: float = 1.0
    failure: str = ""


@dataclass(frozen=True)
class SampleMatrix:
    """A sample's compensation matrix, and how compensated channels are named: prefix, detector, suffix."""

    name: str
    matrix: SpectrumMatrix
    prefix: str = ""
    suffix: str = ""

    def bare(self, name: str) -> str | None:
        """Return the fluorochrome or detector of a compensated channel's name, or None if it is not one."""
        if not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        inner = name[len(self.prefix) : len(name) - len(self.suffix)]
        return inner if self.matrix.column_of(inner) is not None else None


@dataclass
class SampleAxes:
    """The axes of one sample, made as its gates ask for them.

    missing: why there is no matrix for compensated ones; derived: why a parameter that is computed is no axis, by name.
    """

    scales: Mapping[str, AxisScale]
    matrix: SampleMatrix | None = None
    detectors: frozenset[str] = frozenset()
    prefixes: tuple[tuple[str, str], ...] = (("Comp-", ""), ("<", ">"))
    made: dict[str, GateAxis] = field(default_factory=dict)
    missing: str = ""
    derived: Mapping[str, str] = field(default_factory=dict)

    def scale(self, name: str) -> AxisScale:
        """Return the scale of an axis by its name in the workspace; raises ValueError for one that is not read."""
        if name in self.derived:
            raise ValueError(self.derived[name])
        scale = self.scales.get(name) or self.scales.get(self.channel_of(name)[0]) or AxisScale()
        if scale.failure:
            raise ValueError(scale.failure)
        return scale

    def axis(self, name: str) -> AxisScale:
        """Return the scale of an axis, and make the axis if it is new."""
        scale = self.scale(name)
        channel, compensation = self.channel_of(name)
        self.made[name] = GateAxis(channel, compensation, scale.scale, scale.bounds, scale.range, scale.gain)
        return scale

    def channel_of(self, name: str) -> tuple[str, str]:
        """Return the channel and the compensation of an axis; raises ValueError for one whose matrix is not read."""
        # The matrix first: FlowJo lists the channels it compensated among the file's own ($PnN).
        if self.matrix is not None and (bare := self.matrix.bare(name)) is not None:
            return bare, self.matrix.name
        if name in self.detectors:
            return name, UNCOMPENSATED
        for prefix, suffix in self.prefixes:
            if name.startswith(prefix) and name.endswith(suffix):
                if self.missing:
                    raise ValueError(self.missing)
                if self.matrix is not None and (self.matrix.prefix, self.matrix.suffix) == (prefix, suffix):
                    raise ValueError(f"'{name}' is compensated, and the matrix '{self.matrix.name}' does not have it")
                return name[len(prefix) : len(name) - len(suffix)], OWN_MATRIX
        return name, UNCOMPENSATED


def lacking_matrix(source: WorkspaceSource, sample: XmlElement) -> str:
    """Return why the matrix of a FlowJo 10 or 11 sample is not known, '' if it is, or is the file's own."""
    elements = list(sample.all("spilloverMatrix"))
    if len(elements) > 1:
        return _no_matrix(source, elements[1], f"the sample has {len(elements)} compensation matrices")
    name = attribute(elements[0], "name") if elements else None
    if name and elements[0].first("spillover") is None and name.casefold() not in _OF_THE_FILE:
        return _no_matrix(source, elements[0], f"the compensation matrix '{name}' is named, and has no values")
    return ""


def _no_matrix(source: WorkspaceSource, element: XmlElement, problem: str) -> str:
    return (
        f"{source.path} line {element.line}: {problem}; apply one to the sample in FlowJo and save the workspace again"
    )


def read_matrix(source: WorkspaceSource, sample: XmlElement) -> SampleMatrix | None:
    """Return the compensation matrix in a FlowJo 10 or 11 sample, or None if it has none, or not one."""
    elements = list(sample.all("spilloverMatrix"))
    if len(elements) != 1:
        return None
    element = elements[0]
    rows = tuple(element.all("spillover"))
    fluorochromes = tuple(source.text(row, "parameter") for row in rows)
    values, detectors = [], tuple(source.text(cell, "parameter") for cell in rows[0].all("coefficient")) if rows else ()
    for row in rows:
        cells = {source.text(cell, "parameter"): source.number(cell, "value") for cell in row.all("coefficient")}
        missing = [name for name in detectors if name not in cells]
        if missing or len(cells) != len(detectors):
            source.refuse(row, "its coefficients are not those of the first row", "save the workspace again")
        values.append(tuple(cells[name] for name in detectors))
    if not rows:
        return None
    try:
        matrix = MatrixTable(fluorochromes, detectors, tuple(values)).spectrum()
    except BadSpillover as error:
        source.refuse(element, str(error))
    name = attribute(element, "name") or "compensation"
    name = f"{name} matrix" if name in (OWN_MATRIX, UNCOMPENSATED) else name
    return SampleMatrix(name, matrix, attribute(element, "prefix") or "", attribute(element, "suffix") or "")


def read_derived(source: WorkspaceSource, sample: XmlElement) -> dict[str, str]:
    """Return why the derived parameters of a sample are no axes, by name, also where a channel has that name too."""
    failures, pending = {}, [sample]
    while pending:
        element = pending.pop()
        pending.extend(element.children)
        if element.name == "DerivedParameter" and (name := attribute(element, "name")):
            formula = attribute(element, "formula")
            problem = (
                f"it lies on '{name}': it is a derived parameter{f' ({formula[:80]})' if formula else ''}, not computed"
            )
            failures[name] = (
                f"{source.path} line {element.line}: {problem} here; draw the gate on channels of the file in FlowJo"
            )
    return failures


def read_scales(source: WorkspaceSource, sample: XmlElement) -> dict[str, AxisScale]:
    """Return the scales of a FlowJo 10 or 11 sample, by channel; kinds that are not read say so when they are used."""
    scales: dict[str, AxisScale] = {}
    holder = sample.first("Transformations")
    for element in holder.children if holder else ():
        with source.noting():
            parameter = element.first("parameter")
            if parameter is None:
                continue
            name = source.text(parameter, "name")
            try:
                scales[name] = _scale(source, element, is_time=kind_of(name) is ChannelKind.TIME)
            except (ValueError, ArithmeticError) as error:
                scales[name] = AxisScale(failure=f"{source.path} line {element.line}: {error}")
    return scales


def _scale(source: WorkspaceSource, element: XmlElement, *, is_time: bool) -> AxisScale:
    gain = source.number(element, "gain", 1.0)
    if not gain > 0:
        raise ValueError(f"its gain is {gain:g}, and no axis counts so; draw the gate again in FlowJo")
    if is_time and element.name != "linear":
        raise ValueError(f"a time axis on the scale '{element.name}' has no unit; choose linear in FlowJo")
    scale = _shape(source, element)
    if element.name == "linear" and (gain != 1.0 or is_time):
        scale = replace(scale, shift=None)
    return replace(scale, gain=gain)


def _shape(source: WorkspaceSource, element: XmlElement) -> AxisScale:
    def number(name: str, default: float | None = None) -> float:
        return source.number(element, name, default)

    def decades(name: str, default: float | None = None) -> float:
        value = number(name, default)
        if abs(value) > _MOST_DECADES:
            raise ValueError(f"the scale '{element.name}' has {name} = {value}, more decades than there are")
        return value

    match element.name:
        case "linear":
            low, high = number("minRange", 0.0), number("maxRange")
            if high <= low:  # FlowJo writes such ranges for channels it never drew
                return AxisScale(Linear(262144.0, 0.0))
            return AxisScale(Linear(high, -low), shift=0.5, range=high)
        case "log":
            offset, span = number("offset"), decades("decades")
            top = offset * 10.0**span
            # What lies below the first decade sits on the axis' floor.
            return AxisScale(Log(top, span), (0.0, INF), 0.5, top)
        case "biex":
            biex = Biex(number("maxRange"), decades("pos"), decades("neg"), number("width"))
            return AxisScale(biex, shift=0.0, range=biex.max_range)
        case "logicle":
            return AxisScale(Logicle(number("T"), decades("W"), decades("M"), decades("A", 0.0)), range=number("T"))
        case "hyperlog":
            return AxisScale(Hyperlog(number("T"), decades("W"), decades("M"), decades("A", 0.0)), range=number("T"))
        case "fasinh":
            return AxisScale(Asinh(number("T"), decades("M"), decades("A", 0.0)), range=number("T"))
    raise ValueError(f"the scale '{element.name}' is not read; choose biex, logicle, log, arcsinh or linear in FlowJo")
