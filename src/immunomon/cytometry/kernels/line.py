"""A robust straight line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["line_errors", "robust_line"]

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
    ratio, inverse = y / x, 1.0 / x
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
        mean_inverse = np.multiply(weight, inverse, out=term).sum() / total
        mean_ratio = np.multiply(weight, ratio, out=term).sum() / total
        np.subtract(inverse, mean_inverse, out=offset)
        variance = np.multiply(weight, np.square(offset, out=term), out=term).sum()
        np.multiply(weight, offset, out=term)
        covariance = np.multiply(term, np.subtract(ratio, mean_ratio, out=offset), out=term).sum()
        intercept = float(covariance / variance) if variance > 0 else 0.0
        slope = float(mean_ratio - intercept * mean_inverse)
        if abs(before[0] - slope) <= 1e-6 * abs(slope) and abs(before[1] - intercept) <= 1e-6 * abs(intercept):
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
    slope, intercept, spread = line
    if spread <= 0:
        return 0.0, 0.0, 0.0
    inverse = 1.0 / np.asarray(x, dtype=np.float64)
    residual = (np.asarray(y, dtype=np.float64) * inverse - slope - intercept * inverse) / spread
    square = (residual / _CUT) ** 2
    kept = square < 1
    inverse, residual, square = inverse[kept], residual[kept], square[kept]
    if inverse.size < 2 or np.ptp(inverse) == 0:
        return 0.0, 0.0, 0.0
    pull, bend = (residual * (1 - square) ** 2) ** 2, (1 - square) * (1 - 5 * square)
    meat, bread = (
        np.array([[weight.sum(), weight @ inverse], [weight @ inverse, weight @ inverse**2]]) for weight in (pull, bend)
    )
    solved = np.linalg.inv(bread)
    of_slope, of_intercept = spread * np.sqrt(np.diag(solved @ meat @ solved))
    return float(of_slope), float(of_intercept), float(spread / np.sqrt(2 * 0.37 * inverse.size))
