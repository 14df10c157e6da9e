"""What the markers of a panel say about a cloud of cells in scatter: whose cells lie in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.density import modes_of, profile_of, valley_between
from immunomon.cytometry.kernels.selection import median_of, quantile_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.lazy import LazyTable
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.study.model.channels import ChannelKind

__all__ = ["Evidence", "Flags"]

_LEAST = 50  # events on either side of a border that a marker can be trusted with
_LEAST_SHARE = 0.003
_APART = 1.5  # robust standard deviations between the middles of negative and positive events
_NOISE = 3.0  # spreads of the negatives: on a scale that is linear so far, noise about 0 has one mode
_BRIGHTEST = 0.999
_BEAD = 0.25  # of the 99.9 % quantile: what is brighter than this in every detector is no cell
_ROUNDED = 1e-9  # display coordinates: much more than what an intensity loses there and back


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Markers that tell whose cloud it is: cells of one lineage have them, and others not.

    positive: markers that cells of the cloud have (of lymphocytes CD3, CD19, CD20 or a dump of these); exclude: markers
    that they never have (of lymphocytes CD14). share: how much of the gate is positive at least, where all is well.
    """

    positive: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    share: float = 0.35

    def __post_init__(self) -> None:
        if not self.positive or not 0 <= self.share < 1:
            raise ValueError(f"evidence needs a positive marker and a share from 0 to 1, got {self.share}")

    def flags(self, events: EventTable, scales: Mapping[str, DisplayScale], core: Mask) -> Flags:
        """Return which events are positive, and which have a marker that excludes them.

        events: on the display scale; core: (events,), those in compact clouds, which the borders are placed on. A
        marker that does not part these clearly says nothing.
        """
        beads = _beads(events, scales, (*self.positive, *self.exclude))
        above: dict[str, Mask] = {}
        for marker in (*self.positive, *self.exclude):
            values = scales[marker].inverse(np.asarray(events.column(marker), dtype=np.float64))
            shown = np.arcsinh(values / _cofactor(values, events.channels[events.index(marker)].range))
            border = _border(shown[core & ~beads])
            if border is not None:
                above[marker] = shown >= border
        none = np.zeros(events.count, dtype=np.bool_)
        excluded = np.logical_or.reduce([none, *(above[name] for name in self.exclude if name in above)])
        positive = np.logical_or.reduce([none, *(above[name] for name in self.positive if name in above)])
        named = tuple(name for name in self.positive if name in above)
        return Flags(positive & ~excluded & ~beads, excluded & ~beads, beads, named)


@dataclass(frozen=True, eq=False)
class Flags:
    """What the markers say of each event, (events,) each; markers: the positive ones that had something to say."""

    positive: Mask
    excluded: Mask
    beads: Mask
    markers: tuple[str, ...]


def _cofactor(values: Floats, top: float) -> float:
    """Return where a marker's scale turns from linear to logarithmic: by the range, the brightest and the noise."""
    finite = values[np.isfinite(values)]
    brightest = quantile_of(finite, _BRIGHTEST) if finite.size else 0.0
    below = finite[finite < 0]
    noise = 1.4826 * median_of(-below) if below.size > 0.01 * finite.size else 0.0
    return max(min(top / 1750, brightest / 20), _NOISE * noise, 1e-9 * top)


def _border(values: Floats) -> float | None:
    """Return the last valley with enough events, clearly different, on both sides; None if there is none."""
    values = values[np.isfinite(values)]
    if values.size < 2 * _LEAST:
        return None
    profile = profile_of(values, 0.15)
    for left, right in reversed(list(pairwise(modes_of(profile)))):
        border = valley_between(profile, left, right)[0]
        below, above = values[values < border], values[values >= border]
        if min(below.size, above.size) < _LEAST or above.size < _LEAST_SHARE * values.size:
            continue
        middles = median_of(below), median_of(above)
        spread = max(_spread(below, middles[0]), _spread(above, middles[1]))
        if middles[1] - middles[0] >= _APART * spread:
            return border
    return None


def _spread(values: Floats, middle: float) -> float:
    return 1.4826 * median_of(np.abs(values - middle))


def _beads(events: EventTable, scales: Mapping[str, DisplayScale], first: Sequence[str]) -> Mask:
    """Return which events are bright in every detector; none where fewer than three can be looked at.

    first: markers that hardly any cell has together, so that one look at these mostly settles it.
    """
    fluorescence = [channel.name for channel in events.channels if channel.kind is ChannelKind.FLUORESCENCE]
    names = [name for name in dict.fromkeys((*first, *fluorescence)) if name in scales]
    nothing, bright = np.zeros(events.count, dtype=np.bool_), np.ones(events.count, dtype=np.bool_)
    if _few_at_most(events, scales, names):
        return nothing
    for name in names:
        values = scales[name].inverse(np.asarray(events.column(name), dtype=np.float64))
        known = values[~np.isnan(values)]
        bright &= values >= _BEAD * quantile_of(known, _BRIGHTEST) if known.size else nothing
        if np.count_nonzero(bright) < _LEAST:
            return nothing
    return bright if len(names) >= 3 else nothing


def _few_at_most(events: EventTable, scales: Mapping[str, DisplayScale], names: Sequence[str]) -> bool:
    """Say whether too few events to be beads can be bright in every detector, by what is known without exact values.

    No quantile lies below that of the lowest values that there may be, and where even the highest that an event may
    have is less than the share of that, it is not bright.
    """
    if not isinstance(events, LazyTable):
        return False
    perhaps = np.ones(events.count, dtype=np.bool_)
    for name in names:
        values = events.rough_values(name, fewest=_LEAST)
        if values is None or np.isnan(values.rough).any():
            continue
        rank = int((values.size - 1) * _BRIGHTEST)
        lowest = float(np.partition(values.rough, rank)[rank]) - values.bound
        share = _BEAD * scales[name].inverse(np.array([lowest]))
        if share[0] > 0:
            perhaps &= values.rough >= scales[name].apply(share)[0] - (values.bound + _ROUNDED)
            if np.count_nonzero(perhaps) < _LEAST:
                return True
    return False
