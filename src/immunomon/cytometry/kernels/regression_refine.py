"""Spillover from single stains: each control is compensated, what still rises with its stain is put into the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.regression import Lines, robust_lines
from immunomon.cytometry.kernels.unmixing import weighted_unmixing

__all__ = ["Refined", "refine_spillover", "slopes_into"]

_SHAPING_ROUNDS = 4  # in which a spectrum takes up light that no fluorochrome explains; then only slopes are levelled


@dataclass(frozen=True, eq=False)
class Refined:
    """The matrix found, (fluorochromes, detectors), and what still rises with a stain in the compensated controls.

    residual: (fluorochromes, fluorochromes), slope of each other's compensated signal; unexplained: (fluorochromes,
    detectors), slope of light that no fluorochrome explains (a square matrix explains all: no columns); per_control:
    (controls, fluorochromes), residual slopes of each control alone; history: the largest slope of every iteration.
    """

    values: Floats
    residual: Floats
    unexplained: Floats
    per_control: Floats
    history: tuple[float, ...]
    converged: bool


def refine_spillover(
    controls: Sequence[NDArray[np.floating]],
    stains: Sequence[int],
    own: Sequence[int],
    *,
    detector_weights: NDArray[np.floating] | None = None,
    own_light: NDArray[np.floating] | None = None,
    tolerance: float = 1e-4,
    most_iterations: int = 60,
) -> Refined:
    """Return the spillover of every fluorochrome, refined until no slope in the compensated controls is left.

    controls: one (events, detectors) each; stains: the fluorochrome of each control; own: the detector of each
    fluorochrome, in which its light is 1; own_light: (detectors,), the spectrum of unstained cells, or (kinds,
    detectors) of several kinds. They are more rows of the result, the last ones, and not levelled: their amount may go
    with a stain, as large cells carry more of both.
    Several controls of one fluorochrome are pooled by the precision of their slopes. Raises SingularSpillover if two
    fluorochromes cannot be told apart. After Roca et al., Nat Commun 2021;12:2890.

    >>> x = np.linspace(0, 1000, 64)
    >>> a, b = np.stack([x, 0.2 * x], axis=1), np.stack([0.05 * x, x], axis=1)
    >>> refine_spillover([a, b], [0, 1], [0, 1]).values.round(4).tolist()
    [[1.0, 0.2], [0.05, 1.0]]
    """
    events = [np.asarray(control, dtype=np.float64) for control in controls]
    values = _first(events, stains, own)
    dyes = len(own)
    if own_light is not None:
        values = np.concatenate([values, np.atleast_2d(np.asarray(own_light, dtype=np.float64))])
    history: list[float] = []
    shaping = _SHAPING_ROUNDS if values.shape[0] < values.shape[1] else 0
    starts: list[Floats | None] = [None] * len(events)
    step = 1.0
    while True:
        weights = weighted_unmixing(values, detector_weights)
        each = [
            _left_over(control, values, weights, stain=stain, light=shaping > 0, start=start)
            for control, stain, start in zip(events, stains, starts, strict=True)
        ]
        left = _pooled(each, stains, len(own))
        residual, unexplained = left[:, :dyes], left[:, values.shape[0] :]
        history.append(float(np.abs(residual).max(initial=0.0)))
        if not shaping and (history[-1] < tolerance or len(history) >= most_iterations):
            break
        if not shaping:
            starts = [lines.intercept for lines in each]  # a line begun where it was does not jump to another one
            step = step / 2 if len(history) > 1 and history[-1] > 0.8 * history[-2] else min(1.0, 1.5 * step)
        change = step * residual @ values[:dyes]
        values[:dyes] += change + unexplained if shaping else change
        if own_light is not None:
            # Of the main kind only: a narrow spectrum of another may be a dye's neighbour and would take its light.
            values[:dyes] = _without_own_light(values[:dyes], values[dyes])
        values[:dyes] /= values[np.arange(dyes), list(own)][:, None]
        shaping = max(shaping - 1, 0)
    light = [
        _left_over(control, values, weights, stain=stain, light=True, start=None).slope
        for control, stain in zip(events, stains, strict=True)
    ]
    alone = np.array([lines.slope[:dyes] for lines in each])
    unexplained = _mean_rows([row[values.shape[0] :] for row in light], stains, dyes)
    return Refined(values, residual, unexplained, alone, tuple(history), history[-1] < tolerance)


def slopes_into(
    signals: Sequence[NDArray[np.floating]],
    regressors: Sequence[NDArray[np.floating]],
    stains: Sequence[int],
    dyes: int,
) -> Floats:
    """Return how much of each fluorochrome's light is in detectors that are nobody's own, (fluorochromes, others).

    signals: each control's compensated signals, (events, fluorochromes); regressors: those
    detectors' raw values, (events, others); stains: the fluorochrome of each control. Controls of one fluorochrome are
    pooled by precision.

    >>> x = np.linspace(0, 1000, 64)
    >>> slopes_into([x[:, None]], [np.stack([0.3 * x + 5, 0 * x], axis=1)], [0], 1).round(6).tolist()
    [[0.3, 0.0]]
    """
    each = []
    for signal, regressor, stain in zip(signals, regressors, stains, strict=True):
        lines = robust_lines(np.asarray(signal, dtype=np.float64)[:, stain], np.asarray(regressor, dtype=np.float64))
        each.append(_Left(lines.slope, lines.precision, lines.intercept))
    return _pooled(each, stains, dyes)


@dataclass(frozen=True, eq=False)
class _Left:
    slope: Floats
    precision: Floats
    intercept: Floats


def _first(events: Sequence[Floats], stains: Sequence[int], own: Sequence[int]) -> Floats:
    each = []
    for control, stain in zip(events, stains, strict=True):
        lines = robust_lines(control[:, own[stain]], control)
        each.append(_Left(lines.slope, lines.precision, lines.intercept))
    values = _pooled(each, stains, len(own))
    values[np.arange(len(own)), list(own)] = 1.0
    return values


def _left_over(
    control: Floats, values: Floats, weights: Floats, *, stain: int, light: bool, start: Floats | None
) -> _Left:
    """Return slopes on the compensated stain: of the others' signals, then of unexplained light if that is asked for.

    start: the intercepts of the others' lines in the last round.
    """
    signal = control @ weights
    unexplained = control - signal @ values if light and weights.shape[0] != weights.shape[1] else signal[:, :0]
    regressors = np.concatenate([np.delete(signal, stain, axis=1), unexplained], axis=1)
    begin = None if start is None else np.delete(start, stain)[: regressors.shape[1]]
    if begin is not None and begin.size != regressors.shape[1]:
        begin = None
    lines = robust_lines(signal[:, stain], regressors, None if begin is None else (np.zeros_like(begin), begin))
    return _Left(
        *(np.insert(part, stain, own_value) for part, own_value in zip(_parts(lines), (0.0, 1.0, 0.0), strict=True))
    )


def _parts(lines: Lines) -> tuple[Floats, Floats, Floats]:
    return lines.slope, lines.precision, lines.intercept


def _pooled(each: Sequence[_Left], stains: Sequence[int], fluorochromes: int) -> Floats:
    """Return the mean slopes of each fluorochrome's controls, weighted by their precision."""
    pooled = np.zeros((fluorochromes, each[0].slope.size))
    for stain in range(fluorochromes):
        mine = [lines for lines, own_stain in zip(each, stains, strict=True) if own_stain == stain]
        precisions = np.maximum(np.array([lines.precision for lines in mine]), 1e-300)
        pooled[stain] = (np.array([lines.slope for lines in mine]) * precisions).sum(axis=0) / precisions.sum(axis=0)
    return pooled


def _without_own_light(values: Floats, own_light: Floats) -> Floats:
    """Return spectra less the own light in them: what the lower quarter of the detectors, weighted by it, has of it.

    Unmixing gives the stains the same signals whatever amount is chosen. A dye only adds light, to some detectors.
    """
    light = np.maximum(own_light, 0.0)
    bright = light > 0.05 * light.max()
    cleaned = values.copy()
    for row in range(values.shape[0]):
        ratio = values[row, bright] / light[bright]
        order = np.argsort(ratio, kind="stable")
        share = np.cumsum(light[bright][order])
        cleaned[row] -= ratio[order][np.searchsorted(share, share[-1] / 4)] * own_light
    return cleaned


def _mean_rows(rows: Sequence[Floats], stains: Sequence[int], fluorochromes: int) -> Floats:
    return np.array(
        [
            np.mean([row for row, own_stain in zip(rows, stains, strict=True) if own_stain == stain], axis=0)
            for stain in range(fluorochromes)
        ]
    )
