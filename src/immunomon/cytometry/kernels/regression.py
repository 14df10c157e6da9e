"""Robust straight lines: many responses on one regressor, and one line with its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.selection import is_compiled_at_hand

__all__ = ["Lines", "line_errors", "robust_line", "robust_lines"]

_TUKEY = 4.685  # 95 % efficiency for normal noise; beyond it an event has no say
_ROUNDS = 40
_ROUNDS_OF_NOISE = 6
_BINS = 16
_MAD = 1.4826


@dataclass(frozen=True, eq=False)
class Lines:
    """One line a detector: ``y = intercept + slope * x``, with the slope's precision (1 / squared standard error).

    floor, growth: the noise about the line, ``variance = floor + growth * max(x, 0)``, as photon counting makes it.
    """

    slope: Floats
    intercept: Floats
    precision: Floats
    floor: Floats
    growth: Floats


def robust_lines(x: NDArray[np.floating], y: NDArray[np.floating], start: tuple[Floats, Floats] | None = None) -> Lines:
    """Fit a robust line to every column of ``y``, each event weighted by its noise at its brightness.

    x: (events,); y: (events, detectors); start: slopes and intercepts to begin with, else the line through the medians
    of the dim and the bright events. Iteratively reweighted least squares with Tukey's biweight; the noise's variance
    grows linearly with x. Raises ValueError for fewer than 8 events or an x that does not vary. Huber & Ronchetti,
    Robust Statistics, 2009, chapter 7; for spillover: Roca et al., Nat Commun 2021;12:2890.

    >>> x = np.arange(100.0)
    >>> y = 0.25 * x + 3.0
    >>> y[::9] += 500.0
    >>> robust_lines(x, y[:, None]).slope.round(6)
    array([0.25])
    """
    light, detected = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if light.size < 8 or not np.ptp(light) > 0:
        raise ValueError(f"a line needs 8 events of different brightness; there are {light.size}")
    order = np.argsort(light, kind="stable")
    light, detected = light[order], detected[order]
    return _fitted(light, detected, _start(light, detected) if start is None else start)


def _fitted(x: Floats, y: Floats, start: tuple[Floats, Floats]) -> Lines:
    """Fit lines to sorted events by reweighting; the noise is held after some rounds, so that the slopes settle."""
    bins = _bins(x)
    slope, intercept = start
    bright = np.maximum(x, 0.0)[:, None]
    floor, growth = np.zeros_like(slope), np.zeros_like(slope)
    weight = np.ones_like(y)
    for number in range(_ROUNDS):
        residual = y - intercept - x[:, None] * slope
        if number < _ROUNDS_OF_NOISE:
            floor, growth = _noise(x, residual, bins)
            variance = floor + bright * growth
            limit = _TUKEY**2 * variance
        weight = (1.0 - np.minimum(residual**2 / limit, 1.0)) ** 2 / variance
        before = slope
        slope, intercept = _weighted_lines(x, y, weight, (slope, intercept))
        if number >= _ROUNDS_OF_NOISE and (np.abs(slope - before) <= 1e-7).all():
            break
    total = weight.sum(axis=0)
    mean = (x @ weight) / np.maximum(total, 1e-300)
    precision = (weight * (x[:, None] - mean) ** 2).sum(axis=0)
    return Lines(slope, intercept, precision, floor, growth)


def _start(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the lines through the medians of the dim and of the bright events."""
    low, high = np.quantile(x, [0.02, 0.995])
    bright = x > (low + high) / 2
    if not bright.any() or bright.all():
        bright = x > np.median(x)
    if not bright.any():
        bright = x == x.max()
    x_dim, x_bright = np.median(x[~bright]), np.median(x[bright])
    y_dim, y_bright = np.median(y[~bright], axis=0), np.median(y[bright], axis=0)
    slope = (y_bright - y_dim) / (x_bright - x_dim)
    return slope, y_dim - slope * x_dim


