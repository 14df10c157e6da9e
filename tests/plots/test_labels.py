"""Names of gates on a plot: none on another, none beyond the plot, each in its own gate, off the crowd."""

import itertools

import numpy as np
import pytest

from immunomon.plots.gating import label_places, wrapped

NOBODY = np.zeros((8, 8))


def _box(left, bottom, right, top):
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


QUARTERS = [_box(x, y, x + 0.5, y + 0.5) for x in (0.0, 0.5) for y in (0.0, 0.5)]


@pytest.mark.parametrize("size", [(0.45, 0.2), (0.3, 0.1)])
def test_labels_of_four_quadrants_lie_in_them_and_not_on_each_other(size):
    places = label_places(QUARTERS, [size] * 4, NOBODY)
    for (x, y), ring in zip(places, QUARTERS, strict=True):
        (left, bottom), (right, top) = ring[0], ring[2]
        assert left < x < right
        assert bottom < y < top
    for (a, b), (c, d) in itertools.combinations(places, 2):
        assert abs(a - c) >= size[0] - 0.07 or abs(b - d) >= size[1] - 0.07  # the width of one place tried


def test_two_labels_of_one_gate_do_not_overprint():
    first, second = label_places([_box(-3, -3, 4, 4)] * 2, [(0.4, 0.2)] * 2, NOBODY)
    assert abs(first[0] - second[0]) > 0.35 or abs(first[1] - second[1]) > 0.15


def test_a_label_avoids_the_crowd_and_the_edge_of_the_plot():
    crowd = np.zeros((10, 10))
    crowd[5:] = 1.0  # all events lie in the upper half
    ((x, y),) = label_places([_box(0, 0, 1, 1)], [(0.3, 0.2)], crowd)
    assert y < 0.5
    assert 0.15 <= x <= 0.85


def test_the_side_below_a_tilted_border_has_its_label_below():
    above, below = [(-4, -4), (4, 4), (4, 9), (-4, 9)], [(-4, -4), (4, 4), (4, -9), (-4, -9)]
    (ax, ay), (bx, by) = label_places([above, below], [(0.3, 0.15)] * 2, NOBODY)
    assert ay > ax
    assert by < bx


def test_a_name_is_broken_between_its_words_only():
    assert wrapped("CD3-CD19-CD20-CD14-CD56dim") == "CD3-CD19-CD20-CD14-CD56dim"
    assert max(map(len, wrapped("CD56- of no lineage").split("\n"))) <= 15
    assert wrapped("") == ""
