import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.cytometry.kernels.regions import clip_to_box

BOX = np.array([[-1.0, 2.0], [-1.0, 2.0]])


@given(st.integers(0, 200), st.integers(3, 8))
def test_a_clipped_polygon_holds_what_the_polygon_holds_inside_the_box(seed, corners):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-5, 6, (corners, 2))
    points = rng.uniform(-0.99, 1.99, (300, 2)).T
    clipped = clip_to_box(polygon, BOX)
    inside = in_polygon(*points, polygon)
    if len(clipped) < 3:
        assert not inside.any()
    else:
        assert (in_polygon(*points, clipped) == inside).all()
        assert clipped.min() >= -1.0
        assert clipped.max() <= 2.0


def test_open_sides_cut_nothing():
    polygon = np.array([[0.0, 0.0], [1e9, 0.0], [0.0, 1e9]])
    assert (clip_to_box(polygon, np.full((2, 2), [-np.inf, np.inf])) == polygon).all()
