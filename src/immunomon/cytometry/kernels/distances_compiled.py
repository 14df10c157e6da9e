"""Distances of events from a middle, compiled: what ``distances`` finds by NumPy in several passes, in one each."""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.compiled import FEW, SAMPLE, middle, window

__all__ = ["above", "median_distance", "within"]


@njit(cache=True, nogil=True, error_model="numpy")
def _median_distance(values: Floats, center: float, room: Floats) -> float:
    size = values.size
    is_even, rank = size % 2 == 0, size // 2
    if size > FEW:
        for i in range(SAMPLE):
            room[i] = abs(values[i * (size - 1) // (SAMPLE - 1)] - center)
        low, high = window(np.sort(room[:SAMPLE]), SAMPLE)
        below = held = 0
        for i in range(size):
            distance = abs(values[i] - center)
            below += distance < low
            room[held] = distance
            held += (distance >= low) & (distance <= high)
        if below < rank < below + held:  # the one before it is there, too
            return middle(room, held, rank - below, is_even)
    for i in range(size):
        room[i] = abs(values[i] - center)
    return middle(room, size, rank, is_even)


def median_distance(values: Floats, center: float) -> float:
    """Return what ``distances.median_distance`` does, of finite values, (events,), at least one."""
    return float(_median_distance(values, center, np.empty(values.size + 1)))


@njit(cache=True, nogil=True, error_model="numpy")
def _within(values: Floats, center: float, reach: float, room: Floats) -> int:
    held = 0
    for i in range(values.size):
        room[held] = values[i]
        held += abs(values[i] - center) < reach
    return held


def within(values: Floats, center: float, reach: float) -> Floats:
    """Return what ``distances.within`` does."""
    room = np.empty(values.size + 1)
    return room[: _within(values, center, reach, room)]


@njit(cache=True, nogil=True, error_model="numpy")
def _above(values: Floats, least: float, room: Floats) -> int:
    held = 0
    for i in range(values.size):
        room[held] = values[i] - least
        held += values[i] >= least
    return held


def above(values: Floats, least: float) -> Floats:
    """Return what ``distances.above`` does."""
    room = np.empty(values.size + 1)
    return room[: _above(values, least, room)]
