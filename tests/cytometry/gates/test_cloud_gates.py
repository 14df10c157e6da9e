import time

import numpy as np
import pytest

from immunomon.cytometry.gates.contour import Contour
from immunomon.cytometry.gates.density import Valley
from immunomon.cytometry.gates.mixture import Mixture
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Ellipse, Polygon
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel

SCATTER = {"FSC-A": Identity(), "SSC-A": Identity()}
LYMPHOCYTES = (90_000, 29_000)


def blood(seed, lymphocytes=6000, monocytes=1500, dust=400, gain=1.0):
    rng = np.random.default_rng(seed)

    def cloud(count, forward, side, spread):
        return np.exp(rng.normal(np.log([forward, side]), spread, (count, 2)))

    values = np.vstack(
        [
            cloud(lymphocytes, *LYMPHOCYTES, (0.10, 0.15)),
            cloud(monocytes, 139_000, 74_000, (0.10, 0.17)),
            np.column_stack([rng.uniform(5e3, 2.4e5, dust), rng.uniform(3e3, 2.4e5, dust)]),
        ]
    )
    return EventTable(values * gain, (Channel("FSC-A"), Channel("SSC-A")), Scale.DISPLAY)


def scatter_gate(**arguments):
    return Mixture(x="FSC-A", y="SSC-A", near=LYMPHOCYTES, log=True, **arguments)


def test_a_mixture_finds_the_lymphocytes_and_leaves_the_monocytes():
    events = blood(1)
    inside = scatter_gate().fit(events, SCATTER).regions["inside"].contains(events)
    assert inside[:6000].mean() > 0.95
    assert inside[6000:7500].mean() < 0.01


def test_dust_does_not_widen_the_ellipse():
    few, many = (scatter_gate().fit(blood(2, dust=dust), SCATTER).facts for dust in (0, 2000))
    assert many["xx"] == pytest.approx(few["xx"], rel=0.15)
    assert many["center_x"] == pytest.approx(few["center_x"], rel=0.02)


def test_a_mixture_follows_the_gain_of_the_detectors():
    facts = scatter_gate().fit(blood(3, gain=1.15), SCATTER).facts
    assert facts["center_x"] == pytest.approx(1.15 * LYMPHOCYTES[0], rel=0.02)
    assert facts["center_y"] == pytest.approx(1.15 * LYMPHOCYTES[1], rel=0.02)


def test_a_rare_cloud_is_found_where_it_was_said_to_lie():
    events = blood(4, lymphocytes=700, monocytes=6000)
    assert scatter_gate().fit(events, SCATTER).facts["center_y"] == pytest.approx(LYMPHOCYTES[1], rel=0.05)
    densest = Mixture(x="FSC-A", y="SSC-A", log=True).fit(blood(5), SCATTER).facts
    assert densest["center_y"] == pytest.approx(LYMPHOCYTES[1], rel=0.05)


def test_the_polygon_of_a_mixture_on_logarithms_holds_what_the_ellipse_holds():
    events = blood(6)
    placement = scatter_gate(mass=0.8).fit(events, SCATTER)
    facts, polygon = placement.facts, placement.regions["inside"]
    assert isinstance(polygon, Polygon)
    away = np.log(events.values) - np.log([facts["center_x"], facts["center_y"]])
    shape = np.array([[facts["xx"], facts["xy"]], [facts["xy"], facts["yy"]]])
    distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(shape), away)
    assert ((distance <= 4 * (0.2 ** (-2 / 4) - 1)) != polygon.contains(events)).mean() < 0.003


def test_on_display_scales_the_gate_is_an_ellipse():
    rng = np.random.default_rng(7)
    values = np.vstack([rng.normal((0.7, 0.3), 0.05, (3000, 2)), rng.normal((0.2, 0.2), 0.05, (3000, 2))])
    events = EventTable(values, (Channel("V450-A", "CD3"), Channel("PE-A", "CD25")), Scale.DISPLAY)
    scales = {"CD3": Logicle(w=0.7), "CD25": Logicle(w=0.7)}
    near = tuple(float(scales["CD3"].inverse(np.array([place]))[0]) for place in (0.68, 0.32))
    placement = Mixture(x="CD3", y="CD25", near=near).fit(events, scales)
    assert isinstance(placement.regions["inside"], Ellipse)
    assert placement.facts["center_x"] == pytest.approx(0.7, abs=0.01)
    assert placement.regions["inside"].contains(events)[:3000].mean() > 0.88


def test_the_error_of_a_mixture_s_center_is_that_of_fresh_samples():
    made = [scatter_gate().fit(blood(seed), SCATTER) for seed in range(50)]
    for name in ("center_x", "center_y"):
        scatter = np.std([one.facts[name] for one in made])
        assert np.mean([one.errors[name] for one in made]) == pytest.approx(scatter, rel=0.3)


def test_too_few_events_make_no_cloud():
    with pytest.raises(GateNotPlaced, match=r"only 5. events, 100 are needed"):
        scatter_gate().fit(blood(8, 60, 0, 0), SCATTER)
    with pytest.raises(ValueError, match="mass must lie"):
        scatter_gate(mass=1.2)


def test_a_contour_holds_the_mass_that_was_said():
    rng = np.random.default_rng(9)
    values = rng.normal((0.5, 0.4), (0.08, 0.05), (20_000, 2))
    events = EventTable(values, (Channel("FSC-A"), Channel("SSC-A")), Scale.DISPLAY)
    for mass in (0.5, 0.8, 0.95):
        inside = Contour(x="FSC-A", y="SSC-A", mass=mass).fit(events, SCATTER).regions["inside"].contains(events)
        assert inside.mean() == pytest.approx(mass, abs=0.03)


def test_a_contour_keeps_the_piece_around_the_highest_peak():
    events = blood(10, monocytes=4000, dust=0)
    inside = Contour(x="FSC-A", y="SSC-A", mass=0.6).fit(events, SCATTER).regions["inside"].contains(events)
    assert inside[:6000].mean() > 0.5
    assert inside[6000:].mean() < 0.01


def test_a_contour_of_too_few_events_or_of_one_place_is_refused():
    with pytest.raises(GateNotPlaced, match="only 40 events"):
        Contour(x="FSC-A", y="SSC-A").fit(blood(11, 40, 0, 0), SCATTER)
    flat = EventTable(np.ones((500, 2)), (Channel("FSC-A"), Channel("SSC-A")), Scale.DISPLAY)
    with pytest.raises(GateNotPlaced, match="no extent"):
        Contour(x="FSC-A", y="SSC-A").fit(flat, SCATTER)


def test_placing_a_gate_with_its_error_takes_milliseconds():
    rng = np.random.default_rng(12)
    values = np.concatenate([rng.normal(0.3, 0.06, 9000), rng.normal(0.7, 0.06, 3000)])
    events = EventTable(values[:, None], (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    gate, scales = Valley(axis="CD3"), {"CD3": Logicle(w=0.7)}

    def took():
        start = time.process_time()
        gate.fit(events, scales)
        return time.process_time() - start

    assert min(took() for _ in range(10)) < 0.02  # of the processor; about 3 ms
