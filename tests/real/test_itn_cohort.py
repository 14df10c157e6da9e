"""A cohort of 15 patients through a whole run: every border in the sample's own valley, every frequency plausible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.validation.real import itn_found, run_itn
from immunomon.cytometry.formats.fcs import read_events
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.runs.run import RunSummary

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def cohort(real_data: Path) -> Path:
    return real_data / "cohorts" / "itn"


@pytest.fixture(scope="module")
def run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    try:
        return run_itn(real_data, tmp_path_factory.mktemp("itn"), jobs=2)
    except OSError as error:
        pytest.skip(f"this system allows no links: {error}")


@pytest.fixture(scope="module")
def percent(run: RunSummary) -> pd.DataFrame:
    """One row a sample; columns: percent of the parent of each population, and its count as ``n_...``."""
    table = pd.read_csv(run.folder / "tables" / "populations.csv")
    parts = table.pivot_table(index="sample_id", columns="population", values="percent_of_parent")
    return parts.join(table.pivot_table(index="sample_id", columns="population", values="count").add_prefix("n_"))


@pytest.fixture(scope="module")
def placed(run: RunSummary) -> dict[str, dict[str, object]]:
    files = sorted((run.folder / "gates").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def test_all_fifteen_samples_are_gated(run: RunSummary) -> None:
    assert run.failed == ()
    assert run.gated == 15


def test_cd4_and_cd8_are_found_in_15_of_15(run: RunSummary) -> None:
    found = itn_found(run)
    assert len(found) == 15
    assert found["found"].all()


def test_every_border_is_placed_in_a_valley_of_the_sample_itself(placed) -> None:
    found = {}
    for sample, gates in placed.items():
        for population in gates["populations"]:
            assert population["failure"] == ""
            assert population["note"] == "", "a fallback was used"
        facts = {population["population"]: population["facts"] for population in gates["populations"]}
        found[sample] = (facts["t_cells"]["threshold"], facts["cd4"]["x_threshold"], facts["cd4"]["y_threshold"])
        depths = (facts["t_cells"]["depth"], facts["cd4"]["x_depth"], facts["cd4"]["y_depth"])
        assert min(depths) > 6, sample  # standard errors below the lower of its two modes
    assert len(set(found.values())) == 15


def test_few_t_cells_lie_near_a_border(placed, cohort: Path) -> None:
    # A border through a population would have a crowd on it: count what lies within 0.02 of each, on the display scale.
    for sample, gates in placed.items():
        events = read_events(cohort / f"{sample.rpartition('__')[2]}.fcs")
        by_id = {population["population"]: population for population in gates["populations"]}

        def shown(marker: str, *, gates=gates, events=events):
            return scale_from_dict(gates["axes"][marker]["scale"]).apply(events.column(marker))

        cd3, cd4, cd8 = (shown(marker) for marker in ("CD3", "CD4", "CD8"))
        small = events.column("SSC") < 340
        t_cells = small & (cd3 >= by_id["t_cells"]["facts"]["threshold"])
        for values, border in ((cd4, "x_threshold"), (cd8, "y_threshold")):
            near = np.abs(values[t_cells] - by_id["cd4"]["facts"][border]) < 0.02
            assert near.mean() < 0.03, (sample, border)


def test_t_cells_are_a_plausible_part_of_lymphocytes(percent: pd.DataFrame) -> None:
    # Healthy blood has 55 to 85 %; treated patients and a scatter gate without CD45 or CD19 go down to 15 %.
    assert percent["t_cells"].between(15, 90).all()
    assert 55 < percent["t_cells"].median() < 85


def test_cd4_and_cd8_cells_are_plausible_parts_of_t_cells(percent: pd.DataFrame) -> None:
    assert percent["cd4"].between(40, 92).all()
    assert percent["cd8"].between(7, 50).all()
    assert 50 < percent["cd4"].median() < 75
    assert 15 < percent["cd8"].median() < 40


def test_nearly_every_t_cell_is_either_cd4_or_cd8(percent: pd.DataFrame) -> None:
    # Double-negative T cells are up to about 10 % of blood T cells, double-positive ones 1 to 3 %.
    assert (percent["cd4"] + percent["cd8"]).between(85, 100).all()


def test_the_cd4_to_cd8_ratio_is_that_of_human_blood(percent: pd.DataFrame) -> None:
    ratio = percent["n_cd4"] / percent["n_cd8"]
    assert ratio.between(0.5, 11).all()
    assert 1 < ratio.median() < 4
    assert ratio.between(0.5, 6).sum() >= 12
