"""Doubt kinds of cells: stains that a kind of cell has or lacks against what is known of it, in every patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.noise import negatives_of
from immunomon.cytometry.kernels.proportions import wilson
from immunomon.cytometry.kernels.selection import evenly, quantile_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.trust import Doubt

__all__ = ["doubt_kinds"]

_COMPARED = 30_000  # cells that are looked at
_FEWEST = 50  # of a kind
_NOT_T_CELLS = 0.98  # quantile of T cells: what is brighter has a marker that they lack
_NOISE = 10.0  # spreads: what the noise alone makes brighter is not spoken of


@dataclass(frozen=True)
class _Cells:
    """Cells by their markers: above and below the borders that the file has for them.

    within: the population that they are looked for in; outside: one that they are not in.
    """

    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    within: str = "lymphocytes"
    outside: str = ""

    def __str__(self) -> str:
        signs = " ".join((*(f"{name}+" for name in self.above), *(f"{name}-" for name in self.below)))
        apart = f" outside {self.outside}" if self.outside else ""
        return f"{signs} cells of {self.within}{apart}".strip()


@dataclass(frozen=True)
class _Companion:
    """A marker that kinds of cells have (or, with ``lacks``, have not), with the share that may be otherwise of each.

    All kinds must exceed their share: what one of them may do in a patient, two of them do not. least: of the cells
    that the first kind is looked for in, the share that it must be, or too few are left to go by (after depletion).
    """

    marker: str
    kinds: tuple[tuple[_Cells, float], ...]
    lacks: bool = False
    least: float = 0.0


@dataclass(frozen=True)
class _Order:
    """Cells of which a quantile is no brighter in a marker than ``times`` that of other cells."""

    marker: str
    dim: tuple[_Cells, float]
    bright: tuple[_Cells, float]
    times: float


_DUMP = "CD3/CD19/CD20"
_B, _BY_HLADR = _Cells(("CD19",), ("CD3",)), _Cells(("HLA-DR",), ("CD3",))
_SWITCHED, _NOT_MEMORY = _Cells(("CD19",), ("CD3", "IgD")), _Cells(("CD19",), ("CD3", "CD27"))
# Bounds lie beyond what is known of patients, and are crossed where half of the cells missed a stain. Of these subsets,
# cited from memory: Iellem 2001, J Exp Med 194:847 (CCR4); Sanz 2019, Front Immunol 10:2458 (B cells);
# Krzysiek 2000, Blood 96:2338 (CCR6); Mavilio 2005, PNAS 102:2886 (CD56- NK); Ziegler-Heitbrock 2010, Blood 116:e74.
_COMPANIONS = (
    _Companion("CD19", ((_Cells(("CD20",), ("CD3",)), 0.2),), least=0.03),
    _Companion("CD19", ((_Cells(("IgD",), ("CD3",)), 0.35),), least=0.03),  # basophils bind IgD
    _Companion("HLA-DR", ((_B, 0.3),)),
    _Companion("HLA-DR", ((_Cells(("CD14",), (_DUMP,), "live"), 0.5),)),  # monocytes have less of it under steroids
    _Companion("IgD", ((_Cells(("CD19", "CD27"), ("CD3",)), 0.95),), lacks=True),
    _Companion("IgD", ((_Cells(within="b_transitional"), 0.3),)),
    _Companion("IgD", ((_NOT_MEMORY, 0.4),), least=0.03),
    _Companion("CD27", ((_SWITCHED, 0.35), (_Cells(("CD3",)), 0.4)), least=0.01),
    _Companion("CCR6", ((_BY_HLADR, 0.4),), least=0.03),
    _Companion("CD45RO", ((_Cells(("CCR4",), (), "cd4"), 0.2),)),
    _Companion("CCR4", ((_Cells(("CD45RO",), (), "treg"), 0.35),)),
    _Companion("CD56", ((_Cells(("CD16",), ("CD14", "HLA-DR", _DUMP)), 0.3),)),
    _Companion("CD56", ((_Cells(("CD14",), (_DUMP,), "live"), 0.5),), lacks=True),
    _Companion("CD56", ((_Cells(("HLA-DR",), ("CD14", _DUMP), "live", "lymphocytes"), 0.5),), lacks=True),
)
_T, _NO_T, _NO_T_SMALL = _Cells(("CD3",)), _Cells((), ("CD3",), "live"), _Cells((), ("CD3",))
_CD4, _T_NOT_CD4 = _Cells(("CD3", "CD4")), _Cells(("CD3",), ("CD4",))
_ORDERS = (
    *(_Order(marker, (_NO_T, 0.8), (_T, 0.98), 1.5) for marker in ("CD25", "CD127", "CXCR3", "CCR4")),
    *(_Order(marker, (_NO_T_SMALL, 0.5), (_T, 0.6), 2.0) for marker in ("CD25", "CD127", "CXCR3", "CCR4")),
    _Order("CD25", (_T_NOT_CD4, 0.85), (_CD4, 0.95), 0.6),
    _Order("CD20", (_T, 0.4), (_B, 0.75), 1.0),
)
# Other looks see to these: sums over tubes, two lineages in one cell, shares that are impossible.
_LINEAGE = frozenset({"viability", "CD3", "CD4", "CD8", "CD19", _DUMP})


def doubt_kinds(tree: GateTree, compensated: EventTable) -> dict[str, tuple[Doubt, ...]]:
    """Return the populations with a gate on a stain that kinds of cells have, or lack, against what is known of them.

    tree: placed on the events; compensated: the same events with all markers. Where a stain is bright on the wrong
    cells it is under another's name, and an exchange takes two: every gate on a marker that no order of brightness
    speaks for is doubted with it. Kinds of too few cells, and markers without a border, say nothing.
    """
    file = _File(tree, compensated)
    doubts: dict[str, list[Doubt]] = {}
    for markers, doubt in (*_missed(file), *_exchanged(file)):
        for population in tree.populations:
            gate = population.gate
            if gate is not None and population.placed_by != "person" and markers & file.names_of(gate.axes):
                doubts.setdefault(population.id, []).append(doubt)
    return {name: tuple(dict.fromkeys(found)) for name, found in doubts.items()}


class _File:
    """A file's live cells, evenly over it, with the borders that its gates have."""

    def __init__(self, tree: GateTree, events: EventTable) -> None:
        self._tree, self._events = tree, events
        live = tree.mask("live")
        rows = np.arange(events.count) if live is None else np.flatnonzero(live)
        self._rows = rows[evenly(rows.size, _COMPARED)]
        self._cells = events.take(self._rows)
        self.column, self.border = cache(self._column), cache(self._border)
        self.spread = cache(self._spread)

    def has(self, marker: str) -> bool:
        """Say whether a marker was stained in this file."""
        events = self._events
        return events.has(marker) and events.channels[events.index(marker)].kind is ChannelKind.FLUORESCENCE

    def names_of(self, axes: tuple[str, ...]) -> set[str]:
        """Return the names of the channels that axes lie on."""
        events = self._events
        return {events.channels[events.index(axis)].name for axis in axes if events.has(axis)}

    @property
    def stains(self) -> set[str]:
        """The names of all stains but those of lineages, which other looks hold against each other."""
        stained = {c.name for c in self._events.channels if c.kind is ChannelKind.FLUORESCENCE}
        return stained - {self.name(marker) for marker in _LINEAGE if self._events.has(marker)}

    def name(self, marker: str) -> str:
        """Return the name of the channel that carries a marker."""
        return self._events.channels[self._events.index(marker)].name

    def _column(self, marker: str) -> Floats:
        return np.asarray(self._cells.column(marker), dtype=np.float64)

    def _spread(self, marker: str) -> float:
        negatives = negatives_of(self.column(marker))
        return negatives.spread if negatives is not None else 0.0

    def _border(self, marker: str) -> float | None:
        """Return the lowest border of a marker as compensated, None if the file has none on it alone."""
        name = self.name(marker)
        return min((end for axis, end in self._ends() if self.name(axis) == name), default=None)

    def _ends(self) -> Iterator[tuple[str, float]]:
        """Yield the axis and end, as compensated, of everything that lies on one side of a threshold."""
        for population in self._tree.populations:
            gate = population.gate
            sides = gate.sides if isinstance(gate, Rectangle) else (gate,) if isinstance(gate, Interval) else ()
            for side in sides:
                placed, ends = self._tree.axes.get(side.axis), [e for e in (side.low, side.high) if np.isfinite(e)]
                if placed is not None and len(ends) == 1 and self._events.has(side.axis):
                    yield side.axis, float(placed.scale.inverse(np.array(ends))[0])

    def above(self, marker: str) -> Mask | None:
        """Return which cells have a marker; where no gate parts it, those that are brighter than T cells are."""
        if not self.has(marker):
            return None
        border = self.border(marker)
        if border is None:
            t_cells = self.mask(_T) if marker != "CD3" else None
            if t_cells is None:
                return None
            border = quantile_of(self.column(marker)[t_cells], _NOT_T_CELLS)
        return self.column(marker) > border

    def share(self, cells: _Cells) -> float:
        """Return which share of the population that a kind is looked for in it is."""
        within, chosen = self._tree.mask(cells.within), self.mask(cells)
        if within is None or chosen is None:
            return 0.0
        return float(np.count_nonzero(chosen)) / max(1, int(np.count_nonzero(within[self._rows])))

    def mask(self, cells: _Cells) -> Mask | None:
        """Return which of the cells are of a kind, None if that cannot be told or they are too few."""
        within, outside = (self._tree.mask(name) if name else None for name in (cells.within, cells.outside))
        if within is None or (cells.outside and outside is None):
            return None
        chosen = within[self._rows]
        if outside is not None:
            chosen = chosen & ~outside[self._rows]
        for names, has in ((cells.above, True), (cells.below, False)):
            for marker in names:
                above = self.above(marker)
                if above is None:
                    return None
                chosen = chosen & (above == has)
        return chosen if np.count_nonzero(chosen) >= _FEWEST else None


