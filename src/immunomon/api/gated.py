"""A sample with its gates: counts as a table, each population's events, and the gates drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from immunomon.api.samples import EventScale, Sample, new_axes
from immunomon.arrays import Mask
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.placed import HELPER
from immunomon.cytometry.steps.picture import picture
from immunomon.errors import GateNotPlaced, UnknownName, counted, nearest
from immunomon.study.model.channels import folded
from immunomon.study.model.trust import Doubt

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Gated", "GatedPopulation"]

_FIRST = ("population", "parent", "count", "parent_count", "percent_of_parent")


@dataclass(frozen=True, eq=False)
class Gated:
    """A sample with its gates: ``counts``, ``gated["treg"]`` for one population, ``plot`` for the gate on its parent.

    tree: the gates and which events are in which population. display: the coordinates that the gates lie on. notes:
    what was repaired, is missing, or was left out.
    """

    sample: Sample
    tree: GateTree
    display: EventTable
    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def populations(self) -> tuple[str, ...]:
        """The populations' names, parents before children."""
        return tuple(population.id for population in self._shown)

    @property
    def _shown(self) -> tuple[PlacedPopulation, ...]:
        """The populations without those that only other populations of a workspace are made of."""
        return tuple(population for population in self.tree.populations if population.method != HELPER)

    @property
    def counts(self) -> pd.DataFrame:
        """One row a population: name, parent, events in both, percent of the parent, what set the gate, doubts.

        A population whose gate could not be placed has no count. Of a workspace also the count that is stored there.
        """
        import pandas as pd

        table = pd.DataFrame([{**row} for row in self.rows]).drop(columns="file", errors="ignore")
        table = table[[*_FIRST, *(name for name in table.columns if name not in _FIRST)]]
        whole = [name for name in ("count", "parent_count", "reference_count") if name in table.columns]
        return table.astype(dict.fromkeys(whole, "Int64"))

    def __getitem__(self, population: str) -> GatedPopulation:
        """Return a population by its name or label; raises UnknownName with the nearest."""
        return GatedPopulation(self, self._placed(population))

    def __iter__(self) -> Iterator[GatedPopulation]:
        return (GatedPopulation(self, population) for population in self._shown)

    def __len__(self) -> int:
        return len(self._shown)

    def _placed(self, name: str) -> PlacedPopulation:
        for key in ("id", "label"):
            named = [p for p in self.tree.populations if folded(getattr(p, key)) == folded(name)]
            if len(named) == 1:
                return named[0]
        labels = [p.label for p in self._shown]
        raise UnknownName(f"{self.sample.path}: no population '{name}'; {nearest(name, [*self.populations, *labels])}")

    def __repr__(self) -> str:
        head = f"{self.sample.path.name} gated by {self.tree.strategy}: {counted(self.tree.count, 'event')}"
        return "\n".join([head, *(f"  {line}" for line in self._lines()), *(f"note: {note}" for note in self.notes)])

    def _lines(self) -> Iterator[str]:
        names = ["  " * (p.path.count("/") - 1) + p.label for p in self._shown]
        width = max(map(len, names), default=0)
        for name, population in zip(names, self, strict=True):
            shown = "not placed" if population.count is None else f"{population.count:>9,}"
            percent = population.percent_of_parent
            doubts = f"  {counted(len(population.doubts), 'doubt')}" if population.doubts else ""
            yield f"{name:{width}}  {shown}{'' if percent is None else f' {percent:7.2f} % of parent'}{doubts}"

    def _repr_html_(self) -> str:
        shown = self.counts.drop(columns=["path", "label"], errors="ignore").to_html(index=False, na_rep="", border=0)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        title = f"{escape(self.sample.path.name)}</b> gated by {escape(self.tree.strategy)}"
        return f"<b>{title}{shown}{f'<ul>{notes}</ul>' if notes else ''}"

    @cached_property
    def _plots(self) -> list[dict[str, Any]]:
        return picture(self.tree, self.display)

    def plot(self, population: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the gate of a population on its parent's events, default of the last; return the axes.

        Raises UnknownName, GateNotPlaced if there is no gate to draw: it could not be placed, or lies on no axes.
        """
        from immunomon.plots.gating import gating_plot

        placed = self._placed(population) if population is not None else self._shown[-1]
        drawn = next((plot for plot in self._plots if placed.id in plot["populations"]), None)
        if drawn is None:
            why = placed.failure or f"it is made of other populations ({placed.method})"
            raise GateNotPlaced(f"{self.sample.path}: there is no gate of '{placed.id}' to draw: {why}")
        return gating_plot(ax or new_axes(), drawn)


@dataclass(frozen=True, eq=False)
class GatedPopulation:
    """One population of a gated sample: its events, its share, its gate and what speaks against it."""

    gated: Gated
    placed: PlacedPopulation

    def __repr__(self) -> str:
        if self.count is None:
            return f"{self.name} ({self.placed.label}): not placed: {self.placed.failure or 'no gate is given'}"
        percent = "" if self.percent_of_parent is None else f", {self.percent_of_parent:.2f} % of {self.placed.parent}"
        doubts = "".join(f"\n  doubt: {doubt.sentence}" for doubt in self.doubts)
        return f"{self.name} ({self.placed.label}): {counted(self.count, 'event')}{percent}{doubts}"

    def __len__(self) -> int:
        return self.count or 0

    @property
    def name(self) -> str:
        """The population's name."""
        return self.placed.id

    @property
    def count(self) -> int | None:
        """The number of its events, None if its gate was not placed."""
        return self.gated.tree.size(self.name)

    @property
    def percent_of_parent(self) -> float | None:
        """Its share of its parent's events in percent, None without a count or where the parent is empty."""
        count, parent_count = self.count, self.gated.tree.size(self.placed.parent)
        return 100.0 * count / parent_count if count is not None and parent_count else None

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What speaks against its gate."""
        return self.placed.doubts

    @property
    def mask(self) -> Mask:
        """Which of the file's events are in it, (events,); raises GateNotPlaced if its gate was not placed."""
        mask = self.gated.tree.mask(self.name)
        if mask is None:
            raise GateNotPlaced(f"{self.gated.sample.path}: {self!r}")
        return mask

    @property
    def events(self) -> pd.DataFrame:
        """Its events, compensated, one column a channel, indexed by the event's number in the file."""
        return self.to_dataframe()

    def to_dataframe(self, scale: EventScale = "compensated") -> pd.DataFrame:
        """Return its events on a scale, as ``Sample.to_dataframe`` does."""
        return self.gated.sample.to_dataframe(scale, among=self.mask)

    def plot(self, x: str, y: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw its events on two channels, or the histogram of one; return the axes."""
        return self.gated.sample.plot(x, y, among=self.mask, ax=ax)
