"""Gates already placed on a sample, as exchanged with other programs, and their workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Gate, gate_from_dict
from immunomon.cytometry.model.scales import AnyScale, Biex, Identity, Linear, Tabulated, scale_from_dict
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.study.model.channels import folded
from immunomon.study.model.trust import doubts_from

__all__ = [
    "HELPER",
    "OWN_MATRIX",
    "UNCOMPENSATED",
    "GateAxis",
    "PlacedStrategy",
    "Ratio",
    "Units",
    "Workspace",
    "WorkspaceSample",
    "placed_from_run",
    "rescaled",
]

# The two words for a compensation that is no matrix of the strategy's own, as in Gating-ML 2.0.
UNCOMPENSATED = "uncompensated"
OWN_MATRIX = "FCS"

INF = float("inf")
_EVERYTHING = (-INF, INF)


@dataclass(frozen=True)
class Ratio:
    """A new dimension made of two channels: ``a (x - b) / (y - c)``, cut off at the bounds (Gating-ML's fratio)."""

    x: str
    y: str
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    bounds: tuple[float, float] = _EVERYTHING

    def __str__(self) -> str:
        return f"{self.x}/{self.y}"


@dataclass(frozen=True)
class GateAxis:
    """An axis that gates lie on: which channel, how compensated, on which scale, cut off at which coordinates.

    channel: a detector, a marker, a fluorochrome of the matrix, or a ratio; compensation: ``uncompensated``, ``FCS``
    (the file's own matrix, if it has one) or the name of one of the strategy's matrices; range: the top of plots; gain:
    the axis' units per number stored in the file, as FlowJo counts (None: the file's numbers as they are read, gain and
    time step applied), to be fitted to a file by ``fit_to_file``; named: the channel's whole name in the other program,
    where that is not the axis' own.
    """

    channel: str | Ratio
    compensation: str = UNCOMPENSATED
    scale: AnyScale = field(default_factory=Identity)
    bounds: tuple[float, float] = _EVERYTHING
    range: float = 262144.0
    gain: float | None = None
    named: str = ""


@dataclass(frozen=True)
class PlacedStrategy:
    """A tree of placed gates, parents and operands first, with their axes and matrices.

    Every population's ``gate`` lies on axes named in ``axes``; boolean gates name other populations by id. excluded:
    ranges of events that a run left out of the file that the gates were placed on. tailored: file name -> population id
    -> the gate that takes the general one's place in that file.
    """

    name: str
    axes: Mapping[str, GateAxis]
    populations: tuple[PlacedPopulation, ...]
    matrices: Mapping[str, SpectrumMatrix] = field(default_factory=dict)
    excluded: tuple[tuple[int, int], ...] = ()
    tailored: Mapping[str, Mapping[str, Gate]] = field(default_factory=dict)

    def for_file(self, name: str) -> PlacedStrategy:
        """Return the strategy with the gates tailored for a file, known by its name whatever the case.

        >>> PlacedStrategy("s", {}, ()).for_file("a.fcs").tailored
        {}
        """
        named = [gates for file, gates in self.tailored.items() if folded(file) == folded(name)]
        own = {key: gate for gates in named for key, gate in gates.items()}
        populations = tuple(
            replace(p, gate=own[p.id], failure="", note="the gate tailored for this file") if p.id in own else p
            for p in self.populations
        )
        return replace(self, populations=populations, tailored={})

    @property
    def ids(self) -> tuple[str, ...]:
        """The population ids, parents before children."""
        return tuple(population.id for population in self.populations)


def placed_from_run(gates: Mapping[str, Any], spillover: SpilloverMatrix | None) -> PlacedStrategy:
    """Return what a run placed on one file, so that it can be applied again or written for another program.

    gates: as ``GateTree.gates_to_dict`` gives it; spillover: the matrix that the run used. Populations that were not
    placed stay, with the reason. Raises UnknownName for a scale or geometry that does not exist.

    >>> axes = {"CD3": {"detector": "PE-A", "range": 1024.0, "scale": {"kind": "identity"}}}
    >>> placed_from_run({"strategy": "treg", "axes": axes, "populations": []}, None).axes["CD3"].channel
    'PE-A'
    """
    matrix = SpectrumMatrix.of(spillover) if spillover is not None and spillover.detectors else None
    axes = {
        name: GateAxis(
            axis["detector"],
            "spillover" if matrix and axis["detector"] in matrix.detectors else UNCOMPENSATED,
            scale_from_dict(axis["scale"]),
            range=axis["range"],
        )
        for name, axis in gates["axes"].items()
    }
    populations = tuple(
        PlacedPopulation(
            item["population"],
            item["label"],
            item["parent"],
            item["path"],
            item["method"],
            None if item["gate"] is None else gate_from_dict(item["gate"]),
            item.get("facts", {}),
            item.get("note", ""),
            item.get("failure", ""),
            item.get("source", ""),
            item.get("errors", {}),
            item.get("own_weight"),
            item.get("outlier", False),
            doubts_from(item.get("doubts", ())),
            item.get("origins", {}),
        )
        for item in gates["populations"]
    )
    excluded = tuple((int(start), int(stop)) for start, stop in gates.get("excluded", ()))
    return PlacedStrategy(
        gates["strategy"], axes, populations, {} if matrix is None else {"spillover": matrix}, excluded
    )


def rescaled(scale: AnyScale, factor: float) -> AnyScale:
    """Return the scale that gives intensities the coordinates that ``scale`` gives to ``factor`` times them.

    factor: positive.

    >>> rescaled(Linear(t=100.0), 10.0)
    Linear(t=10.0, a=0.0)
    """
    match scale:
        case Identity():
            return scale if factor == 1.0 else Linear(1.0 / factor, 0.0)
        case Linear():
            return Linear(scale.t / factor, scale.a / factor)
        case Biex():
            return replace(scale, max_range=scale.max_range / factor)
        case Tabulated():
            return Tabulated(tuple(intensity / factor for intensity in scale.intensities))
    return replace(scale, t=scale.t / factor)


# Another program's analysis: samples with the gates it placed on each, and the counts it found.

# The method of populations that only serve others (what a complement is the complement of): they are not reported.
HELPER = "helper"


@dataclass(frozen=True)
class Units:
    """How another program counts on a channel: its gain, units per stored number, and units per number as read."""

    gain: float = 1.0
    per_number: float = 1.0


@dataclass(frozen=True, eq=False)
class WorkspaceSample:
    """One sample of a workspace: the file it names, its placed gates, and the counts that the program stored.

    file: the base name of the FCS file; order: the reported populations' ids as the workspace lists them; counts: id ->
    events, where the program counted; identity: keywords by which the file can be known under another name; clock:
    keywords of how time was counted; failure: why its gates are not known; notes: what else should be known of it.
    """

    id: str
    name: str
    file: str
    placed: PlacedStrategy
    order: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    event_count: int | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    clock: Mapping[str, str] = field(default_factory=dict)
    detectors: tuple[str, ...] = ()
    units: Mapping[str, Units] = field(default_factory=dict)
    failure: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Workspace:
    """A workspace: which program wrote it, its samples, and its groups' own gates.

    groups: as samples, named like the group and without counts; only groups that have gates and members. remarks: what
    should be known of all its gates.
    """

    path: str
    program: str
    samples: tuple[WorkspaceSample, ...]
    groups: tuple[WorkspaceSample, ...] = ()
    remarks: tuple[str, ...] = ()
