"""Each condition changes what it says, and nothing else; the truth stays consistent."""

import flowio
import numpy as np
import pytest
from ruamel.yaml import YAML

from immunomon.assurance.simulate.conditions import CONDITIONS, ORDINARY_CONDITION, condition_named
from immunomon.assurance.simulate.instrument import DETECTORS, SPILLOVER
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.suspension import Yield
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.formats.memberships import read_memberships

EVENTS, UNMIX = 6000, np.linalg.inv(SPILLOVER)


@pytest.fixture(scope="module")
def trial_of(tmp_path_factory):
    """Return the folder of a condition's trial: two patients, two visits, the nk tube."""
    made = {}

    def make(name, panel="nk", **changes):
        key = (name, panel, *changes.items())
        if key not in made:
            asked = {"events": EVENTS, "visits": ["D-1", "W4"], "panels": [panel], "seed": 2, "jobs": 1, **changes}
            made[key] = simulate_trial(
                tmp_path_factory.mktemp(name) / "trial",
                condition=condition_named(name),
                subjects_per_group=2,
                subjects=2,
                controls=False,
                **asked,
            )
        return made[key]

    return make


def events(trial, panel="nk", visit="W4"):
    return flowio.FlowData(str(trial / f"fcs/{panel}/S01_{visit}_{panel}.fcs")).as_array(preprocess=False)


def header(trial, panel="nk"):
    return flowio.FlowData(str(trial / f"fcs/{panel}/S01_W4_{panel}.fcs"), only_text=True).text


def truth(trial, panel="nk", visit="W4"):
    return read_memberships(trial / f"truth/S01_{visit}_{panel}.npz")


def compensated(trial, marker, panel="nk", visit="W4"):
    column = LAYOUTS[panel].markers.index(marker)
    return (events(trial, panel, visit)[:, 3:-1] @ UNMIX)[:, column]


