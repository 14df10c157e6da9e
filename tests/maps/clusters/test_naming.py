from pathlib import Path

import numpy as np
import pytest

from immunomon.maps.clusters.cells import BINS, HIGHEST, LOWEST
from immunomon.maps.clusters.naming import borders_of, overlap_of, phenotype
from immunomon.maps.model.tables import CLUSTER_TABLES


def histogram(values):
    return np.histogram(values, bins=BINS, range=(LOWEST, HIGHEST))[0]


def test_a_border_is_the_gates_median_else_the_valley_else_there_is_none():
    rng = np.random.default_rng(1)
    two = np.concatenate([rng.normal(0.2, 0.05, 6000), rng.normal(0.7, 0.05, 3000)])
    one = rng.normal(0.4, 0.08, 9000)
    borders = borders_of(
        ["CD3", "CD25", "CD127"],
        np.array([histogram(two), histogram(two), histogram(one)]),
        [{"CD3": 0.4}, {"CD3": 0.5}],
    )
    assert [border.source for border in borders] == ["gate", "valley", "none"]
    assert borders[0].threshold == 0.45
    assert 0.3 < borders[1].threshold < 0.6
    assert borders[2].threshold is None


def test_a_phenotype_says_hi_lo_and_mid_where_there_is_no_border():
    values = np.random.default_rng(1).normal(0.4, 0.08, 9000)
    border = borders_of(["CD127"], histogram(values)[None], [])
    assert [phenotype(np.array([x]), border) for x in (0.1, 0.4, 0.8)] == ["CD127lo", "CD127mid", "CD127hi"]


def test_the_nearest_population_has_the_highest_f1_and_not_the_most_cells():
    found = overlap_of({"t_cells": 100, "treg": 80}, {"t_cells": 10_000, "treg": 90}, cells=100, gated=100)
    assert found.population == "treg"
    assert round(found.f1, 3) == round(160 / 190, 3)
    assert found.covered


def test_cells_that_no_gate_below_knows_are_not_covered():
    found = overlap_of({"t_cells": 3}, {"t_cells": 500}, cells=100, gated=3)
    assert not found.covered
    assert overlap_of({}, {}, cells=0, gated=0).population is None


@pytest.mark.parametrize("table", CLUSTER_TABLES.values(), ids=lambda table: table.name)
def test_the_document_says_what_each_column_means(table):
    text = (Path(__file__).parents[3] / "docs" / "clusters.md").read_text(encoding="utf-8")
    missing = [c.name for c in table.columns if f"| `{c.name}` | {c.dtype} | {c.meaning} |" not in text]
    assert not missing