def _noise(x: Floats, residual: Floats, bins: list[slice]) -> tuple[Floats, Floats]:
    """Return floor and growth of the residuals' variance, from their median size in bins of brightness."""
    where = np.array([np.maximum(x[part], 0.0).mean() for part in bins])
    size = np.abs(residual)
    spread = np.array([(_MAD * np.median(size[part], axis=0)) ** 2 for part in bins])
    count = np.array([part.stop - part.start for part in bins], dtype=np.float64)
    whole = (count @ spread) / count.sum()
    least = np.maximum(whole * 1e-6, 1e-24)
    if len(bins) < 2 or not np.ptp(where) > 0:
        return np.maximum(whole, least), np.zeros_like(whole)
    # A bin's variance is known to within a fixed share of itself, so the bins are weighted by 1 / variance squared.
    weight = count[:, None] / (spread + 0.01 * whole + least) ** 2
    growth, floor = _weighted_lines(where, spread, weight, (np.zeros_like(whole), whole))
    flat = growth <= 0
    growth = np.where(flat, 0.0, growth)
    floor = np.where(flat, (weight * spread).sum(axis=0) / weight.sum(axis=0), floor)
    # Where the line would start below zero, the dimmest bin is an upper bound of the floor.
    return np.maximum(np.where(floor <= 0, 0.1 * spread[0], floor), least), growth


