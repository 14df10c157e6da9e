import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from immunomon.assurance.validation.clusters import found_of
from immunomon.cytometry.model.populations import CHANGES, FREQUENCIES, MEDIANS, POPULATIONS, SUMMARY
from immunomon.errors import ImmunomonError, UnknownName
from immunomon.maps.clusters.cells import NARROWEST
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import cluster_run
from immunomon.maps.model.tables import CLUSTER_TABLES

SMALL = MapSettings(grid=(10, 10), ordering_events=20_000, seed=1, jobs=2)
CONTRACTS = {
    **CLUSTER_TABLES,
    **{table.name: table for table in (POPULATIONS, FREQUENCIES, MEDIANS, CHANGES, SUMMARY)},
}


def digests(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_cells_that_no_strategy_knows_are_one_metacluster_that_comes_first_and_that_no_gate_covers(
    novel_run, clustering
):
    found = found_of(novel_run.parent, clustering, seed=1, method="som")
    assert found.f1 > 0.9
    assert found.place == 1
    assert found.note == "no gate covers it"
    assert found.phenotype.startswith("CD3- CD4-")


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_table_has_the_columns_and_the_key_of_its_contract(clustering, name):
    table, contract = clustering.tables[name], CONTRACTS[name]
    assert tuple(table.columns) == contract.names
    assert table.dtypes.astype(str).to_dict() == contract.dtypes
    assert not table.duplicated(list(contract.key)).any()
    assert (clustering.folder / "tables" / f"{name}.csv").is_file()


def test_each_cell_of_the_population_is_in_one_metacluster_and_the_counts_are_theirs(novel_run, clustering):
    populations = clustering.tables["populations"]
    for sample_id, rows in populations.groupby("sample_id"):
        with np.load(clustering.folder / f"{sample_id}.npz") as data:
            event, number, node = data["event"], data["metacluster"], data["node"]
            assert int(data["n"]) > event.max()
        counts = np.bincount(number, minlength=len(rows) + 1)
        assert rows["count"].tolist() == counts[1:].tolist()
        assert counts[0] == 0
        assert rows["parent_count"].unique().tolist() == [event.size] == [counts.sum()]
        assert (np.diff(event.astype(np.int64)) > 0).all()
    with np.load(clustering.folder / "map.npz") as data:
        assert (data["metacluster"][node] == number).all()


def test_the_clustered_population_is_the_run_s_own(novel_run, clustering):
    from immunomon.runs.opened import open_run

    gated = (
        open_run(novel_run).table("populations").query("population == 'lymphocytes'").set_index("sample_id")["count"]
    )
    found = clustering.tables["populations"].groupby("sample_id")["parent_count"].first()
    assert found.to_dict() == gated[found.index].to_dict()


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(novel_run, clustering, tmp_path):
    again = cluster_run(novel_run, settings=replace(SMALL, jobs=1), out=tmp_path / "again")
    assert digests(again.folder) == digests(clustering.folder)


def test_a_well_known_population_is_named_with_its_f1(clustering):
    rows = clustering.tables["metaclusters"].set_index("metacluster")
    memory = rows[rows["population"] == "treg_memory"]
    assert memory["f1"].max() > 0.8
    assert "CD4+" in memory.loc[memory["f1"].idxmax(), "phenotype"]
    assert memory.loc[memory["f1"].idxmax(), "note"] is None or memory["note"].isna().all()


def test_state_markers_are_compared_with_baseline_and_do_not_cluster(clustering):
    assert "HLA-DR" not in clustering.record["markers"]
    changes = clustering.tables["changes"]
    medians = changes[changes["quantity"] == "median_intensity"]
    assert set(medians["denominator"]) == {"HLA-DR"}
    done = medians[(medians["status"] == "ok") & (medians["visit"] == "W4")]
    assert (done["change"] == done["value"] - done["baseline"]).all()
    assert len(done)
    assert medians["log_odds_change"].isna().all()


def test_everything_is_marked_exploratory_and_ranked_without_gaps(clustering):
    ranked = clustering.tables["exploratory"]
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert set(ranked["status"]) == {"exploratory"}
    assert (ranked["listed"] == (ranked["fdr"] <= 0.05).fillna(False)).all()
    subjects = json.loads(ranked.iloc[0]["subjects_changes"])
    assert len(subjects) == ranked.iloc[0]["subjects"]
    assert sum(value > 3 for value in subjects.values()) == ranked.iloc[0]["changed_up"]


def test_the_number_of_metaclusters_can_be_given_and_another_population_clustered(novel_run, tmp_path):
    found = cluster_run(novel_run, within="cd4", settings=replace(SMALL, clusters=6), out=tmp_path / "cd4")
    assert found.record["metaclusters"] == 6
    assert found.record["number_rule"] == "given"
    assert set(found.tables["frequencies"]["denominator"]) == {"cd4"}
    assert all(value >= NARROWEST for value in found.record["ranges"].values())


def test_nothing_of_the_working_files_is_left(clustering):
    assert not [path for path in clustering.folder.iterdir() if path.name.startswith(".")]


def test_an_unknown_panel_or_population_is_refused_with_the_nearest(novel_run, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'treg'"):
        cluster_run(novel_run, "tregs", out=tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'cd4'"):
        cluster_run(novel_run, within="cd44", out=tmp_path)


def test_too_few_cells_for_the_map_are_refused(novel_run, tmp_path):
    with pytest.raises(ImmunomonError, match="too few for a map of 1600 nodes"):
        cluster_run(novel_run, within="treg_activated", settings=replace(SMALL, grid=(40, 40)), out=tmp_path)


def test_a_file_that_is_not_the_one_the_run_gated_is_refused(novel_run, tmp_path):
    trial = shutil.copytree(novel_run.parent, tmp_path / "trial")
    file = next((trial / "fcs" / "treg").glob("S01_W4*"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ImmunomonError, match=r"not the file that the run gated.*run the study again"):
        cluster_run(trial / "run", settings=SMALL)