def test_the_ordinary_condition_is_the_default_trial(tmp_path):
    plain = simulate_trial(tmp_path / "t", events=300, visits=["W4"], panels=["nk"], seed=2, subjects_per_group=1)
    again = simulate_trial(
        tmp_path / "u",
        events=300,
        visits=["W4"],
        panels=["nk"],
        seed=2,
        subjects_per_group=1,
        condition=ORDINARY_CONDITION,
    )
    assert np.array_equal(events(plain), events(again))
    assert "--condition" not in (plain / "study.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("gain", ["0.4", "0.7", "1.3"])
def test_forward_scatter_goes_with_its_gain(trial_of, gain):
    lymphocytes = truth(trial_of("ordinary"))["lymphocytes"]
    before, after = (np.median(events(trial_of(name))[lymphocytes, 0]) for name in ("ordinary", f"fsc-x{gain}"))
    assert after / before == pytest.approx(float(gain), rel=0.01)
    assert np.array_equal(events(trial_of("ordinary"))[:, 2:], events(trial_of(f"fsc-x{gain}"))[:, 2:])


@pytest.mark.parametrize(("name", "top"), [("range-1e6", 2**20), ("range-4e6", 2**22), ("range-1e7", 10**7)])
def test_a_range_is_that_of_the_file_and_every_signal_goes_with_it(trial_of, name, top):
    assert header(trial_of(name))["p4r"] == str(top)
    ratio = events(trial_of(name))[:, :-1] / events(trial_of("ordinary"))[:, :-1]
    assert np.median(ratio, axis=0) == pytest.approx(np.full(11, top / 2**18), rel=1e-3)
    assert events(trial_of(name)).max() <= top - 1


@pytest.mark.parametrize("gain", [0.4, 2.2])
def test_a_voltage_amplifies_light_and_no_electronic_noise(trial_of, gain):
    name, inside = f"detectors-x{gain}", truth(trial_of("ordinary"))["lymphocytes"]
    dump = "CD3/CD19/CD20"
    before, after = (compensated(trial_of(one), dump)[inside] for one in ("ordinary", name))
    assert np.quantile(after, 0.9) / np.quantile(before, 0.9) == pytest.approx(gain, rel=0.02)
    relative = [np.std(values[values < np.quantile(values, 0.1)]) / np.median(values) for values in (before, after)]
    assert (relative[1] > relative[0]) == (gain < 1)
    assert int(header(trial_of(name))["p5v"]) != int(header(trial_of("ordinary"))["p5v"])


@pytest.mark.parametrize(("name", "low", "high"), [("range-1e7-wide", 1500, 7200), ("unmixed-4e6", 700, 4100)])
def test_wide_instruments_have_negatives_about_zero_as_wide_as_people_meet(trial_of, name, low, high):
    trial = trial_of(name)
    values = events(trial)[:, 3:-1] if name.startswith("unmixed") else events(trial)[:, 3:-1] @ UNMIX
    inside = truth(trial)
    negative = values[inside["lymphocytes"] & ~inside["nk"], LAYOUTS["nk"].markers.index("CD56")]
    middle = np.median(negative)
    assert low < 1.4826 * np.median(np.abs(negative - middle)) < high
    assert 0.1 < (negative < 0).mean() < 0.6
    assert np.quantile(values, 0.001) < -1000


def test_unmixed_files_have_no_matrix_and_their_study_asks_for_none(trial_of):
    trial = trial_of("unmixed-4e6")
    study = YAML(typ="safe").load((trial / "study.yaml").read_text(encoding="utf-8"))
    assert "spillover" not in header(trial)
    assert study["compensation"] == {"source": "none"}


def test_files_without_a_matrix_are_mixed_and_their_study_asks_for_one(trial_of):
    trial = trial_of("no-matrix")
    study = YAML(typ="safe").load((trial / "study.yaml").read_text(encoding="utf-8"))
    assert "spillover" not in header(trial)
    assert study["compensation"] == {"source": "file"}
    assert np.array_equal(events(trial), events(trial_of("ordinary")))


def test_another_laboratorys_matrix_is_near_the_true_one(trial_of):
    count, *rest = header(trial_of("other-laboratory"))["spillover"].split(",")
    matrix = np.array(rest[int(count) :], dtype=float).reshape(8, 8)
    off = ~np.eye(8, dtype=bool)
    assert np.array_equal(np.diag(matrix), np.ones(8))
    assert 0.02 < np.std(matrix[off] / SPILLOVER[off]) < 0.04
    assert tuple(rest[: int(count)]) == DETECTORS


def test_a_failed_stain_has_no_positive_peak_and_a_dim_one_a_lower(trial_of):
    nk, high = truth(trial_of("ordinary"))["nk"], {}
    for name in ("ordinary", "PE-x0.5", "PE-x0.15", "failed-PE"):
        high[name] = np.median(compensated(trial_of(name), "CD56")[nk])
    assert high["PE-x0.5"] / high["ordinary"] == pytest.approx(0.5, abs=0.06)
    assert high["PE-x0.15"] / high["ordinary"] == pytest.approx(0.15, abs=0.06)
    assert abs(high["failed-PE"]) < 150


def test_a_stain_that_failed_at_the_last_visit_was_there_before(trial_of):
    trial = trial_of("failed-PE-last-visit")
    early, late = (np.median(compensated(trial, "CD56", visit=v)[truth(trial, visit=v)["nk"]]) for v in ("D-1", "W4"))
    assert early > 1500
    assert abs(late) < 150


def test_live_cells_take_up_more_of_the_dye(trial_of):
    live = truth(trial_of("ordinary"))["lymphocytes"]
    before, after = (np.median(compensated(trial_of(n), "viability")[live]) for n in ("ordinary", "viability-x12"))
    assert after - before == pytest.approx(11 * 85, rel=0.1)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("dead-40", ("live", "singlets", 0.57)), ("doublets-30", ("singlets", None, 0.70))],
)
def test_the_dead_and_the_doublets_are_as_many_as_asked_for(trial_of, name, wanted):
    population, parent, share = wanted
    masks = truth(trial_of(name))
    of = masks[parent].sum() if parent else masks[population].size
    assert masks[population].sum() / of == pytest.approx(share, abs=0.03)


