"""How sure a place in a density is: the histogram's counts are drawn again many times, all at once.

Nothing is fitted from scratch: each replicate is smoothed as the original was, and its valley or peak is looked for
near the one that was found (bootstrap, Efron 1979; Poisson counts, Hanley & MacGibbon 2006).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.density import Mode, Profile, gaussian_kernel

__all__ = ["REPLICATES", "peak_error", "quantile_error", "redrawn", "valley_error"]

REPLICATES = 100
# Bins of a fifth of the bandwidth are fine enough for an error, and fewer bins are faster.
_BINS_PER_BANDWIDTH = 5
# A Poisson count of more than these is as good as normal, and drawn ten times faster.
_MANY = 40


def redrawn(counts: Floats, rng: np.random.Generator, kernel: Floats | None = None) -> Floats:
    """Return replicates of a histogram with Poisson counts, smoothed by the kernel if there is one.

    counts: (bins,); kernel: (an odd number,), shorter than the histogram. Result: (100, bins).

    >>> drawn = redrawn(np.full(50, 100.0), np.random.default_rng(1))
    >>> drawn.shape, bool(abs(drawn.mean() - 100) < 1)
    ((100, 50), True)
    """
    drawn = np.empty((REPLICATES, counts.size), dtype=np.float64)
    is_large = counts > _MANY
    drawn[:, ~is_large] = rng.poisson(counts[~is_large], (REPLICATES, int((~is_large).sum())))
    drawn[:, is_large] = counts[is_large] + np.sqrt(counts[is_large]) * rng.standard_normal(
        (REPLICATES, int(is_large.sum()))
    )
    if kernel is None:
        return drawn
    size = 1 << (counts.size + kernel.size - 2).bit_length()
    smooth = np.fft.irfft(np.fft.rfft(drawn, size, axis=1) * np.fft.rfft(kernel, size), size, axis=1)
    start = (kernel.size - 1) // 2
    return np.maximum(smooth[:, start : start + counts.size], 0.0)


def valley_error(profile: Profile, left: Mode, right: Mode, *, rng: np.random.Generator) -> float:
    """Return the standard error of the valley between two modes, in the values' unit.

    >>> from immunomon.cytometry.kernels.density import modes_of, profile_of
    >>> rng = np.random.default_rng(1)
    >>> few, many = (np.concatenate([rng.normal(0.3, 0.08, n), rng.normal(0.7, 0.08, n)]) for n in (300, 30_000))
    >>> errors = [valley_error(p, *modes_of(p)[:2], rng=rng) for p in (profile_of(few, 0.03), profile_of(many, 0.03))]
    >>> errors[0] > 2 * errors[1]
    True
    """
    counts, kernel, width, inner = _stretch(profile, left.index, right.index)
    smooth = redrawn(counts, rng, kernel)[:, inner]
    noise = 0.5 * np.sqrt(float((kernel**2).sum()))
    return float(np.std(_valleys(np.sqrt(smooth) / noise))) * width


def peak_error(profile: Profile, mode: Mode, *, rng: np.random.Generator) -> float:
    """Return the standard error of a mode's position, in the values' unit: its peak is looked for a bandwidth around.

    >>> from immunomon.cytometry.kernels.density import modes_of, profile_of
    >>> profile = profile_of(np.random.default_rng(1).normal(0.3, 0.05, 2000), 0.02)
    >>> 0 < peak_error(profile, modes_of(profile)[0], rng=np.random.default_rng(2)) < 0.02
    True
    """
    reach = max(1, round(2 * profile.bandwidth / profile.width))
    counts, kernel, width, inner = _stretch(profile, mode.index - reach, mode.index + reach)
    return float(np.std(redrawn(counts, rng, kernel)[:, inner].argmax(axis=1))) * width


def quantile_error(values: NDArray[np.floating], quantile: float) -> float:
    """Return the standard error of an empirical quantile, from the order statistics around it.

    values: (events,), sorted, finite. The ranks one binomial standard deviation below and above bound a 68 % interval
    (Conover 1999, Practical Nonparametric Statistics, 3.2); half its width is returned, infinity for no values.

    >>> round(quantile_error(np.arange(10_000.0), 0.5))
    50
    """
    if values.size == 0:
        return float("inf")
    spread = np.sqrt(values.size * quantile * (1 - quantile))
    places = np.clip((values.size - 1) * quantile + np.array([-spread, spread]), 0, values.size - 1)
    low, high = np.interp(places, np.arange(values.size), values)
    # Ranks beyond the last event are not there: what is left of the interval stands for all of it.
    share = float(np.ptp(places)) / (2 * spread) if spread > 0 else 1.0
    return float(high - low) / 2 / max(share, 0.1)


def _stretch(profile: Profile, first: int, last: int) -> tuple[Floats, Floats, float, slice]:
    """Return the counts around some bins in coarser bins, the kernel and the bins' width there, and where they lie."""
    factor = max(1, int(profile.bandwidth / profile.width / _BINS_PER_BANDWIDTH))
    width = profile.width * factor
    kernel = gaussian_kernel(profile.bandwidth / width)
    margin = (kernel.size // 2 + 1) * factor
    begin = max(0, first - margin)
    end = min(profile.raw.size, last + 1 + margin)
    size = (end - begin) // factor
    counts = profile.raw[begin : begin + size * factor].reshape(size, factor).sum(axis=1)
    inner = slice(max(0, (first - begin) // factor), max(1, (last - begin) // factor + 1))
    return counts, kernel, width, inner


def _valleys(height: Floats, tolerance: float = 1.0) -> Floats:
    """Return the middle of the stretch around each row's minimum that is within the tolerance of it, in bins."""
    bins = np.arange(height.shape[1])
    lowest = height.argmin(axis=1)[:, None]
    far = height > height.min(axis=1, keepdims=True) + tolerance
    start = np.where(far & (bins < lowest), bins, -1).max(axis=1) + 1
    stop = np.where(far & (bins > lowest), bins, bins.size).min(axis=1) - 1
    return np.asarray((start + stop) / 2, dtype=np.float64)
