import numpy as np

from immunomon.maps.kernels.projection import place_among


def place(positions, apart):
    positions = np.asarray(positions, dtype=np.float32)
    rows = np.arange(len(positions), dtype=np.int32)[None, :]
    return place_among(rows, np.asarray(apart, dtype=np.float32)[None, :], positions)[0]


def test_equally_near_neighbours_place_a_point_in_their_middle():
    np.testing.assert_allclose(place([[0, 0], [2, 0], [0, 2], [2, 2]], [1, 1, 1, 1]), [1, 1])


def test_a_point_lies_nearer_to_a_nearer_neighbour():
    x, y = place([[0, 0], [2, 0], [1, 1]], [0.1, 1.0, 1.0])
    assert x < 1
    assert y < 1 / 3


def test_a_point_lies_on_the_island_of_most_neighbours_and_not_between_islands():
    rng = np.random.default_rng(1)
    near, other = rng.normal(0, 0.1, (9, 2)), rng.normal(50, 0.1, (6, 2))
    assert np.abs(place(np.concatenate([near, other]), np.ones(15))).max() < 0.3


def test_moving_the_map_moves_the_points_with_it():
    rng = np.random.default_rng(2)
    positions, apart = rng.normal(size=(15, 2)), np.sort(rng.uniform(0.1, 1, 15))
    np.testing.assert_allclose(place(positions + 7, apart), place(positions, apart) + 7, atol=1e-5)


def test_neighbours_that_are_all_the_same_place_a_point_upon_them():
    np.testing.assert_allclose(place([[3, 4]] * 15, [0] * 15), [3, 4])
