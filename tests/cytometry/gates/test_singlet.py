import numpy as np
import pytest

from immunomon.cytometry.gates.singlet import Singlet
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel

SCALES = {"FSC-A": Identity(), "FSC-H": Identity()}


def cells(seed=1, singles=4000, doublets=200):
    rng = np.random.default_rng(seed)
    area = rng.lognormal(np.log(8e4), 0.3, singles)
    height = 0.8 * area * (1 + rng.normal(0, 0.02, singles))
    pairs = rng.choice(area, doublets) + rng.choice(area, doublets)
    values = np.column_stack(
        [np.append(area, pairs), np.append(height, 0.8 * pairs * rng.uniform(0.62, 0.75, doublets))]
    )
    return EventTable(values, (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY), singles


def test_single_cells_are_kept_and_doublets_left_out():
    events, singles = cells()
    inside = Singlet().fit(events, SCALES).regions["inside"].contains(events)
    assert inside[:singles].mean() > 0.995
    assert inside[singles:].mean() < 0.02


def test_the_gate_goes_with_the_gain():
    events, _ = cells()
    louder = EventTable(events.values * 1.7, events.channels, Scale.DISPLAY)
    one = Singlet().fit(events, SCALES).regions["inside"].contains(events)
    other = Singlet().fit(louder, SCALES).regions["inside"].contains(louder)
    assert (one == other).mean() > 0.999


def test_singlets_on_a_logarithmic_scale_are_refused():
    events, _ = cells()
    with pytest.raises(GateNotPlaced, match="linear scale"):
        Singlet().fit(events, {"FSC-A": Logicle(), "FSC-H": Identity()})


def test_events_without_pulses_are_refused():
    events = EventTable(np.zeros((500, 2)), (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY)
    with pytest.raises(GateNotPlaced, match="only 0 events with positive FSC-A and FSC-H"):
        Singlet().fit(events, SCALES)


def test_pulses_of_one_size_have_no_line():
    events = EventTable(
        np.tile([[5e4, 4e4], [6e4, 5e4]], (200, 1)), (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY
    )
    with pytest.raises(GateNotPlaced, match="robust line"):
        Singlet().fit(events, SCALES)


def test_the_errors_of_the_line_are_those_of_fresh_samples_where_cells_scatter_unequally():
    made = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        area = np.append(rng.lognormal(np.log(3e4), 0.3, 1000), rng.lognormal(np.log(9e4), 0.2, 3000))
        spread = np.append(np.full(1000, 0.05), np.full(3000, 0.02))
        values = np.column_stack([area, 0.8 * area * (1 + rng.normal(0, spread)) + 150])
        made.append(Singlet().fit(EventTable(values, (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY), SCALES))
    for name in ("slope", "intercept"):
        scatter = np.std([placement.facts[name] for placement in made])
        assert np.mean([placement.errors[name] for placement in made]) == pytest.approx(scatter, rel=0.3)


def test_doublets_that_look_like_single_cells_are_within_what_is_said_to_be_unseen():
    rng = np.random.default_rng(3)
    sizes = np.append(rng.lognormal(np.log(8e4), 0.2, 20_000), rng.lognormal(np.log(2e4), 0.5, 5000))
    heights = 0.8 * sizes * (1 + rng.normal(0, 0.025, sizes.size))
    one, other = rng.choice(sizes.size, (2, 1500))
    pairs = np.column_stack([sizes[one] + sizes[other], np.maximum(heights[one], heights[other])])
    values = np.vstack([np.column_stack([sizes, heights]), pairs])
    events = EventTable(values, (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY)
    placement = Singlet(below=5, above=5.5).fit(events, SCALES)
    inside = placement.regions["inside"].contains(events)
    hidden = inside[sizes.size :].sum() / inside.sum()
    assert 0.001 < hidden < 1.96 * placement.facts["unseen"] < 20 * hidden


def test_without_doublets_nothing_is_unseen():
    events, _ = cells(singles=20_000, doublets=0)
    assert Singlet(below=5, above=5.5).fit(events, SCALES).facts["unseen"] == 0


def many_doublets(seed=4, share=0.3, singles=8000):
    """Cells of which so large a share of events are doublets that these widen the robust spread."""
    rng = np.random.default_rng(seed)
    area = rng.lognormal(np.log(8e4), 0.25, singles)
    height = 0.8 * area * (1 + rng.normal(0, 0.025, singles))
    pairs = rng.choice(area, int(singles * share / (1 - share))) + rng.choice(area, int(singles * share / (1 - share)))
    values = np.column_stack(
        [np.append(area, pairs), np.append(height, 0.68 * pairs * (1 + rng.normal(0, 0.03, pairs.size)))]
    )
    return EventTable(values, (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY), singles


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
def test_the_band_ends_before_the_crowd_of_doublets_however_many_they_are(share):
    events, singles = many_doublets(share=share)
    placement = Singlet(below=5, above=5.5).fit(events, SCALES)
    inside = placement.regions["inside"].contains(events)
    assert inside[:singles].mean() > 0.98
    assert inside[singles:].mean() < 0.15
    assert placement.facts["below"] < 5


def test_the_band_is_as_wide_as_declared_where_no_crowd_reaches_into_it():
    for seed in range(5):
        for doublets in (0, 200, 400):
            assert Singlet(below=5).fit(cells(seed, doublets=doublets)[0], SCALES).facts["below"] == 5


def test_larger_cells_whose_height_is_a_little_less_for_their_area_are_no_doublets():
    rng = np.random.default_rng(5)
    area = np.append(rng.lognormal(np.log(6e4), 0.1, 5000), rng.lognormal(np.log(1e5), 0.1, 3000))
    height = np.append(np.full(5000, 0.8), np.full(3000, 0.77)) * area * (1 + rng.normal(0, 0.02, area.size))
    events = EventTable(np.column_stack([area, height]), (Channel("FSC-A"), Channel("FSC-H")), Scale.DISPLAY)
    assert Singlet(below=5).fit(events, SCALES).regions["inside"].contains(events).mean() > 0.99


def test_a_band_kept_before_its_reach_was_a_fact_is_drawn_as_declared():
    placement = Singlet(below=5).fit(cells()[0], SCALES)
    older = {name: value for name, value in placement.facts.items() if name != "below"}
    assert Singlet(below=5).at(older, SCALES) == placement.regions
