"""One FCS file as a person looks at it: its events on any scale, what was repaired to read it, any two channels."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Mask
from immunomon.cytometry.formats.spillover import differing_matrices
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.scales import AnyScale, scale_to_dict
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.measure_noise import book_of
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.errors import AmbiguousChannel, BadSpillover, UnknownChannel, UnknownName, counted, nearest
from immunomon.runs.at_hand import Read, read_anew
from immunomon.runs.named import read_compensation, read_panel
from immunomon.runs.prepared import NO_MATRIX, Compensation, is_stained
from immunomon.study.model.channels import Channel, ChannelKind, folded
from immunomon.study.model.fcs import DataOffset, FcsHeader, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["EventScale", "Sample", "new_axes", "read_fcs"]

EventScale = Literal["raw", "compensated", "display"]
_BINS = 128


@dataclass(frozen=True, eq=False)
class Sample:
    """An FCS file that was read: its header, and its events under the panel's names.

    header: what the file says of itself, and how it was repaired (``header.deviations``). events: raw. panel: None if
    the file's own names hold. compensation: which matrix is used. own: header and events under the file's own names.
    """

    header: FcsHeader
    events: EventTable
    panel: Panel | None
    compensation: Compensation
    own: Read = field(repr=False)

    def __len__(self) -> int:
        return self.header.event_count

    def __repr__(self) -> str:
        lines = [f"{name:<9} {text}" for name, text in self._facts()]
        return "\n".join([f"Sample {self.path.name}: {counted(len(self), 'event')}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in self._facts()
        )
        return f"<b>{escape(self.path.name)}</b>, {counted(len(self), 'event')}<table>{rows}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        named = [
            f"{label} ({channel.detector})" if label != channel.detector else label for label, channel in self._named
        ]
        facts = [("file", f"{self.path}, FCS {self.header.version}"), ("channels", ", ".join(named))]
        facts += [("panel", self.panel.name)] if self.panel else []
        facts.append(("matrix", self._about_matrix()))
        facts += [("repaired", deviation) for deviation in self.header.deviations]
        return facts

    def _about_matrix(self) -> str:
        try:
            matrix = self.spillover
        except BadSpillover as error:
            return f"not usable: {error}"
        if matrix is None:
            return NO_MATRIX if self._lacks_matrix else "none"
        source = "the file's own" if self.compensation.from_file else "given"
        several = differing_matrices(self.header) if self.compensation.from_file else ""
        return f"{source}, {len(matrix.detectors)} detectors" + (f"; {several}" if several else "")

    @property
    def _lacks_matrix(self) -> bool:
        return self.compensation.from_file and self.spillover is None and is_stained(self.header)

    def seen_by(self, panel: Panel | None, compensation: Compensation) -> Sample:
        """Return the same events under a panel's names and with a matrix; raises UnknownChannel for another tube."""
        header, raw = self.own
        if panel is None:
            return Sample(header, raw, None, compensation, self.own)
        try:
            known = panel.known_in(header)
            labels = panel.label_file(known)
        except (UnknownChannel, AmbiguousChannel) as error:
            raise type(error)(f"{header.path}: {error}") from error
        return Sample(known, raw.labelled(labels), panel, compensation, self.own)

    @property
    def path(self) -> Path:
        """The file."""
        return self.header.path

    @cached_property
    def _named(self) -> tuple[tuple[str, Channel], ...]:
        """Each channel with the name of its column: the marker, or the detector where that is not one channel's."""
        channels = self.events.channels
        names = [folded(channel.name) for channel in channels]
        return tuple(
            (channel.name if names.count(folded(channel.name)) == 1 else channel.detector, channel)
            for channel in channels
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels' names, in the order of the file: markers, or detectors where there is none."""
        return tuple(name for name, _ in self._named)

    @cached_property
    def spillover(self) -> SpilloverMatrix | None:
        """The matrix that the events are compensated with, None if with none; raises BadSpillover."""
        return self.compensation.of(self.header)

    @cached_property
    def compensated(self) -> EventTable:
        """The compensated events; warns where a stained file has no matrix and nobody said that it needs none."""
        if self._lacks_matrix:
            warnings.warn(f"{self.path}: {NO_MATRIX} (compensation='none')", stacklevel=_level_of_caller())
        return compensate(self.events, self.spillover)

    @cached_property
    def scales(self) -> Mapping[str, AnyScale]:
        """The display scale of each channel, by its name: logicle, as wide as the noise of the file's negatives."""
        columns = [channel.detector for channel in self.events.channels]
        book = book_of(self.compensated, columns)
        scales = resolve_scales(GatingStrategy("", "", 1, None, ()), columns, self.compensated, book)
        return {name: scales[channel.detector] for name, channel in self._named}

    @cached_property
    def display(self) -> EventTable:
        """The compensated events on their display scales."""
        return transform(self.compensated, {channel.detector: self.scales[name] for name, channel in self._named})

    def on(self, scale: EventScale) -> EventTable:
        """Return the events on a scale: raw, compensated or display; raises UnknownName for another."""
        if scale not in get_args(EventScale):
            raise UnknownName(f"no scale named '{scale}'; {nearest(scale, get_args(EventScale), in_order=True)}")
        return {"raw": lambda: self.events, "compensated": lambda: self.compensated, "display": lambda: self.display}[
            scale
        ]()

    def to_dataframe(
        self,
        scale: EventScale = "compensated",
        *,
        channels: Sequence[str] | None = None,
        among: Mask | None = None,
    ) -> pd.DataFrame:
        """Return the events as a table, one row an event (its number in the file), one column a channel.

        scale: ``raw`` as read, ``compensated`` intensities, or ``display`` coordinates. channels: only these, by marker
        or detector. among: (events,), only these events. Raises UnknownChannel, BadSpillover.
        """
        import pandas as pd

        table = self.on(scale)
        names = self.channels if channels is None else tuple(channels)
        rows = np.arange(table.count) if among is None else np.flatnonzero(among)
        columns = [table.column(self._detector_of(name))[rows] for name in names]
        frame = pd.DataFrame(np.column_stack(columns), index=pd.Index(rows, name="event"), columns=list(names))
        frame.attrs = {"file": str(self.path), "scale": scale}
        return frame

    def _detector_of(self, name: str) -> str:
        return self.events.channels[self.events.index(name)].detector

    def plot(self, x: str, y: str | None = None, *, among: Mask | None = None, ax: Axes | None = None) -> Axes:
        """Draw the density of two channels on their display scales, or the histogram of one; return the axes.

        x, y: markers or detectors. among: (events,), only these events. Raises UnknownChannel with the nearest name.
        """
        from immunomon.cytometry.kernels.histogram import histogram1d, histogram2d, levels_u8
        from immunomon.plots.gating import gating_plot, pack_density

        rows = slice(None) if among is None else among
        names = [name for name in (x, y) if name is not None]
        values = [self.display.column(self._detector_of(name))[rows] for name in names]
        sides = [self._axis(name, column) for name, column in zip(names, values, strict=True)]
        ranges = [side["range"] for side in sides]
        if y is None:
            counts = histogram1d(values[0], ranges[0], _BINS)
            levels = np.rint(counts[None, :] * (255.0 / max(1, counts.max()))).astype(np.uint8)
        else:
            levels = levels_u8(histogram2d(values[0], values[1], ranges[0], ranges[1], _BINS))
        plot = {"x": sides[0], "y": sides[1] if y is not None else None, "gates": [], **pack_density(levels)}
        shown = f"{self.path.name}, {counted(int(values[0].size), 'event')}"
        drawn = gating_plot(ax or new_axes(), {**plot, "parent_label": shown})
        if y is None:
            drawn.set_ylabel("events, of the fullest bin")
        return drawn

    def _axis(self, name: str, values: NDArray[np.floating]) -> dict[str, Any]:
        label, channel = self._named[self.events.index(name)]
        scale = self.scales[label]
        limits = (-0.05, 1.05) if scale.kind != "identity" else (0.0, channel.range)
        if channel.kind is ChannelKind.TIME and np.isfinite(values).any():  # in seconds, whatever the range
            limits = (float(np.nanmin(values)), float(np.nanmax(values)) + 1e-9)
        shown = label if label == channel.detector else f"{label} ({channel.detector})"
        return {"axis": label, "label": shown, "range": limits, "scale": scale_to_dict(scale)}


def read_fcs(
    path: str | Path,
    panel: str | Path | Panel | None = None,
    *,
    compensation: str | Path | Compensation = "file",
    data_set: int | None = None,
    data_offset: DataOffset | None = None,
    sha256: str | None = None,
) -> Sample:
    """Return an FCS file with its events, to look at and to gate.

    panel: a panel, its file, or the name of a shipped one, whose marker names the channels get; None: the file's own
    names. compensation: ``file`` for the file's own matrix, ``none``, or the path of a CSV matrix. data_set: which one
    of several, counted from 1; data_offset: ``header`` or ``text``, whose word on where the data begin holds. sha256:
    the digest that its bytes must have. Raises BadFcs, ChangedFile, BadSpec for a panel, BadSpillover for a matrix,
    UnknownChannel if the file is not of the panel's tube.

    >>> read_fcs("no-such-file.fcs")
    Traceback (most recent call last):
        ...
    immunomon.errors.BadFcs: no-such-file.fcs: there is no such file; check its name and folder; upper and lower ...
    """
    of_panel = read_panel(panel) if isinstance(panel, str | Path) else panel
    matrix = read_compensation(compensation, of_panel) if isinstance(compensation, str | Path) else compensation
    own = read_anew(Path(path), Reading(data_set, data_offset, sha256))
    return Sample(*own, None, matrix, own).seen_by(of_panel, matrix)


def _level_of_caller() -> int:
    """Return the stack level of the line that called immunomon, however deep in it the warning is."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("immunomon", "functools"):
        frame, level = frame.f_back, level + 1
    return level


def new_axes(width: float = 4.6, height: float = 4.2) -> Axes:
    """Return the axes of a new figure, which a notebook shows and a script saves with ``ax.figure.savefig``."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained").subplots()
