import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.assurance.simulate.acquisition import ANOMALY_KINDS, Disturbance, acquire, draw_disturbance
from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.instrument import FLUOROCHROMES, SPILLOVER, autofluorescence, detect
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.suspension import draw_yield, suspend
from immunomon.assurance.simulate.tubes import batch_staining, bead_run

UNMIX = np.linalg.inv(SPILLOVER)


def compensated(fluorescence, light, rng):
    return detect(fluorescence.astype(np.float32), light, rng) @ UNMIX


def test_every_fluorochrome_is_brightest_in_its_own_detector():
    assert np.array_equal(np.diag(SPILLOVER), np.ones(8))
    assert SPILLOVER[~np.eye(8, dtype=bool)].max() < 0.2
    assert np.linalg.cond(SPILLOVER) < 3


@given(bright=st.integers(0, 7), level=st.floats(100, 50_000))
def test_compensated_negatives_centre_on_autofluorescence(bright, level):
    fluorescence = np.zeros((4000, 8))
    fluorescence[:, bright] = level
    light = np.tile(autofluorescence(1.0), (4000, 1))
    seen = compensated(fluorescence, light, np.random.default_rng(1))
    expected = autofluorescence(1.0) @ UNMIX
    expected[bright] += level
    error = seen.std(axis=0) / np.sqrt(4000)
    assert (np.abs(seen.mean(axis=0) - expected) < 5 * error + 0.01).all()


def test_negatives_spread_beside_a_bright_neighbour_and_more_the_brighter_it_is():
    rng = np.random.default_rng(2)
    light = np.tile(autofluorescence(1.0), (4000, 1))
    spreads = []
    for level in (0, 5_000, 20_000, 80_000):
        fluorescence = np.zeros((4000, 8))
        fluorescence[:, FLUOROCHROMES.index("PerCP-Cy5-5")] = level
        spreads.append(compensated(fluorescence, light, rng)[:, FLUOROCHROMES.index("PE-Cy7")].std())
    assert spreads == sorted(spreads)
    added = np.sqrt(np.square(spreads[1:]) - spreads[0] ** 2)
    assert np.allclose(added[1:] / added[:-1], 2, rtol=0.1)  # variance grows in proportion to the light


@pytest.mark.parametrize("fluorochrome", FLUOROCHROMES)
def test_single_stains_give_the_spillover_back(fluorochrome):
    run = bead_run(fluorochrome, 4000, np.random.default_rng(3))[:, 3:-1]
    own = FLUOROCHROMES.index(fluorochrome)
    bright = run[:, own] > 5000
    steps = np.median(run[bright], axis=0) - np.median(run[~bright], axis=0)
    assert np.allclose(steps / steps[own], SPILLOVER[own], atol=0.004)


def test_an_fmo_lacks_one_colour_and_keeps_the_others():
    rng = np.random.default_rng(4)
    layout = LAYOUTS["treg"]
    cells = suspend(layout, draw_yield(rng), frequencies=healthy_donor("D").frequencies(), events=6000, rng=rng)
    full = acquire(cells, np.ones(8, dtype=np.float32), Disturbance(), rng=np.random.default_rng(5))[:, 3:-1] @ UNMIX
    without = np.ones(8, dtype=np.float32)
    without[layout.markers.index("CD25")] = 0
    fmo = acquire(cells, without, Disturbance(), rng=np.random.default_rng(6))[:, 3:-1] @ UNMIX
    treg = cells.is_kind(("treg_memory", "treg_memory_dr")) & ~cells.dead & ~cells.doublet
    cd25 = layout.markers.index("CD25")
    assert np.median(full[treg, cd25]) > 3000
    assert abs(np.median(fmo[treg, cd25])) < 200
    others = [column for column in range(8) if column != cd25]
    assert np.allclose(np.median(full[treg][:, others], axis=0), np.median(fmo[treg][:, others], axis=0), atol=250)


def test_about_one_run_in_eight_is_disturbed_for_3_to_15_percent_of_its_events():
    drawn = [draw_disturbance(np.random.default_rng(seed)) for seed in range(1500)]
    wrong = [one for one in drawn if one.kind != "none"]
    assert 0.09 < len(wrong) / len(drawn) < 0.15
    assert {one.kind for one in wrong} == set(ANOMALY_KINDS) - {"none"}
    shares = [one.touches(20_000).mean() for one in wrong]
    assert min(shares) > 0.0299
    assert max(shares) < 0.1501


@pytest.mark.parametrize("kind", ["clog", "step", "drift"])
def test_a_disturbance_changes_the_signal_of_its_events_and_of_no_others(kind):
    rng = np.random.default_rng(7)
    cells = suspend(
        LAYOUTS["thelper"], draw_yield(rng), frequencies=healthy_donor("D").frequencies(), events=4000, rng=rng
    )
    spoiled = Disturbance(kind, 0.4, 0.5, 0.5)
    one = np.ones(8, dtype=np.float32)
    clean = acquire(cells, one, Disturbance(), rng=np.random.default_rng(8))
    seen = acquire(cells, one, spoiled, rng=np.random.default_rng(8))
    touched = spoiled.touches(4000)
    assert np.array_equal(clean[~touched, :-1], seen[~touched, :-1])
    assert np.median(seen[touched, 9]) < 0.9 * np.median(clean[touched, 9])


def test_fewer_cells_a_second_get_through_a_clog():
    rng = np.random.default_rng(9)
    cells = suspend(LAYOUTS["nk"], draw_yield(rng), frequencies=healthy_donor("D").frequencies(), events=4000, rng=rng)
    clog = Disturbance("clog", 0.4, 0.6, 0.6)
    time = acquire(cells, np.ones(8, dtype=np.float32), clog, rng=rng)[:, -1]
    touched = clog.touches(4000)
    assert np.ptp(time[touched]) > np.ptp(time[~touched & (np.arange(4000) > 2400)])


def test_doublets_lie_below_the_diagonal_of_area_and_height():
    rng = np.random.default_rng(10)
    cells = suspend(
        LAYOUTS["nk"], draw_yield(rng), frequencies=healthy_donor("D").frequencies(), events=20_000, rng=rng
    )
    whole = ~cells.margin & ~cells.is_kind(("debris",))
    ratio = cells.scatter[:, 1] / cells.scatter[:, 0]
    assert np.quantile(ratio[whole & cells.doublet], 0.9) < np.quantile(ratio[whole & ~cells.doublet], 0.01)


def test_tandem_dyes_fade_over_the_trial_and_batches_differ():
    layout = LAYOUTS["treg"]
    early = np.log10([batch_staining(layout, f"early {n}", 0, seed=1) for n in range(200)])
    late = np.log10([batch_staining(layout, f"late {n}", 280, seed=1) for n in range(200)])
    assert np.allclose(early.std(axis=0), 0.05, atol=0.012)
    change = late.mean(axis=0) - early.mean(axis=0)
    assert FLUOROCHROMES[int(np.argmin(change))] == "PE-Cy7"
    assert change.min() == pytest.approx(-0.1, abs=0.02)
