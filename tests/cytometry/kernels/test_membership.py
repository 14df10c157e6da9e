from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.membership import in_ellipsoid, in_interval, in_polygon

# Small whole numbers put many points exactly on edges and corners.
GRID = st.integers(-4, 4)
CORNERS = st.lists(st.tuples(GRID, GRID), min_size=3, max_size=8)
POINTS = st.lists(st.tuples(GRID, GRID), min_size=1, max_size=40)


def slow_polygon(point, corners):
    """Even-odd rule with exact fractions; the edge belongs to the polygon."""
    px, py = map(Fraction, point)
    odd = False
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        cross = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
        if cross == 0 and min(ax, bx) <= px <= max(ax, bx) and min(ay, by) <= py <= max(ay, by):
            return True
        if (ay > py) != (by > py) and px < ax + (py - ay) * Fraction(bx - ax) / Fraction(by - ay):
            odd = not odd
    return odd


@given(POINTS, CORNERS)
def test_a_polygons_mask_equals_a_slow_exact_oracle(points, corners):
    array = np.array(points, dtype=float)
    mask = in_polygon(array[:, 0], array[:, 1], np.array(corners, dtype=float))
    assert mask.tolist() == [slow_polygon(point, corners) for point in points]


@given(POINTS, CORNERS, st.integers(0, 7))
def test_a_polygon_does_not_depend_on_where_its_corners_start_or_which_way_they_go(points, corners, turn):
    array = np.array(points, dtype=float)
    turned = (corners[turn % len(corners) :] + corners[: turn % len(corners)])[::-1]
    expected = in_polygon(array[:, 0], array[:, 1], np.array(corners, dtype=float))
    assert (in_polygon(array[:, 0], array[:, 1], np.array(turned, dtype=float)) == expected).all()


@given(st.lists(st.floats(allow_nan=True), max_size=50).map(np.array), st.floats(-10, 10), st.floats(-10, 10))
def test_neighbouring_intervals_share_no_event_and_lose_none(values, one, other):
    low, high = sorted((one, other))
    parts = [in_interval(values, *ends) for ends in ((-np.inf, low), (low, high), (high, np.inf))]
    finite = ~np.isnan(values)
    assert (np.sum(parts, axis=0)[finite] == 1).all()
    assert not np.any(np.array(parts)[:, np.isnan(values)])


@given(POINTS, st.floats(0.1, 9), st.floats(0.5, 4), st.floats(-0.4, 0.4))
def test_an_ellipses_mask_equals_its_equation(points, square, spread, tilt):
    array = np.array(points, dtype=float)
    covariance = np.array([[spread, tilt], [tilt, 1.0]])
    mask = in_ellipsoid(array, np.zeros(2), covariance, square)
    inverse = np.linalg.inv(covariance)
    distances = np.array([p @ inverse @ p for p in array])
    clear = np.abs(distances - square) > 1e-9
    assert (mask[clear] == (distances <= square)[clear]).all()


def test_points_that_are_no_numbers_lie_in_no_polygon():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert not in_polygon(np.array([np.nan, 0.5]), np.array([0.5, np.nan]), square).any()


def test_an_open_end_holds_infinity_and_a_closed_one_does_not():
    values = np.array([-np.inf, 0.0, np.inf, np.nan])
    assert in_interval(values, 0.0, np.inf).tolist() == [False, True, True, False]
    assert in_interval(values, -np.inf, 1e300).tolist() == [True, True, False, False]
