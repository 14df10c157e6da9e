"""Single-stain controls: their own light, their stain, foreign events, and the spread it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.regression import robust_lines

__all__ = ["OwnLight", "Stain", "find_stain", "foreign_events", "own_light", "spreading_matrix", "spreading_row"]

_MAD = 1.4826
_UPPER = 0.98  # the quantile by which stained and unstained cells are compared


@dataclass(frozen=True, eq=False)
class OwnLight:
    """Autofluorescence of unstained cells: ``base + amount * spectrum``, the spectrum being 1 at its peak.

    noise: (detectors,), variance of what is left when the own light is taken off.
    """

    base: Floats
    spectrum: Floats
    noise: Floats

    def removed(self, events: NDArray[np.floating]) -> Floats:
        """Return events without their own light, each cell's amount judged by the median over the detectors it is in.

        The median keeps a dye that shines in fewer than half of these detectors out of the cell's own light.
        """
        above = np.asarray(events, dtype=np.float64) - self.base
        strong = self.spectrum >= 0.3
        if np.count_nonzero(strong) < 3:  # too few detectors to tell own light from a dye
            return above
        amount = np.median(above[:, strong] / self.spectrum[strong], axis=1)
        return np.asarray(above - amount[:, None] * self.spectrum)


def own_light(unstained: NDArray[np.floating]) -> OwnLight:
    """Return the cells' own light from an unstained tube: the spectrum of its median cell.

    unstained: (events, detectors), raw, with the instrument's zero at 0. Single detectors are too noisy to regress the
    others on where cells are dim.

    >>> amount = np.linspace(10, 90, 50)[:, None]
    >>> own_light(amount * np.array([[0.5, 1.0, 0.2]])).spectrum.round(3).tolist()
    [0.5, 1.0, 0.2]
    """
    events = np.asarray(unstained, dtype=np.float64)
    base = np.median(events, axis=0)
    spectrum = np.maximum(base, 0.0) / max(float(base.max()), 1e-12)
    own = OwnLight(base, spectrum, np.ones(events.shape[1]))
    left = own.removed(events)
    noise = (_MAD * np.median(np.abs(left - np.median(left, axis=0)), axis=0)) ** 2
    return OwnLight(base, spectrum, np.maximum(noise, 1e-6 * noise.max() + 1e-12))


@dataclass(frozen=True, eq=False)
class Stain:
    """A tube's stain: its peak detector, spectrum (1 at the peak), positive events, and how bright they are.

    separation: the positives' median above the negatives', in the negatives' standard deviations; brightness: the same
    in intensity units.
    """

    peak: int
    spectrum: Floats
    positive: Mask
    brightness: float
    separation: float


def find_stain(events: NDArray[np.floating], unstained: NDArray[np.floating] | None, light: OwnLight | None) -> Stain:
    """Return the stain of a tube: the detector that gained most light, by lines on it, and the events that have it.

    events: (events, detectors), main scatter cluster; unstained: the same of unstained cells of the same scatter, or
    None: then the tube's own dim events are the negatives; light: taken off both, or None.
    """
    values = np.asarray(events, dtype=np.float64) if light is None else light.removed(events)
    dark = None if unstained is None else (np.asarray(unstained, float) if light is None else light.removed(unstained))
    low = np.quantile(values, 0.02, axis=0) if dark is None else np.quantile(dark, _UPPER, axis=0)
    peak = int((np.quantile(values, _UPPER, axis=0) - low).argmax())
    slope = robust_lines(values[:, peak], values).slope
    for _ in range(4):
        if int(slope.argmax()) == peak:
            break
        peak = int(slope.argmax())
        slope = robust_lines(values[:, peak], values).slope
    centre, spread, limit = _negatives(values[:, peak], None if dark is None else dark[:, peak])
    positive = values[:, peak] > limit
    brightness = float(np.median(values[positive, peak]) - centre) if positive.any() else 0.0
    return Stain(peak, slope, positive, brightness, brightness / spread)


def _negatives(values: Floats, dark: Floats | None) -> tuple[float, float, float]:
    """Return the negatives' centre and standard deviation, and the limit above which an event is positive."""
    if dark is not None:
        centre = float(np.median(dark))
        spread = float(_MAD * np.median(np.abs(dark - centre)))
        return centre, max(spread, 1e-9), max(float(np.quantile(dark, 0.995)), centre + 4 * spread)
    centre = _lowest_mode(values)
    below = values[values <= centre]
    spread = max(float(_MAD * np.median(centre - below)) if below.size else 0.0, 1e-9)
    return centre, spread, centre + 5 * spread


