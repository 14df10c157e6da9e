"""What files show of their noise, pooled: tops that are no range are seen through, odd channels stop nothing."""

import numpy as np
import pytest

from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.steps.measure_noise import EVENTS, book_of, measure_noise, pool_noise
from immunomon.cytometry.steps.transform import resolve_scales
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GatingStrategy

PLAIN = GatingStrategy("s", "S", 1, None, ())


def table(top, **columns):
    channels = tuple(Channel(f"{name}-A", name, top) for name in columns)
    return EventTable(np.column_stack(list(columns.values())), channels, Scale.COMPENSATED)


def stained(seed=1, noise=100.0, events=4000):
    rng = np.random.default_rng(seed)
    return np.r_[rng.normal(0, noise, events // 2), rng.lognormal(np.log(200 * noise), 0.6, events // 2)]


@pytest.mark.parametrize(
    ("declared", "top"), [(262144.0, 262144.0), (1e7, 1e7), (1024.0, 262144.0), (0.0, 262144.0), (np.inf, 262144.0)]
)
def test_the_top_is_the_range_unless_the_data_lie_plainly_above_it(declared, top):
    assert book_of(table(declared, CD4=stained()), ["CD4"])["CD4", declared].top == top


def test_a_range_that_shows_nothing_of_the_data_is_no_top():
    events = table(2.0**40, CD4=stained())
    scale = resolve_scales(PLAIN, ["CD4"], events, book_of(events, ["CD4"]))["CD4"]
    assert 1e5 < scale.t < 1e7
    shown = scale.apply(np.array([0.0, 250.0, 20_000.0]))
    assert shown[1] - shown[0] < 0.3 < shown[2] - shown[0]


def test_dim_files_of_a_wide_cytometer_keep_its_range():
    events = table(4.19e6, CD4=np.random.default_rng(1).normal(50, 900, 5000))  # nothing above 4,000
    assert book_of(events, ["CD4"])["CD4", 4.19e6].top == 4.19e6


def test_markers_without_values_below_zero_take_the_noise_of_the_others():
    rng = np.random.default_rng(2)
    events = table(262144.0, CD4=stained(1), CD8=stained(2), CD45=rng.lognormal(9, 0.3, 4000))
    book = book_of(events, ["CD4", "CD8", "CD45"])
    assert book["CD45", 262144.0].files == 0
    assert book["CD45", 262144.0].spread == pytest.approx(book["CD4", 262144.0].spread, rel=0.3)


def test_each_range_is_pooled_apart():
    files = [
        measure_noise(table(top, CD4=stained(seed) * top / 262144), ["CD4"])
        for top in (262144.0, 1e7)
        for seed in (1, 2)
    ]
    book = pool_noise(files)
    assert {key: noise.files for key, noise in book.items()} == {("CD4", 262144.0): 2, ("CD4", 1e7): 2}
    assert book["CD4", 1e7].spread == pytest.approx(book["CD4", 262144.0].spread * 1e7 / 262144, rel=0.3)


def test_odd_channels_stop_nothing():
    nothing = np.full(500, np.nan)
    events = table(262144.0, A=nothing, B=np.zeros(500), C=np.full(500, np.inf), D=np.arange(500.0))
    found = {one.name: one for one in measure_noise(events, ["A", "B", "C", "D", "none"])}
    assert list(found) == ["A", "B", "C", "D"]
    assert found["B"].constant
    assert not any(one.measured for one in found.values())
    assert {noise.spread for noise in pool_noise([list(found.values())]).values()} == {None}
    scales = resolve_scales(PLAIN, ["A", "B", "C", "D"], events, book_of(events, ["A", "B", "C", "D"]))
    assert {scale.w for scale in scales.values()} == {0.5}


def test_of_large_files_some_events_are_taken_evenly():
    places = evenly(200_000, EVENTS)
    assert places.size == EVENTS
    assert (places[0], places[-1]) == (0, 199_999)
    assert np.ptp(np.diff(places)) <= 1
    assert evenly(0, EVENTS).size == 0


def test_no_files_have_nothing_in_common():
    assert pool_noise([]) == {}
