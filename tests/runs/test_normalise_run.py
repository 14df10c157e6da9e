import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.model.run_tables import JUDGEMENT, NORMALISED_FREQUENCIES, NORMALISED_MEDIANS
from immunomon.errors import BadSpec, ImmunomonError
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import gate_again, read_gated
from immunomon.runs.normalise import normalise_run
from immunomon.runs.opened import open_run
from immunomon.runs.plan import make_plan
from immunomon.study.model.steadiness import Normalisation, PanelNormalisation
from immunomon.study.specs.study import load_study

WANTED = PanelNormalisation("treg", ("cd4",), ("CD127", "CD25", "CD4"))
SETTINGS = Normalisation((WANTED,))


@pytest.fixture(scope="module")
def done(finished, trial, tmp_path_factory):
    return normalise_run(finished, trial, out=tmp_path_factory.mktemp("normalise"), settings=SETTINGS)


def test_the_tables_keep_their_contracts_and_are_written(done):
    for contract in (NORMALISED_MEDIANS, NORMALISED_FREQUENCIES, JUDGEMENT):
        table = done.tables[contract.name]
        assert tuple(table.columns) == contract.names
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == contract.dtypes
        assert not table.duplicated(list(contract.key)).any()
        assert len(RunFolder(done.folder).read_table(contract.name)) == len(table)
    record = json.loads((done.folder / "normalisation.json").read_text(encoding="utf-8"))
    assert record["panels"][0]["maps"][0]["population"] == "cd4"


def test_a_marker_that_the_cell_type_is_gated_by_is_refused_in_every_batch(done):
    rows = done.tables["normalisation_judgement"].query("marker == 'CD4'")
    assert len(rows) == 6
    assert set(rows["reason"]) == {"the gate of 'cd4' is on CD4: its distribution in cd4 is cut off there"}
    medians = done.tables["normalised_medians"].query("marker == 'CD4'")
    assert medians["normalised_median_intensity"].isna().all()
    assert medians["median_intensity"].notna().any()


def test_raw_medians_are_the_runs_and_only_cell_types_and_what_lies_in_them_are_normalised(done, finished, trial):
    table = done.tables["normalised_medians"]
    assert set(table["population"]) == {"cd4", "treg", "treg_memory", "treg_activated"}
    key = ["sample_id", "population", "marker"]
    raw = open_run(finished, trial).table("medians").set_index(key)["median_intensity"]
    mine = table.set_index(key)["median_intensity"]
    pd.testing.assert_series_equal(mine.sort_index(), raw.loc[mine.index].sort_index())


