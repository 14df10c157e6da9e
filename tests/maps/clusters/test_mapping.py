import sys

import numpy as np
import pytest

from immunomon.errors import ImmunomonError
from immunomon.maps.clusters.mapping import MapSettings, cluster_events, communities, train_map
from immunomon.maps.kernels.metaclusters import distances_between


def blobs(seed=1, sizes=(4000, 2500, 1500, 40)):
    rng = np.random.default_rng(seed)
    centres = np.array([[0.2, 0.2, 0.2], [0.8, 0.2, 0.2], [0.2, 0.8, 0.3], [0.9, 0.9, 0.9]])
    label = rng.permutation(np.repeat(np.arange(4), sizes))
    return (centres[label] + 0.04 * rng.normal(size=(label.size, 3))).astype(np.float32), label


def test_known_groups_are_found_the_rare_one_too_and_numbered_by_size():
    values, label = blobs()
    found, trained = cluster_events(values, MapSettings(grid=(7, 7)))
    assert trained.count == 4
    assert (found == label).mean() > 0.999


def test_leiden_finds_them_too():
    values, label = blobs()
    found, _ = cluster_events(values, MapSettings(grid=(7, 7), method="leiden"))
    assert (found == label).mean() > 0.999


def test_the_map_does_not_depend_on_the_number_of_workers():
    values, _ = blobs()
    parts = [lambda part=part: part for part in np.array_split(values, 11)]
    maps = [train_map(parts, MapSettings(grid=(6, 6), jobs=jobs)) for jobs in (1, 2, 5)]
    assert {one.codes.tobytes() for one in maps} == {maps[0].codes.tobytes()}
    assert {one.metaclusters.tobytes() for one in maps} == {maps[0].metaclusters.tobytes()}


def test_parts_without_events_do_no_harm():
    values, _ = blobs()
    empty = values[:0]
    one = train_map([lambda: values, lambda: empty], MapSettings(grid=(5, 5)))
    assert one.counts.sum() == len(values)


def test_fewer_events_than_nodes_are_refused():
    with pytest.raises(ImmunomonError, match="50 events are too few for a map of 196 nodes"):
        cluster_events(blobs()[0][:50])


def test_communities_are_the_same_for_a_seed_and_split_what_is_apart():
    points = np.random.default_rng(1).normal(size=(60, 3)) + 6 * (np.arange(60) >= 30)[:, None]
    distances = distances_between(points)
    once, again = (communities(distances, reach=3.0, seed=4) for _ in range(2))
    assert (once == again).all()
    assert not set(once[:30]) & set(once[30:])


def test_without_leidenalg_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(ImmunomonError, match=r'pip install "immunomon\[leiden\]"'):
        communities(np.zeros((2, 2)), reach=1.0, seed=1)
