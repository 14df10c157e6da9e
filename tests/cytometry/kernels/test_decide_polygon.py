"""A polygon of many corners, looked at by cells first, holds the events that it holds event for event."""

import numpy as np
import pytest

from immunomon.cytometry.kernels import decide_polygon as polygons
from immunomon.cytometry.kernels.decide_polygon import decide_polygon
from immunomon.cytometry.kernels.membership import in_polygon

ANGLES = 2 * np.pi * (np.arange(48) + 0.5) / 48


def round_about(rng):
    return np.column_stack([np.cos(ANGLES), np.sin(ANGLES)]) * rng.uniform(0.7, 1.3, (48, 1))


def star(rng):
    return np.column_stack([np.cos(ANGLES), np.sin(ANGLES)]) * np.where(np.arange(48) % 2, 0.2, 1.0)[:, None]


def crossing_itself(rng):
    return rng.normal(0.0, 0.6, (12, 2))


def steps(rng):
    corners = np.cumsum(np.tile([[0.2, 0.0], [0.0, 0.2]], (6, 1)), axis=0) - 1.0
    return np.vstack([corners, [[corners[-1, 0], -1.0]]])


def nearly_flat(rng):
    return np.column_stack([np.linspace(-1, 1, 12), 1e-9 * rng.uniform(-1, 1, 12)])


def huge_and_small(rng):
    return np.column_stack([1e9 * np.cos(ANGLES), 1e-3 * np.sin(ANGLES)])


@pytest.mark.parametrize("bound", [0.0, 1e-6, 2e-2])
@pytest.mark.parametrize("shape", [round_about, star, crossing_itself, steps, nearly_flat, huge_and_small])
def test_cells_change_no_membership(shape, bound, monkeypatch):
    rng = np.random.default_rng(7)
    corners = shape(rng)
    extent = np.ptp(corners, axis=0)
    exact = corners.mean(axis=0) + rng.normal(0.0, 0.45, (40_000, 2)) * extent
    exact[:48] = np.resize(corners, (48, 2))
    exact[48:96] = np.resize((corners + np.roll(corners, 1, axis=0)) / 2, (48, 2))
    exact[96:100] = [[np.nan, 0.0], [0.0, np.nan], [np.inf, 0.0], [0.0, -np.inf]]
    bounds = bound * extent
    rough = exact + rng.uniform(-0.999, 0.999, exact.shape) * bounds
    parent = rng.random(40_000) < 0.8
    columns = [(np.ascontiguousarray(rough[:, axis]), float(bounds[axis])) for axis in (0, 1)]
    inside, asked = decide_polygon(parent, *columns, corners)
    found = inside.copy()
    found[asked] = in_polygon(exact[asked, 0], exact[asked, 1], corners)
    assert np.array_equal(found, parent & in_polygon(exact[:, 0], exact[:, 1], corners))
    monkeypatch.setattr(polygons, "_MANY_EVENTS", 10**9)
    without, asked_without = decide_polygon(parent, *columns, corners)
    assert np.array_equal(inside[without], np.ones(np.count_nonzero(without), dtype=bool))
    assert set(asked.tolist()) <= set(asked_without.tolist())
