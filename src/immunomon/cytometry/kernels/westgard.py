"""Westgard's rules: what in a series of control values says that a measurement is no longer what it was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RULES", "broken_rules", "control_limits"]

# In the order of the paper; the first is a warning, the others reject.
RULES: tuple[str, ...] = ("1_2s", "1_3s", "2_2s", "R_4s", "4_1s", "10_x")

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def control_limits(values: Floats, *, establish: int | None = None) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation that each value of a series is judged by, both (values,).

    values: in order of time, without gaps. establish: how many values at the start set the limits of all; None for all
    of them, where each value is judged by the others, without itself (leave one out). A value among the first
    ``establish`` is judged without itself too. NaN where fewer than two values are left to judge by.

    >>> mean, sd = control_limits(np.array([1.0, 2.0, 3.0, 9.0]), establish=3)
    >>> mean.tolist(), sd.round(3).tolist()
    ([2.5, 2.0, 1.5, 2.0], [0.707, 1.414, 0.707, 1.0])
    """
    first = values.size if establish is None else min(establish, values.size)
    mean, sd = np.full(values.size, np.nan), np.full(values.size, np.nan)
    if first >= 3:
        places = np.arange(first - 1) + (np.arange(first - 1) >= np.arange(first)[:, None])
        other_values = values[places]  # (first, first - 1): each row without its own value
        mean[:first], sd[:first] = other_values.mean(axis=1), other_values.std(axis=1, ddof=1)
    if first >= 2:
        mean[first:], sd[first:] = values[:first].mean(), values[:first].std(ddof=1)
    return mean, sd


def broken_rules(z: Floats) -> dict[str, Mask]:
    """Return for each of ``RULES`` at which values of a series it is broken, (values,) of bool.

    z: deviations from the mean in standard deviations, in order of time; NaN breaks nothing and interrupts runs. A rule
    about several values is broken at the last of them. 1_2s: beyond 2 SD; 1_3s: beyond 3 SD; 2_2s: two in a row beyond
    2 SD on one side; R_4s: of two in a row one above +2 SD, the other below -2 SD; 4_1s: four in a row beyond 1 SD on
    one side; 10_x: ten in a row on one side of the mean. Westgard, Barry, Hunt and Groth 1981, Clin Chem 27:493.

    >>> {name: np.flatnonzero(found).tolist() for name, found in broken_rules(np.array([0.0, 2.5, -2.2, 3.1])).items()}
    {'1_2s': [1, 2, 3], '1_3s': [3], '2_2s': [], 'R_4s': [2, 3], '4_1s': [], '10_x': []}
    """
    with np.errstate(invalid="ignore"):
        high, low = z > 2, z < -2
        crossed = np.zeros(z.size, dtype=np.bool_)
        crossed[1:] = (high[1:] & low[:-1]) | (low[1:] & high[:-1])
        return {
            "1_2s": high | low,
            "1_3s": np.abs(z) > 3,
            "2_2s": _in_a_row(high, 2) | _in_a_row(low, 2),
            "R_4s": crossed,
            "4_1s": _in_a_row(z > 1, 4) | _in_a_row(z < -1, 4),
            "10_x": _in_a_row(z > 0, 10) | _in_a_row(z < 0, 10),
        }


def _in_a_row(true: Mask, length: int) -> Mask:
    """Say where a value is the last of at least ``length`` true ones in a row."""
    runs = np.zeros(true.size, dtype=np.bool_)
    if true.size >= length:
        runs[length - 1 :] = np.lib.stride_tricks.sliding_window_view(true, length).all(axis=1)
    return runs
