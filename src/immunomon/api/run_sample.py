"""One sample of a run: what the run found in it, its gates drawn, and its events read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from immunomon.api.gated import Gated
from immunomon.api.samples import Sample, new_axes, read_fcs
from immunomon.arrays import Mask
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.apply import apply_gates, display_of
from immunomon.errors import BadRun, ImmunomonError, UnknownName, nearest
from immunomon.runs.files import rows_of
from immunomon.runs.opened import Run
from immunomon.runs.prepared import Compensation
from immunomon.study.model.fcs import Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.uses import tube_of
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RunSample", "rows_of_sample"]


@dataclass(frozen=True, eq=False)
class RunSample:
    """One sample of a run: what the run found in it, its gates drawn, and its events read again.

    row: of the table of samples.
    """

    run: Run
    row: dict[str, Any]

    def __repr__(self) -> str:
        parts = (self.row.get(name) for name in ("subject", "visit", "panel"))
        shown = ", ".join(str(part) for part in parts if isinstance(part, str))
        reason = self.row.get("reason")
        return f"RunSample({self.id}: {shown}; {self.status}" + (f": {reason})" if isinstance(reason, str) else ")")

    @property
    def id(self) -> str:
        """The sample's id, by which all tables know it."""
        return str(self.row["sample_id"])

    @property
    def status(self) -> str:
        """Gated, control, dropped or failed."""
        return str(self.row["status"])

    @property
    def counts(self) -> pd.DataFrame:
        """Its rows of the table of populations: events, parents, doubts, whether it may be reported."""
        return self._rows("populations")

    @property
    def frequencies(self) -> pd.DataFrame:
        """Its rows of the table of frequencies: percents with intervals, cells per uL, why a value is withheld."""
        return self._rows("frequencies")

    def _rows(self, table: str) -> pd.DataFrame:
        rows = self.run.table(table)
        return rows[rows["sample_id"] == self.id].reset_index(drop=True)

    def plot(self, population: str, *, ax: Axes | None = None) -> Axes:
        """Draw a population's gate as the run stored it; raises UnknownName if it has none to draw."""
        from immunomon.plots.gating import gating_plot

        plots = self.run.plots(self.id)
        drawn = next((plot for plot in plots if population in plot["populations"]), None)
        if drawn is None:
            known = [name for plot in plots for name in plot["populations"]]
            raise UnknownName(f"{self.id}: there is no gate of '{population}' to draw; {nearest(population, known)}")
        return gating_plot(ax or new_axes(), drawn)

    def back_gate(self, events: Sequence[int] | Mask, *, columns: int = 4) -> Figure:
        """Draw the sample's gates with some of its events on each plot that they reached; return the figure.

        events: numbers of events in the file, as an atlas' column ``event`` has them, or a mask, (events,). Its file is
        read again, so it raises what ``sample`` raises, and UnknownName for an event that the file has not.
        """
        from immunomon.api.gate_figure import back_gating_figure

        return back_gating_figure(self.run.plots(self.id), self.gated, events, columns=columns)

    @cached_property
    def sample(self) -> Sample:
        """Its FCS file, read again; raises ChangedFile if it is not the one that the run gated."""
        stored = self._stored
        reading = Reading.from_record(next(f for f in self.run.record["files"] if f["sample_id"] == self.id))
        matrix = Compensation(from_file=False, matrix=SpilloverMatrix.from_record(stored["spillover"]))
        return read_fcs(self.run.fcs_file(self.id), self._panel_of_run(), compensation=matrix, **asdict(reading))

    @cached_property
    def gated(self) -> Gated:
        """Its events through the gates that the run placed on them: ``sample.gated["treg"].events``."""
        sample, stored = self.sample, self._stored
        placed = placed_from_run(stored["gates"], SpilloverMatrix.from_record(stored["spillover"]))
        tree = apply_gates(sample.events, placed, None)
        display = display_of(sample.events, placed, None)
        return Gated(sample, tree, display, tuple(rows_of(self.id, tree)), sample.header.deviations)

    @cached_property
    def _stored(self) -> dict[str, Any]:
        stored = self.run.result(self.id)
        if stored is None or "gates" not in stored:
            raise ImmunomonError(f"{self.run.folder}: {self!r} has no gates; see its status and reason")
        return stored

    def _panel_of_run(self) -> Panel:
        """Return the panel of the sample's tube, if its markers are still those of the run."""
        name = str(self.row["panel"])
        panel = load_panel(find_panel(tube_of(name), self.run.study_file.parent))
        markers = self.run.record["panels"].get(name) or self.run.record["panels"].get(tube_of(name))
        if repr(_plain([asdict(marker) for marker in panel.markers])) != repr(_plain(markers)):
            remedy = f"run it again: immunomon run {self.run.study_file.parent}"
            raise BadRun(f"{self.run.folder}: the panel '{name}' is not the one that was run; {remedy}")
        return panel


def _plain(markers: Any) -> Any:  # noqa: ANN401 - what JSON makes of it
    return json.loads(json.dumps(markers, sort_keys=True, default=str))


def rows_of_sample(run: Run, asked: Mapping[str, str | None]) -> pd.DataFrame:
    """Return a run's samples by subject, visit and panel, None: any; raises UnknownName with the nearest name."""
    samples = rows = run.table("samples")
    for name, value in asked.items():
        if value is None:
            continue
        known = list(dict.fromkeys(rows[name].dropna().astype(str)))
        if value not in known:
            among = "" if len(rows) == len(samples) else " among these samples"
            raise UnknownName(f"{run.folder}: no {name} '{value}'{among}; {nearest(value, known, in_order=True)}")
        rows = rows[rows[name] == value]
    return rows