def _bins(sorted_x: Floats) -> list[slice]:
    """Return slices of the sorted events: half the edges by count, half by brightness, none with less than 8 events."""
    size = sorted_x.size
    by_count = np.linspace(0, size, _BINS // 2 + 1).astype(int)
    by_range = np.searchsorted(sorted_x, np.linspace(sorted_x[0], sorted_x[-1], _BINS // 2 + 1))
    edges = [0]
    for edge in np.unique(np.concatenate([by_count, by_range])).tolist():
        if edge - edges[-1] >= 8 and size - edge >= 8:
            edges.append(edge)
    return [slice(a, b) for a, b in zip(edges, [*edges[1:], size], strict=True)]


def _weighted_lines(x: Floats, y: Floats, weight: Floats, otherwise: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return slope and intercept of every column by weighted least squares, or what they were where none has a say."""
    total = weight.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    x_mean, y_mean = (x @ weight) / safe, (weight * y).sum(axis=0) / safe
    away = weight * (x[:, None] - x_mean)
    leverage = (away * (x[:, None] - x_mean)).sum(axis=0)
    good = (total > 0) & (leverage > 0)
    slope = (away * (y - y_mean)).sum(axis=0) / np.where(good, leverage, 1.0)
    return np.where(good, slope, otherwise[0]), np.where(good, y_mean - slope * x_mean, otherwise[1])


# A robust straight line.

# Tukey's biweight at this many robust standard deviations has 95 % efficiency under normal errors.
_CUT = 4.685
_MAD_TO_SD = 1.4826


def robust_line(x: NDArray[np.floating], y: NDArray[np.floating], iterations: int = 30) -> tuple[float, float, float]:
    """Return slope, intercept and relative spread of ``y = intercept + slope x`` with residuals that grow with x.

    x, y: (events,), x positive. The spread is the robust standard deviation of residual / x. Iteratively reweighted
    least squares with Tukey's biweight, started from the median ratio (Huber & Ronchetti 2009). Raises ValueError for
    fewer than 10 points or no spread in x.

    >>> x = np.linspace(1, 100, 200)
    >>> y = 2 * x
    >>> y[:20] = 500.0
    >>> [round(value, 6) for value in robust_line(x, y)]
    [2.0, 0.0, 0.0]
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.size < 10 or np.ptp(x) == 0 or not (x > 0).all():
        raise ValueError("a robust line needs at least 10 points with different, positive x")
    # Dividing by x turns y = a + b x into y / x = b + a (1 / x), with residuals of one size.
    ratio, inverse = (np.asarray(values, dtype=np.float64) for values in (y / x, 1.0 / x))
    if is_compiled_at_hand() and np.isfinite(ratio).all() and np.isfinite(inverse).all():
        from immunomon.cytometry.kernels.line_rounds import line_rounds

        return line_rounds(ratio, inverse, iterations)
    return _line_rounds(ratio, inverse, iterations)


def _line_rounds(ratio: Floats, inverse: Floats, iterations: int) -> tuple[float, float, float]:
    """Return what ``line_rounds.line_rounds`` returns, without compiled code."""
    slope, intercept, spread = float(np.median(ratio)), 0.0, 0.0
    weight, term, offset = np.empty_like(ratio), np.empty_like(ratio), np.empty_like(ratio)  # memory is dear: once
    for _ in range(iterations):
        residual = np.subtract(ratio, slope, out=weight)
        residual -= np.multiply(inverse, intercept, out=term)
        spread = _MAD_TO_SD * float(np.median(np.abs(residual, out=term), overwrite_input=True))
        if spread <= 1e-12 * max(1.0, abs(slope)):
            break
        residual /= _CUT * spread
        weight = np.subtract(1, np.square(residual, out=residual), out=residual)
        np.square(np.maximum(weight, 0.0, out=weight), out=weight)
        before = slope, intercept
        total = weight.sum()
        mean_inverse = float(np.multiply(weight, inverse, out=term).sum() / total)
        mean_ratio = np.multiply(weight, ratio, out=term).sum() / total
        np.subtract(inverse, mean_inverse, out=offset)
        variance = np.multiply(weight, np.square(offset, out=term), out=term).sum()
        np.multiply(weight, offset, out=term)
        covariance = np.multiply(term, np.subtract(ratio, mean_ratio, out=offset), out=term).sum()
        intercept = float(covariance / variance) if variance > 0 else 0.0
        slope = float(mean_ratio - intercept * mean_inverse)
        # An intercept near 0 is settled when it moves the line no more than the slope does, not in shares of itself.
        least = 1e-6 * abs(slope)
        if abs(before[0] - slope) <= least and abs(before[1] - intercept) * mean_inverse <= least:
            break
    return slope, intercept, spread


def line_errors(
    x: NDArray[np.floating], y: NDArray[np.floating], line: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the standard errors of a robust line's slope, intercept and relative spread.

    x, y: (events,) as given to ``robust_line``; line: what it returned. Those of slope and intercept are the
    M-estimate's own (the sandwich of Huber 1967): they hold where cells of one kind scatter more than those of another,
    as they do; a median absolute deviation has an efficiency of 37 % (Huber & Ronchetti).

    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(1, 100, 1000)
    >>> y = x * (2 + rng.normal(0, 0.1, 1000))
    >>> [round(error, 3) for error in line_errors(x, y, robust_line(x, y))]
    [0.004, 0.044, 0.004]
    """
    spread = line[2]
    if spread <= 0:
        return 0.0, 0.0, 0.0
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    ratio, inverse = np.asarray(y / x), np.asarray(1.0 / x)
    if is_compiled_at_hand():
        from immunomon.cytometry.kernels.line_rounds import line_sums

        kept, extent, sums = line_sums(ratio, inverse, line)
    else:
        kept, extent, sums = _line_sums(ratio, inverse, line)
    if kept < 2 or not extent > 0:
        return 0.0, 0.0, 0.0
    meat, bread = (np.array([[zeroth, first], [first, second]]) for zeroth, first, second in (sums[:3], sums[3:]))
    solved = np.linalg.inv(bread)
    of_slope, of_intercept = spread * np.sqrt(np.diag(solved @ meat @ solved))
    return float(of_slope), float(of_intercept), float(spread / np.sqrt(2 * 0.37 * kept))


def _line_sums(ratio: Floats, inverse: Floats, line: tuple[float, float, float]) -> tuple[int, float, Floats]:
    """Return what ``line_rounds.line_sums`` returns, without compiled code."""
    slope, intercept, spread = line
    residual = ((ratio - slope) - inverse * intercept) / spread
    square = np.square(residual / _CUT)
    kept = square < 1
    if not kept.any():
        return 0, 0.0, np.zeros(6)
    residual, square = np.where(kept, residual, 0.0), np.where(kept, square, 1.0)
    rest = 1 - square
    pull, bend = np.square(residual * np.square(rest)), rest * (1 - 5 * square)
    sums = [(weight * power).sum() for weight in (pull, bend) for power in (1.0, inverse, np.square(inverse))]
    return int(np.count_nonzero(kept)), float(np.ptp(inverse[kept])), np.array(sums)