def test_two_in_five_events_are_bright_in_the_viability_dye_where_40_percent_are_dead(trial_of):
    assert (compensated(trial_of("dead-40"), "viability") > 4000).mean() == pytest.approx(0.42, abs=0.03)


def test_granulocytes_are_granular_and_monocytes_have_cd14(trial_of):
    singlets = truth(trial_of("granulocytes-35"))["singlets"]
    granular = events(trial_of("granulocytes-35"))[singlets, 2] > 105_000
    assert granular.mean() == pytest.approx(0.36, abs=0.04)
    singlets = truth(trial_of("monocytes-60"))["singlets"]
    assert (compensated(trial_of("monocytes-60"), "CD14")[singlets] > 3000).mean() == pytest.approx(0.53, abs=0.04)


def test_small_cd16_monocytes_lie_between_lymphocytes_and_monocytes_and_have_little_cd14(trial_of):
    cells, other = trial_of("ordinary"), trial_of("other-laboratory")
    shares = []
    for trial in (cells, other):
        singlets = truth(trial)["singlets"] & ~truth(trial)["lymphocytes"]
        cd16 = singlets & (compensated(trial, "CD16") > 2500) & (compensated(trial, "viability") < 3000)
        scatter = events(trial)
        between = (scatter[:, 0] < 122_000) & (scatter[:, 2] < 80_000) & (compensated(trial, "CD14") < 1200)
        shares.append((cd16 & between).sum() / truth(trial)["live"].sum())
    assert shares[0] < 0.004
    assert 0.006 < shares[1] < 0.03


def test_negatives_differ_between_cell_types_in_another_laboratory():
    def levels(name):
        appearance = CONDITIONS[name].appearance
        return {appearance.level(kind, "CCR4").median for kind in ("b_naive", "nk_dim", "monocyte")}

    assert len(levels("ordinary")) == 1
    assert len(levels("other-laboratory")) == 3


def test_b_cells_are_one_in_a_thousand(trial_of):
    trial = trial_of("b-cells-0.1", panel="bcell", events=20_000)
    masks = truth(trial, "bcell")
    assert 0.0004 < masks["b_cells"].sum() / masks["lymphocytes"].sum() < 0.0025


def test_signals_fall_over_a_run_that_drifts(trial_of):
    values = events(trial_of("drift-60"))[:, 3]
    first, last = np.median(values[: EVENTS // 10]), np.median(values[-(EVENTS // 20) :])
    assert last / first == pytest.approx(0.43, abs=0.08)


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != "events-300000"])
def test_populations_of_the_truth_lie_within_their_parents_in_every_condition(trial_of, name):
    trial = trial_of(name)
    with np.load(trial / "truth/S02_W4_nk.npz") as stored:
        parents = dict(zip(stored["names"].tolist(), stored["parents"].tolist(), strict=True))
    masks = read_memberships(trial / "truth/S02_W4_nk.npz")
    for population, parent in parents.items():
        assert parent == "root" or not (masks[population] & ~masks[parent]).any(), population
    assert masks["lymphocytes"].any()
    assert np.isfinite(events(trial)).all()


def test_the_number_of_events_is_that_of_every_file(trial_of):
    assert len(events(trial_of("events-3000"))) == 3000


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_every_condition_names_fields_that_there_are(name):
    condition = CONDITIONS[name]
    assert set(condition.contents) <= set(Yield.__dataclass_fields__)
    assert set(condition.stains) <= {detector.removesuffix("-A") for detector in DETECTORS}