def test_the_normalised_median_is_the_median_of_normalised_cells(done, finished, trial):
    run, plan = open_run(finished, trial), make_plan(trial / "study.yaml")
    task = next(task for task in plan.tasks if task.sample.id == "fcs__treg__S02_W4_treg")
    gated, learned = read_gated(RunFolder(run.folder), plan, task), done.learned[0]
    from immunomon.cytometry.kernels.quantiles import apply_map

    rows = done.tables["normalised_medians"].set_index(["sample_id", "population", "marker"])
    scale, there = learned.scales["CD127"], learned.learned.maps[task.sample.batch, "cd4", "CD127"]
    for population in ("cd4", "treg"):
        cells = np.asarray(gated.compensated.column("CD127"))[gated.tree.mask(population)]
        one_by_one = np.sort(scale.inverse(apply_map(there, scale.apply(cells))))
        said = rows.loc[(task.sample.id, population, "CD127"), "normalised_median_intensity"]
        # Of an even number of cells the median lies anywhere between the two in the middle.
        low, high = one_by_one[(cells.size - 1) // 2], one_by_one[cells.size // 2]
        assert low * (1 - 1e-6) <= said <= high * (1 + 1e-6)


def test_the_gates_of_the_run_find_its_counts_again(finished, trial):
    run, plan = open_run(finished, trial), make_plan(trial / "study.yaml")
    task = next(task for task in plan.tasks if task.sample.id == "fcs__treg__S01_D-1_treg")
    tree = read_gated(RunFolder(run.folder), plan, task).tree
    rows = run.table("populations").query("sample_id == @task.sample.id")
    assert {row["population"]: row["count"] for row in rows.to_dict("records")} == {
        name: tree.size(name) for name in rows["population"]
    }


def test_maps_that_change_nothing_gate_the_same_events(done, finished, trial):
    run, plan = open_run(finished, trial), make_plan(trial / "study.yaml")
    task = next(task for task in plan.tasks if task.sample.id == "fcs__treg__S01_D-1_treg")
    gated, learned = read_gated(RunFolder(run.folder), plan, task), done.learned[0]
    nothing = {("cd4", "CD25"): lambda values: values, ("cd4", "CD127"): lambda values: values}
    plain = gate_again(gated, learned.strategy, maps={}, scales=learned.scales)
    same = gate_again(gated, learned.strategy, maps=nothing, scales=learned.scales)
    assert [same.size(name) for name in learned.strategy.ids] == [plain.size(name) for name in learned.strategy.ids]
    moved = gate_again(
        gated, learned.strategy, maps={("cd4", "CD25"): lambda values: values * 0 + 0.1}, scales=learned.scales
    )
    assert moved.size("cd4") == plain.size("cd4")
    assert moved.size("treg") != plain.size("treg")


def test_frequencies_stand_raw_and_normalised_beside_each_other(done, finished, trial):
    table = done.tables["normalised_frequencies"]
    key = ["sample_id", "population", "denominator"]
    raw = open_run(finished, trial).table("frequencies").set_index(key)["count"]
    mine = table.set_index(key)["count"]
    pd.testing.assert_series_equal(mine.sort_index(), raw.loc[mine.index].sort_index())
    cd4 = table.query("population == 'treg' and denominator == 'cd4' and role == 'sample'")
    assert cd4["normalised_percent"].astype(float).to_numpy() == pytest.approx(cd4["percent"].astype(float), abs=2.5)


def test_tables_are_read_through_the_run_while_they_are_its_own(finished, trial, tmp_path):
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    run = open_run(folder, trial)
    with pytest.raises(ImmunomonError, match="no table 'normalised_medians'; make it with: immunomon normalise"):
        run.table("normalised_medians")
    only = replace(SETTINGS, panels=(replace(WANTED, markers=("CD127",)),))
    normalise_run(folder, trial, settings=only, regate=True)
    assert len(run.table("normalised_frequencies"))
    normalise_run(folder, trial, settings=only, regate=False)
    assert set(run.table("normalised_medians")["marker"]) == {"CD127"}
    with pytest.raises(ImmunomonError, match="no table 'normalised_frequencies'"):
        run.table("normalised_frequencies")
    later = replace(run, record={**run.record, "digest": "another"})
    with pytest.raises(ImmunomonError, match="'normalised_medians' is of an earlier run"):
        later.table("normalised_medians")


def test_without_a_section_nothing_is_normalised_and_the_remedy_is_said(finished, trial, tmp_path):
    with pytest.raises(ImmunomonError, match="declares no normalisation, which is off by default; add to it"):
        normalise_run(finished, trial, out=tmp_path)
    assert load_study(trial).normalisation is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"goal": "A-W5"}, "normalisation.goal: no batch named 'A-W5'; did you mean 'A-W4'"),
        (
            {"panels": (replace(WANTED, markers=("CD52",)),)},
            r"panels\[0\].markers: no marker 'CD52' in the panel; did you mean 'CD25'",
        ),
        (
            {"panels": (replace(WANTED, cell_types=("cd44",)),)},
            r"panels\[0\].cell_types: no population 'cd44' in the strategy treg; did you mean 'cd4'",
        ),
        (
            {"panels": (replace(WANTED, cell_types=("cd4", "treg")),)},
            "'treg' lies in 'cd4': its cells would have two maps; keep one of them",
        ),
    ],
)
def test_names_that_are_not_there_are_all_said(finished, trial, changed, said):
    with pytest.raises(BadSpec, match=said):
        normalise_run(finished, trial, settings=replace(SETTINGS, **changed))


def test_the_section_of_a_study_is_read_and_its_mistakes_are_said_with_their_lines(own_trial):
    file = own_trial / "study.yaml"
    text = file.read_text(encoding="utf-8")
    good = "normalisation:\n  quantiles: 9\n  panels:\n    - {panel: treg, cell_types: [cd4], markers: [CD127, CCR4]}\n"
    file.write_text(text + good, encoding="utf-8")
    declared = load_study(own_trial).normalisation
    assert declared == Normalisation((PanelNormalisation("treg", ("cd4",), ("CD127", "CCR4")),), quantiles=9)
    bad = good.replace("panel: treg", "panel: tregs").replace("CCR4", "CD127") + "  min_cells: 20\n"
    file.write_text(text + bad, encoding="utf-8")
    with pytest.raises(BadSpec) as caught:
        load_study(own_trial)
    said = str(caught.value)
    assert "normalisation.min_cells: should be greater than or equal to 50, not 20" in said
    file.write_text(text + bad.replace("  min_cells: 20\n", ""), encoding="utf-8")
    with pytest.raises(BadSpec) as caught:
        load_study(own_trial)
    said = str(caught.value)
    assert "no panel in use named 'tregs'; did you mean 'treg'" in said
    assert "normalisation.panels[0].markers[1]: 'CD127' is there twice; remove one" in said


def test_every_bridge_sample_of_a_run_is_in_the_table_of_steadiness(finished, trial):
    table = open_run(finished, trial).table("steadiness")
    assert table["sample_id"].nunique() == 12
    assert set(table["verdict"]) >= {"in control", "not judged"}


def test_events_that_the_run_left_out_are_in_no_population_again(done, finished, trial):
    run, plan = open_run(finished, trial), make_plan(trial / "study.yaml")
    task = next(task for task in plan.tasks if task.sample.id == "fcs__treg__S01_D-1_treg")
    gated, learned = read_gated(RunFolder(run.folder), plan, task), done.learned[0]
    some = np.arange(gated.tree.count) % 2 == 0
    again = gate_again(
        replace(gated, tree=replace(gated.tree, among=some)), learned.strategy, maps={}, scales=learned.scales
    )
    assert again.size("root") == some.sum()
    assert not again.mask("cd4")[~some].any()