def _missed(file: _File) -> Iterator[tuple[set[str], Doubt]]:
    """Yield the markers that too many cells of a kind are without, or have, by the file's own borders."""
    for rule in _COMPANIONS:
        if not file.has(rule.marker) or file.border(rule.marker) is None:
            continue
        told = [_otherwise(file, rule, cells, most) for cells, most in rule.kinds]
        if all(told) and file.share(rule.kinds[0][0]) >= rule.least:
            name = file.name(rule.marker)
            yield {name}, Doubt("unlike_its_kind", name, ", and ".join(told))


def _otherwise(file: _File, rule: _Companion, cells: _Cells, most: float) -> str:
    """Say how many cells of a kind are otherwise than a rule has it, if that is more than ``most`` beyond chance."""
    chosen, above = file.mask(cells), file.above(rule.marker)
    if chosen is None or above is None:
        return ""
    odd = above[chosen] == rule.lacks
    low = float(wilson(np.array([odd.sum()], dtype=np.float64), np.array([odd.size], dtype=np.float64))[0][0])
    verb = "have" if rule.lacks else "lack"
    share = f"{100 * odd.mean():.0f} % of {cells} {verb} it, {100 * most:g} % are possible"
    return share if low > most else ""


def _exchanged(file: _File) -> Iterator[tuple[set[str], Doubt]]:
    """Yield markers that are bright on the wrong cells, with all those that no order of brightness speaks for."""
    reversed_by: list[tuple[str, str]] = []
    confirmed: set[str] = set()
    for rule in _ORDERS:
        if not file.has(rule.marker):
            continue
        masks = [file.mask(cells) for cells, _ in (rule.dim, rule.bright)]
        if masks[0] is None or masks[1] is None:
            continue
        column = file.column(rule.marker)
        dim, bright = (
            quantile_of(column[mask], level)
            for mask, (_, level) in zip((masks[0], masks[1]), (rule.dim, rule.bright), strict=True)
        )
        name = file.name(rule.marker)
        if dim > rule.times * max(bright, 0.0) and dim > _NOISE * file.spread(rule.marker):
            detail = f"it is brighter on {rule.dim[0]} ({dim:.3g}) than on {rule.bright[0]} ({bright:.3g})"
            reversed_by.append((name, detail))
        else:
            confirmed.add(name)
    wrong = {name for name, _ in reversed_by}
    unspoken = file.stains - (confirmed - wrong)
    for name, detail in reversed_by:
        yield unspoken | {name}, Doubt("unlike_its_kind", name, detail)
