"""Tubes of other dyes and more colours: what they hold, and that the shipped strategies find it there as well."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.simulate.biology import healthy_donor
from immunomon.assurance.simulate.layouts import EXTRA_LAYOUTS
from immunomon.assurance.simulate.populations import lymphocyte_mixture, truth_populations
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.assurance.validation.agreement import f1
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.plan import make_plan
from immunomon.runs.run import run_study

WIDE = ("treg10", "blood20")


@pytest.mark.parametrize("name", WIDE)
def test_a_wide_tube_has_a_detector_for_each_marker_and_a_matrix_that_can_be_undone(name):
    layout = EXTRA_LAYOUTS[name]
    assert len(layout.markers) == len(set(layout.markers)) == int(name[-2:])
    assert np.array_equal(np.diag(layout.optics.spillover), np.ones(len(layout.markers)))
    assert np.linalg.cond(layout.optics.spillover) < 3


@pytest.mark.parametrize("name", WIDE)
def test_what_a_wide_tube_holds_adds_up_and_is_what_was_drawn(name):
    frequencies = healthy_donor("D").frequencies()
    shares = lymphocyte_mixture(name, frequencies)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0
    held = {
        population.id: sum(shares.get(kind, 0) for kind in population.kinds) for population in truth_populations(name)
    }
    for population in truth_populations(name):
        of_parent = held[population.id] / held.get(population.parent, 1)
        assert of_parent == pytest.approx(frequencies[population.id], rel=1e-9), population.id


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> pd.Series:
    """The median F1 over three patients' files, by panel in use and population, where it may be reported."""
    folder = tmp_path_factory.mktemp("wide")
    panels = ["treg", "thelper", "bcell", *WIDE]
    simulate_trial(folder, events=10000, visits=["D-1"], subjects_per_group=1, panels=panels, seed=5, controls=False)
    summary = run_study(folder, jobs=2)
    assert summary.complete
    assert not summary.warnings  # nothing is left out: all markers are there
    plan, run = make_plan(folder), RunFolder(folder / "run")
    populations = run.read_table("populations")
    reported = set(populations.loc[populations["reportable"], ["sample_id", "population"]].itertuples(index=False))
    rows = []
    for task in plan.tasks:
        tree = read_gated(run, plan, task).tree
        truth = read_memberships(folder / "truth" / f"{task.sample.file.stem}.npz")
        rows += [
            (task.sample.panel, name, f1(tree.mask(name), mask))
            for name, mask in truth.items()
            if (task.sample.id, name) in reported
        ]
    return pd.DataFrame(rows, columns=["panel", "population", "f1"]).groupby(["panel", "population"])["f1"].median()


@pytest.mark.parametrize(
    ("wide", "shipped", "rarest"),
    [
        ("treg10", "treg", "treg"),
        ("blood20~treg", "treg", "treg"),
        ("blood20~thelper", "thelper", "th17"),
        ("blood20~bcell", "bcell", "b_dn"),
    ],
)
def test_the_shipped_strategies_find_as_much_on_panels_of_other_dyes(scores, wide, shipped, rarest):
    both = pd.concat({"wide": scores[wide], "shipped": scores[shipped]}, axis=1).dropna()
    assert rarest in both.index
    assert (both["wide"] - both["shipped"]).min() > -0.02, both
