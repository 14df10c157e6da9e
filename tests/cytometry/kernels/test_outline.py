import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.grid import grid_of, peaks_of, smoothed
from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.cytometry.kernels.regions import connected, level_of_mass, outline_of, thinned


@given(st.integers(0, 500))
def test_the_outline_of_a_region_holds_its_cells_and_no_others_but_holes(seed):
    rng = np.random.default_rng(seed)
    density = smoothed(rng.random((14, 17)), 1.5)
    place = tuple(int(i) for i in np.unravel_index(int(density.argmax()), density.shape))
    region = connected(density >= np.quantile(density, 0.6), place)
    rows, columns = np.indices(region.shape)
    inside = in_polygon(
        columns.ravel().astype(float), rows.ravel().astype(float), np.array(outline_of(region))
    ).reshape(region.shape)
    assert (inside | ~region).all()
    outside = connected(np.pad(~region, 1, constant_values=True), (0, 0))[1:-1, 1:-1]
    # A cell that touches the outside by a corner only may fall on the border.
    touches = np.pad(outside, 1)[1:-1, 1:-1]
    assert not (inside & touches).any() or (inside & touches).sum() <= 0.1 * region.sum() + 2


def test_a_smoothed_grid_equals_the_slow_sum():
    counts = np.random.default_rng(1).poisson(3, (12, 9)).astype(float)
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.0) ** 2)
    kernel /= kernel.sum()
    slow = np.zeros_like(counts)
    for row in range(12):
        for column in range(9):
            for i in range(12):
                for j in range(9):
                    if abs(row - i) <= 4 and abs(column - j) <= 4:
                        slow[row, column] += counts[i, j] * kernel[row - i + 4] * kernel[column - j + 4]
    np.testing.assert_allclose(smoothed(counts, 1.0), slow, atol=1e-9)


def test_the_level_of_a_mass_leaves_that_mass_above():
    density = np.random.default_rng(2).random((30, 30))
    level = level_of_mass(density, 0.7)
    assert density[density >= level].sum() / density.sum() == pytest.approx(0.7, abs=0.01)


def test_thinning_keeps_the_area():
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = list(zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True))
    few = np.array(thinned(circle, 36))
    x, y = few.T
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert area == pytest.approx(np.pi, rel=0.01)


def test_peaks_near_a_higher_one_are_not_counted():
    rng = np.random.default_rng(3)
    points = np.vstack([rng.normal((0, 0), 0.2, (3000, 2)), rng.normal((3, 1), 0.3, (1000, 2))])
    grid = grid_of(points[:, 0], points[:, 1], 60)
    found = peaks_of(smoothed(grid.counts, 2.0), least=0.05, apart=6)
    places = [(round(float(grid.x[column])), round(float(grid.y[row]))) for row, column in found]
    assert places == [(0, 0), (3, 1)]