def _lowest_mode(values: Floats) -> float:
    """Return the centre of the dimmest cluster of at least a fiftieth of the events, by the densest short run."""
    ordered = np.sort(values)
    low, high = np.quantile(ordered, [0.005, 0.98])
    dim = ordered[ordered <= (low + high) / 2]
    if dim.size < max(8, 0.02 * ordered.size):
        return float(np.median(ordered))  # all are bright: nothing is negative
    run = max(4, dim.size // 4)
    start = int((dim[run - 1 :] - dim[: dim.size - run + 1]).argmin())
    return float(np.median(dim[start : start + run]))


def foreign_events(
    events: NDArray[np.floating], stain: Stain, unstained: NDArray[np.floating] | None, light: OwnLight | None
) -> tuple[Mask, int]:
    """Return which events carry a stain that is not the tube's, and the detector in which most of them are brightest.

    An event is foreign if, in some detector, it lies above the stain's line by a tenth of the positives' brightness,
    by 10 standard deviations, and by more than unstained cells do.
    """
    values = np.asarray(events, dtype=np.float64)
    x = values[:, stain.peak]
    lines = robust_lines(x, values)
    bright = np.maximum(x, 0.0)[:, None]
    above = values - lines.intercept - x[:, None] * lines.slope
    noise = np.sqrt(lines.floor + bright * lines.growth)
    # A line's own scatter (tandem dyes, saturation of the light) grows with the stain; a second dye does not.
    limit = np.maximum(np.maximum(0.1 * stain.brightness, 10 * noise), 0.3 * bright * np.abs(lines.slope))
    if light is not None:
        above = light.removed(above + light.base)
    if unstained is not None:
        dark = np.asarray(unstained, dtype=np.float64) if light is None else light.removed(unstained)
        limit = np.maximum(limit, 2 * (np.quantile(dark, 0.999, axis=0) - np.median(dark, axis=0)))
    above[:, stain.peak] = 0.0
    foreign = (above > limit).any(axis=1)
    where = np.bincount(above[foreign].argmax(axis=1), minlength=1).argmax() if foreign.any() else stain.peak
    return np.asarray(foreign), int(where)


# How much each stain widens the others: spillover-spreading coefficients.


def spreading_row(signal: NDArray[np.floating], positive: Mask, stain: int, least: int = 20) -> Floats:
    """Return how much a stain spreads each compensated signal, in units of the square root of intensity.

    signal: compensated, (events, fluorochromes), of one single-stained tube. Result: (fluorochromes,); 0 for the stain
    itself, NaN if positives or negatives are fewer than ``least``. ``sqrt(sd_positive^2 - sd_negative^2) /
    sqrt(brightness)`` with the standard deviation taken as 84th - 50th percentile. Nguyen et al., Cytometry A
    2013;83A:306.

    >>> signal = np.array([[0.0, -1.0], [0.0, 0.0], [0.0, 1.0], [100.0, -11.0], [100.0, 0.0], [100.0, 11.0]])
    >>> spreading_row(signal, np.array([False, False, False, True, True, True]), 0, least=3).round(3)
    array([0.   , 0.745])
    """
    values = np.asarray(signal, dtype=np.float64)
    bright, dim = values[positive], values[~positive]
    row = np.full(values.shape[1], np.nan)
    if min(bright.shape[0], dim.shape[0]) >= least:
        gain = float(np.median(bright[:, stain]) - np.median(dim[:, stain]))
        widened = _width(bright) ** 2 - _width(dim) ** 2
        if gain > 0:
            row = np.sqrt(np.maximum(widened, 0.0) / gain)
    row[stain] = 0.0
    return row


def _width(values: Floats) -> Floats:
    upper, middle = np.quantile(values, [0.84, 0.5], axis=0)
    return np.asarray(upper - middle)


def spreading_matrix(rows: Sequence[tuple[int, Floats]], fluorochromes: int) -> Floats:
    """Return the mean row of every fluorochrome's controls, (fluorochromes, fluorochromes); NaN where there is none.

    >>> spreading_matrix([(0, np.array([0.0, 2.0])), (0, np.array([0.0, 4.0]))], 2)
    array([[ 0.,  3.],
           [nan, nan]])
    """
    matrix = np.full((fluorochromes, fluorochromes), np.nan)
    for stain in sorted({stain for stain, _ in rows}):
        matrix[stain] = np.mean([row for own_stain, row in rows if own_stain == stain], axis=0)
    return matrix
