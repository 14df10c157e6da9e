"""Where an axis is marked: decades on a logicle or asinh axis, round numbers on a linear one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from immunomon.cytometry.model.scales import DisplayScale

__all__ = ["Tick", "axis_ticks"]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LABEL_APART = 0.085  # of the axis: nearer labels would touch
_TICK_APART = 0.006


@dataclass(frozen=True)
class Tick:
    """One mark: its display coordinate, and its label; a minor tick has none."""

    coordinate: float
    label: str = ""


def axis_ticks(scale: DisplayScale, low: float, high: float) -> tuple[Tick, ...]:
    """Return the ticks between two display coordinates, from low to high.

    Labels never stand so near that they touch; what loses its label stays as a minor tick.

    >>> from immunomon.cytometry.model.scales import Identity, Logicle
    >>> [tick.label for tick in axis_ticks(Identity(), 0.0, 262144.0) if tick.label]
    ['0', '50K', '100K', '150K', '200K', '250K']
    >>> [tick.label for tick in axis_ticks(Logicle(), 0.0, 1.0) if tick.label]
    ['-10²', '0', '10²', '10³', '10⁴', '10⁵']
    """
    bottom, top = (float(value) for value in scale.inverse(np.array([low, high])))
    if not (math.isfinite(bottom) and math.isfinite(top) and bottom < top and low < high):
        return ()
    candidates = _decades(bottom, top) if scale.kind in {"logicle", "asinh"} else _round_numbers(bottom, top)
    places = scale.apply(np.array([value for value, _ in candidates], dtype=np.float64))
    return _thinned(
        [(float(coordinate), label) for coordinate, (_, label) in zip(places, candidates, strict=True)], low, high
    )


def _decades(bottom: float, top: float) -> list[tuple[float, str]]:
    """Return values and labels, the most telling first: zero, decades from high to low, their multiples."""
    exponents = range(math.ceil(math.log10(max(abs(bottom), abs(top), 10.0))), 0, -1)
    majors = [(0.0, "0"), *((10.0**k, f"10{str(k).translate(_SUPERSCRIPT)}") for k in exponents)]
    majors += [(-value, f"-{label}") for value, label in majors[1:]]
    minors = [(sign * step * 10.0**k, "") for k in exponents for step in range(2, 10) for sign in (1.0, -1.0)]
    return [(value, label) for value, label in majors + minors if bottom <= value <= top]


def _round_numbers(bottom: float, top: float) -> list[tuple[float, str]]:
    rough = (top - bottom) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * min((1.0, 2.0, 2.5, 5.0, 10.0), key=lambda factor: abs(math.log(factor * unit / rough)))
    first, last = math.ceil(bottom / step), math.floor(top / step + 1e-9)
    return [(step_number * step, _short(step_number * step)) for step_number in range(first, last + 1)]


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _thinned(candidates: list[tuple[float, str]], low: float, high: float) -> tuple[Tick, ...]:
    extent = high - low
    kept: list[Tick] = []
    for coordinate, label in candidates:
        if not low - 1e-9 * extent <= coordinate <= high + 1e-9 * extent:
            continue
        gaps = [(abs(coordinate - tick.coordinate) / extent, tick.label) for tick in kept]
        shown = label if all(gap >= _LABEL_APART for gap, neighbour in gaps if neighbour) else ""
        if all(gap >= _TICK_APART for gap, _ in gaps):
            kept.append(Tick(coordinate, shown))
    return tuple(sorted(kept, key=lambda tick: tick.coordinate))
