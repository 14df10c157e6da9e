"""The noise of a channel: where its negative cells lie, how far they scatter, and what a split has to show beyond that.

Photons, electronics and what compensation leaves behind scatter negative cells about their middle, to either side. A
display scale that is narrower than that scatter shows one such peak as two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.density import modes_of, profile_between
from immunomon.cytometry.kernels.selection import quantile_of

__all__ = ["Negatives", "mirrored_excess", "negatives_of", "noise_limit", "pooled_spread"]


_DENSEST = 0.1  # share of the events that the shortest interval holds
_ROUNDS = 6
_SETTLED = 0.02  # relative change of the spread
_BANDWIDTH = 0.15  # of asinh(x / 3 s): about half a spread of the negatives
_LEAST_SHARE = 0.005  # of the events below a mode, or it is a few odd ones
_FEWEST = 20  # events
_FEWEST_NEGATIVE = 10
# A value below 0 in so few of the events is an accident, no noise about 0.
_LEAST_NEGATIVE = 0.002
_QUANTILE = 0.05
# The 2.5 % quantile of a normal curve about 0 is 1.96 spreads; negatives may lie a little above 0.
_CAP = 2.5 / 1.96


@dataclass(frozen=True)
class Negatives:
    """The lowest peak of a channel: its middle, its spread, and what lies below 0 (all in the values' unit).

    spread: 1.4826 x the median distance of what lies below the middle: nothing positive can widen it. low: the
    distance from 0 of the 5 % quantile of the values below 0; 0 if there are too few of these to measure noise by.
    """

    middle: float
    spread: float
    low: float

    @property
    def measured(self) -> bool:
        """Whether there is enough below 0 to know the noise."""
        return self.low > 0 and self.spread > 0


def negatives_of(values: NDArray[np.floating]) -> Negatives | None:
    """Return the lowest peak of a channel's compensated intensities; None for fewer than 20 finite values.

    values: (events,). The spread of a constant channel is 0. Multiplied values give a multiplied result.

    >>> rng = np.random.default_rng(1)
    >>> values = np.concatenate([rng.normal(100.0, 300.0, 4000), rng.lognormal(9.0, 0.4, 1000)])
    >>> found = negatives_of(values)
    >>> abs(found.middle - 100) < 60, abs(found.spread - 300) < 30, found.measured
    (True, True, True)
    """
    sorted_values: Floats = np.sort(np.asarray(values, dtype=np.float64)[np.isfinite(values)])
    return _negatives(sorted_values) if sorted_values.size >= _FEWEST else None


def _negatives(values: Floats) -> Negatives:
    negative = values[: int(np.searchsorted(values, 0.0))]
    enough = negative.size >= max(_FEWEST_NEGATIVE, _LEAST_NEGATIVE * values.size)
    low = -quantile_of(negative, _QUANTILE) if enough else 0.0
    width = max(1, int(_DENSEST * values.size))
    start = int(np.argmin(values[width:] - values[:-width]))
    middle = _median(values[start : start + width + 1])
    spread = _lower_spread(values, middle)
    for _ in range(_ROUNDS):
        if not spread > 0:
            break
        middle, before = _lowest_mode(values, spread, middle), spread
        spread = _lower_spread(values, middle)
        if abs(spread - before) < _SETTLED * before:
            break
    return Negatives(middle, spread, low)


def _lower_spread(values: Floats, middle: float) -> float:
    below = values[: int(np.searchsorted(values, middle))]
    return 1.4826 * (middle - _median(below)) if below.size else 0.0


def _median(ascending: Floats) -> float:
    size = ascending.size
    return 0.5 * float(ascending[(size - 1) // 2] + ascending[size // 2])


def _lowest_mode(values: Floats, spread: float, otherwise: float) -> float:
    scale = 3.0 * spread
    largest = np.finfo(np.float64).max * min(scale, 1.0)  # what is larger has no place on the scale
    shown = values[int(np.searchsorted(values, -largest)) : int(np.searchsorted(values, largest, side="right"))]
    if not shown.size:
        return otherwise
    ends = np.arcsinh(shown[[0, -1]] / scale)

    def counts_in(edges: Floats) -> Ints:
        with np.errstate(over="ignore"):
            return np.diff(np.searchsorted(shown, scale * np.sinh(edges)))

    modes = modes_of(profile_between(float(ends[0]), float(ends[1]), _BANDWIDTH, counts_in, bins=256))
    positions = [float(scale * np.sinh(mode.position)) for mode in modes]
    least = max(_FEWEST_NEGATIVE, _LEAST_SHARE * values.size)
    return next((position for position in positions if int(np.searchsorted(values, position)) >= least), otherwise)


def pooled_spread(spreads: Floats, lows: Floats) -> float:
    """Return the noise that several files of a channel have in common; not a number if none could be measured.

    spreads, lows: (files,), as in ``Negatives``, of the files where noise could be measured. A marker that all cells
    carry has no negative peak, and its lowest one is wide: what lies below 0 bounds the noise.

    >>> pooled_spread(np.array([90.0, 100.0, 2000.0]), np.array([150.0, 160.0, 170.0]))
    100.0
    """
    if not spreads.size:
        return float("nan")
    return float(min(np.median(spreads), _CAP * np.median(lows)))


def noise_limit(own: Negatives, noise: float) -> tuple[float, float]:
    """Return the middle of the negatives and the highest intensity that is still within their noise.

    own: of the events that are to be divided; noise: of the channel (``pooled_spread``). Where the events have no
    negatives among them, the channel's noise about 0 bounds both.

    >>> noise_limit(Negatives(50.0, 80.0, 120.0), 100.0)
    (50.0, 250.0)
    >>> noise_limit(Negatives(9000.0, 800.0, 0.0), 100.0)
    (300.0, 550.0)
    """
    middle = float(np.clip(own.middle, -noise, 3.0 * noise))
    return middle, middle + 2.5 * min(own.spread, noise)


def mirrored_excess(above: int, below: int) -> bool:
    """Say whether more events lie above a split than its mirror image about the middle of the negatives explains.

    above, below: how many lie above the split, and as far below the middle. A normal test of two Poisson counts, at
    five standard errors.

    >>> mirrored_excess(40, 2), mirrored_excess(40, 20)
    (True, False)
    """
    return above - below >= 5.0 * float(np.sqrt(above + below + 1))
