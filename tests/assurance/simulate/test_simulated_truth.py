import csv
import io
import math

import numpy as np
import pytest

from immunomon.assurance.simulate.acquisition import Disturbance
from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.layouts import LAYOUTS
from immunomon.assurance.simulate.suspension import draw_yield, suspend
from immunomon.assurance.simulate.truth import truth_of


def truth(folder, stem):
    with np.load(folder / "truth" / f"{stem}.npz") as archive:
        n = int(archive["n"])
        masks = np.unpackbits(archive["masks"], axis=1, count=n).astype(bool)
        anomaly = np.unpackbits(archive["anomaly"], count=n).astype(bool)
        parents = dict(zip(archive["names"].tolist(), archive["parents"].tolist(), strict=True))
        return dict(zip(archive["names"].tolist(), masks, strict=True)), parents, anomaly, str(archive["anomaly_kind"])


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_population_lies_within_its_parent(tiny_trial):
    for path in sorted((tiny_trial / "truth").glob("*.npz")):
        masks, parents, _, _ = truth(tiny_trial, path.stem)
        for name, parent in parents.items():
            assert parent == "root" or not (masks[name] & ~masks[parent]).any(), (path.stem, name)


@pytest.mark.parametrize(
    ("panel", "whole", "parts"),
    [
        ("thelper", "cd4", ("th1", "th17", "th17_1", "th_dn")),
        ("bcell", "b_cells", ("b_naive", "b_unswitched", "b_switched", "b_dn")),
        ("nk", "nk", ("nk_bright", "nk_dim", "nk_dim_cd16neg")),
    ],
)
def test_subsets_that_partition_a_population_hold_each_of_its_cells_once(tiny_trial, panel, whole, parts):
    masks, _, _, _ = truth(tiny_trial, f"S03_W4_{panel}")
    assert np.array_equal(sum(masks[name].astype(int) for name in parts), masks[whole].astype(int))


def test_plasmablasts_are_switched_and_transitional_cells_naive(tiny_trial):
    masks, _, _, _ = truth(tiny_trial, "A-W4_bridge_bcell")
    assert masks["plasmablasts"].sum() + masks["b_transitional"].sum() > 0
    assert not (masks["plasmablasts"] & ~masks["b_switched"]).any()
    assert not (masks["b_transitional"] & ~masks["b_naive"]).any()


def test_the_table_of_frequencies_is_what_the_masks_hold(tiny_trial):
    for row in rows(tiny_trial / "truth" / "frequencies.csv"):
        masks, _, _, _ = truth(tiny_trial, f"{row['subject']}_{row['visit']}_{row['panel']}")
        parent = masks[row["parent"]].sum() if row["parent"] != "root" else masks["singlets"].size
        percent = 100 * masks[row["population"]].sum() / parent if parent else math.nan
        written = float(row["percent_of_parent"]) if row["percent_of_parent"] else math.nan
        assert np.isclose(written, percent, atol=1e-5, equal_nan=True)


def test_frequencies_in_the_events_match_those_drawn_within_binomial_error(tiny_trial):
    deviations = []
    for name in ("frequencies.csv", "bridge_frequencies.csv"):
        for row in rows(tiny_trial / "truth" / name):
            stem = row["file"].rpartition("/")[2].removesuffix(".fcs")
            masks, _, _, _ = truth(tiny_trial, stem)
            n = masks[row["parent"]].sum() if row["parent"] != "root" else masks["singlets"].size
            p = float(row["expected_percent"]) / 100
            if n * p * (1 - p) > 5:
                deviations.append((float(row["percent_of_parent"]) / 100 - p) / math.sqrt(p * (1 - p) / n))
    assert len(deviations) > 200
    assert np.abs(deviations).max() < 5
    assert 0.85 < np.std(deviations) < 1.15
    assert abs(np.mean(deviations)) < 0.2


def test_tubes_of_one_blood_sample_share_the_drawn_lineages(tiny_trial):
    drawn: dict[tuple[str, str, str], set[str]] = {}
    for row in rows(tiny_trial / "truth" / "frequencies.csv"):
        if row["population"] in ("t_cells", "cd4"):
            drawn.setdefault((row["subject"], row["visit"], row["population"]), set()).add(row["expected_percent"])
    assert len(drawn) == 3 * 2 * 2
    assert all(len(values) == 1 for values in drawn.values())


def test_a_file_says_which_events_an_anomaly_spoiled(tiny_trial):
    listed = {row["file"]: row for row in rows(tiny_trial / "truth" / "quality.csv")}
    for panel in LAYOUTS:
        for path in (tiny_trial / "truth").glob(f"*_{panel}.npz"):
            _, _, anomaly, kind = truth(tiny_trial, path.stem)
            row = listed[f"fcs/{panel}/{path.stem}.fcs"]
            assert row["anomaly_kind"] == kind
            assert (kind == "none") == (not anomaly.any())
            assert float(row["anomaly_percent"]) == pytest.approx(100 * anomaly.mean(), abs=1e-3)


@pytest.mark.parametrize("kind", ["none", "clog", "step", "drift"])
def test_the_truth_names_which_artefact_spoils_an_event_and_which_events_are_off_the_scale(kind):
    rng = np.random.default_rng(3)
    layout = LAYOUTS["nk"]
    cells = suspend(layout, draw_yield(rng), frequencies=healthy_donor("D").frequencies(), events=2000, rng=rng)
    disturbance = Disturbance(kind, 0.25, 0.5) if kind != "none" else Disturbance()
    kept = np.load(io.BytesIO(truth_of(cells, "nk", disturbance).archive()))
    spoiled = {name: int(np.unpackbits(kept[f"artefact_{name}"]).sum()) for name in ("clog", "step", "drift")}
    assert spoiled == {name: 500 if name == kind else 0 for name in ("clog", "step", "drift")}
    assert np.array_equal(np.unpackbits(kept["artefact_margin"])[:2000], cells.margin)
