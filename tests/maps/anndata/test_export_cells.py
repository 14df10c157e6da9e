"""Cells as AnnData: the run's own values event for event, in a file that is whole or not there."""

import json
import os
import signal
import subprocess
import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.assurance.verify.recompute import read_with_fcsparser
from immunomon.cli.main import app, main
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import ImmunomonError
from immunomon.maps.anndata import export as export_module
from immunomon.maps.anndata import export_cells
from immunomon.maps.anndata.writing import Block, Column, Layout, new_cells_file
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.opened import open_run
from immunomon.runs.plan import make_plan
from immunomon.study.model.strategy import ROOT

NAME = "Nonymous^Alva"


@pytest.fixture(scope="module")
def gated(run_folder):
    """Every patient's sample as the run itself reads it again: id -> compensated events and memberships."""
    plan = make_plan(open_run(run_folder).study_file)
    tasks = [task for task in plan.tasks if task.sample.subject and task.sample.panel == "treg"]
    tasks = [task for task in tasks if task.sample.role.is_gated]
    return {task.sample.id: (task, read_gated(RunFolder(run_folder), plan, task)) for task in tasks}


def test_every_cell_of_every_patient_is_there_once_and_in_order(cells, gated):
    events = {str(name): own["event"] for name, own in cells.obs.groupby("sample", observed=True)}
    assert set(events) == set(gated)
    for name, (_, one) in gated.items():
        assert list(events[name]) == list(range(one.tree.count))
    assert list(cells.obs_names[:2]) == ["0", "1"]
    assert cells.obs_names.is_unique


def test_the_values_are_those_that_the_run_reads(cells, gated):
    for name, (_, one) in gated.items():
        own = cells[(cells.obs["sample"] == name).to_numpy()]
        for marker in cells.var_names:
            compensated = one.compensated.column(marker)
            np.testing.assert_array_equal(own[:, marker].layers["compensated"].ravel(), compensated.astype(np.float32))
            scale = scale_from_dict(json.loads(cells.var.loc[marker, "scale"]))
            np.testing.assert_array_equal(own[:, marker].X.ravel(), scale.apply(compensated).astype(np.float32))


def test_the_display_scale_is_that_of_the_runs_gates(cells, gated):
    _, one = next(iter(gated.values()))
    for marker in ("CD3", "CD4", "CD25"):
        assert scale_from_dict(json.loads(cells.var.loc[marker, "scale"])) == one.tree.axes[marker].scale


def second_reading(path):
    values, names = read_with_fcsparser(path)
    return dict(zip(names, values.T, strict=True))


def test_raw_values_scatter_and_time_are_those_that_another_reader_finds(cells, gated):
    for name, (task, _) in gated.items():
        own = cells[(cells.obs["sample"] == name).to_numpy()]
        second = second_reading(task.path)
        for marker, detector in cells.var["channel"].items():
            np.testing.assert_array_equal(own[:, marker].layers["raw"].ravel(), second[detector].astype(np.float32))
        for detector in ("FSC-A", "SSC-A", "Time"):
            np.testing.assert_array_equal(own.obs[detector], second[detector].astype(np.float32))


def test_a_cell_has_its_deepest_population(cells, gated):
    for name, (_, one) in gated.items():
        said = cells.obs.loc[cells.obs["sample"] == name, "population"].astype(str).to_numpy()
        paths = {p.id: p.path for p in one.tree.populations} | {ROOT: ""}
        for event in range(0, one.tree.count, 7):
            inside = [ROOT, *(p for p, mask in one.tree.memberships.items() if mask[event])]
            deepest = max(paths[p].count("/") for p in inside)
            assert said[event] == next(p for p in inside if paths[p].count("/") == deepest)


def test_metaclusters_are_those_of_the_clustering_and_missing_elsewhere(cells, run_folder):
    found = cells.obs["metacluster"].astype(object)
    for name in cells.obs["sample"].cat.categories:
        own = found[(cells.obs["sample"] == name).to_numpy()].to_numpy()
        with np.load(run_folder / "clusters" / "treg" / f"{name}.npz") as stored:
            expected = np.full(int(stored["n"]), None, dtype=object)
            expected[stored["event"]] = [f"mc{number:02d}" for number in stored["metacluster"]]
        assert [None if pd.isna(one) else one for one in own] == list(expected)
    assert list(cells.uns["metaclusters"]["metacluster"]) == list(cells.obs["metacluster"].cat.categories)


def test_cells_of_the_atlas_have_their_place_and_what_else_it_says(cells, run_folder):
    atlas = pd.read_parquet(run_folder / "atlas" / "treg.parquet").set_index(["sample_id", "event"])
    keys = pd.MultiIndex.from_arrays([cells.obs["sample"].astype(str), cells.obs["event"]])
    inside = keys.isin(atlas.index)
    assert inside.sum() == len(atlas) == np.isfinite(cells.obsm["X_umap"]).all(axis=1).sum()
    own = atlas.loc[keys[inside]]
    np.testing.assert_array_equal(cells.obsm["X_umap"][inside], own[["umap1", "umap2"]].to_numpy())
    np.testing.assert_array_equal(cells.obs["atlas_out_of_reference"][inside], own["out_of_reference"].to_numpy())
    assert list(cells.obs["atlas_cluster"][inside]) == [str(one) for one in own["cluster"]]
    assert list(cells.obs["atlas_projected"][inside]) == [str(one) for one in own["projected"]]
    assert cells.obs["atlas_cluster"][~inside].isna().all()


def test_only_the_atlas_or_a_population_can_be_asked_for(run_folder, cells, tmp_path):
    some = anndata.read_h5ad(export_cells(run_folder, out=tmp_path / "a.h5ad", atlas_only=True).path)
    assert some.n_obs == 240
    assert np.isfinite(some.obsm["X_umap"]).all()
    done = export_cells(run_folder, out=tmp_path / "b.h5ad", within="cd4")
    table = open_run(run_folder).table("populations")
    patients = table[(table["population"] == "cd4") & table["sample_id"].isin(cells.obs["sample"].cat.categories)]
    assert done.cells == patients["count"].sum()


def test_words_are_the_fields_own(cells):
    assert list(cells.layers) == ["compensated", "raw"]
    assert cells.var.loc["CD25", ["marker", "channel", "detector", "fluorochrome", "kind", "signal_type"]].tolist() == [
        "CD25", "PE-A", "PE-A", "PE", "type", "area",
    ]  # fmt: skip
    assert cells.var.loc["HLA-DR", "kind"] == "state"
    visits = cells.obs["visit"].cat
    assert visits.ordered
    assert list(visits.categories) == ["D-1", "W4"]
    assert list(cells.obs["dose_group"].cat.categories) == ["A", "B", "C"]
    assert next(iter(cells.uns["dose_group_colors"])) == "#0072b2"
    pairs = cells.obs[["subject", "dose_group", "sample"]].drop_duplicates()
    assert all(subject in sample for subject, sample in zip(pairs["subject"], pairs["sample"], strict=True))


def test_the_file_says_how_it_was_made(cells, run_folder):
    made = cells.uns["immunomon"]
    assert made["run_digest"] == open_run(run_folder).record["digest"]
    assert (made["strategy"], made["panel"], made["made_by"]) == ("treg", "treg", "immunomon export --as anndata")
    samples = cells.uns["samples"]
    assert samples["events"].sum() == cells.n_obs
    files = {one["sample_id"]: one["sha256"] for one in open_run(run_folder).record["files"]}
    assert all(files[name] == row["fcs_sha256"] for name, row in samples.iterrows())
    matrix = cells.uns["spillover"]["1"]
    raw, compensated = cells.layers["raw"], cells.layers["compensated"]
    back = compensated.astype(float) @ matrix.loc[cells.var["channel"], cells.var["channel"]].to_numpy()
    np.testing.assert_allclose(back, raw, atol=0.05, rtol=1e-4)


def test_nobody_is_named(exported):
    data = exported.path.read_bytes()
    assert NAME.encode() not in data
    assert b"Alva" not in data
    assert b".fcs" not in data

    def look(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "O":
            assert not any("Alva" in str(text) for text in np.atleast_1d(item.asstr()[()])), name

    with h5py.File(exported.path) as file:
        file.visititems(look)


def test_it_is_read_in_pieces_too(exported, cells):
    backed = anndata.read_h5ad(exported.path, backed="r")
    rows = np.arange(100, 3000, 17)
    np.testing.assert_array_equal(backed[rows].to_memory().X, cells[rows].X)
    backed.file.close()


def test_what_breaks_off_leaves_nothing_and_what_was_there(run_folder, tmp_path, monkeypatch):
    path = tmp_path / "cells.h5ad"
    path.write_bytes(b"of before")
    whole, calls = export_module.open_sample, []

    def breaks(*given, **more):
        calls.append(1)
        if len(calls) == 3:
            raise ImmunomonError("the disk is gone")
        return whole(*given, **more)

    monkeypatch.setattr(export_module, "open_sample", breaks)
    with pytest.raises(ImmunomonError, match="the disk is gone"):
        export_cells(run_folder, out=path, overwrite=True)
    assert path.read_bytes() == b"of before"
    assert [one.name for one in tmp_path.iterdir()] == ["cells.h5ad"]


KILLED = """\
import os, signal, sys
from pathlib import Path
from immunomon.maps.anndata import writing
append, calls = writing.CellsFile.append, []
def dies(self, block):
    append(self, block)
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
writing.CellsFile.append = dies
from immunomon.maps.anndata.export import export_cells
export_cells(Path(sys.argv[1]), out=Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_export_leaves_no_half_file(run_folder, tmp_path):
    path = tmp_path / "cells.h5ad"
    done = subprocess.run([sys.executable, "-c", KILLED, str(run_folder), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert list(tmp_path.glob("*.h5ad")) == []
    assert export_cells(run_folder, out=path).cells == 9000


def test_a_file_that_is_there_is_replaced_only_on_demand(run_folder, exported):
    with pytest.raises(ImmunomonError, match="it is there already; name another file"):
        export_cells(run_folder, out=exported.path)


def test_without_anndata_it_says_what_to_install(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "anndata.io", None)
    monkeypatch.setattr(
        sys, "argv", ["immunomon", "export", str(run_folder), "--as", "anndata", "--out", str(tmp_path / "x.h5ad")]
    )
    with pytest.raises(SystemExit, match="1"):
        main()
    assert 'pip install "immunomon[anndata]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_options_of_the_other_kind_are_refused(run_folder):
    result = CliRunner().invoke(app, ["export", str(run_folder), "--atlas-only"])
    assert result.exit_code == 2
    assert "belongs to --as anndata" in result.output
    result = CliRunner().invoke(app, ["export", str(run_folder), "--as", "anndata", "--reason", "x"])
    assert result.exit_code == 2
    assert "belongs to --as database" in result.output


def test_what_is_of_an_earlier_run_is_left_out_and_said(run_folder, tmp_path):
    records = [run_folder / "clusters" / "treg" / "clusters.json", run_folder / "atlas" / "treg.json"]
    texts = [path.read_text(encoding="utf-8") for path in records]
    for path, text in zip(records, texts, strict=True):
        path.write_text(json.dumps({**json.loads(text), "run_digest": "another"}), encoding="utf-8")
    try:
        words = ["export", str(run_folder), "--as", "anndata", "--out", str(tmp_path / "x.h5ad")]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        assert result.output.count("of an earlier run") == 2
        printed = json.loads(CliRunner().invoke(app, [*words, "--overwrite", "--json"]).stdout)
        assert (printed["cells"], len(printed["notes"])) == (9000, 2)
        with pytest.raises(ImmunomonError, match="make one with: immunomon embed"):
            export_cells(run_folder, out=tmp_path / "y.h5ad", atlas_only=True)
    finally:
        for path, text in zip(records, texts, strict=True):
            path.write_text(text, encoding="utf-8")
    found = anndata.read_h5ad(tmp_path / "x.h5ad")
    assert "metacluster" not in found.obs
    assert "X_umap" not in found.obsm


def test_a_block_must_be_what_the_layout_says(tmp_path):
    layout = Layout(pd.DataFrame(index=pd.Index(["CD3"])), (), (Column("subject", ("S1",)),))
    with (
        pytest.raises(ValueError, match="lengths"),
        new_cells_file(tmp_path / "x.h5ad", layout) as file,
    ):
        file.append(Block({"X": np.zeros((2, 1), np.float32)}, {"subject": np.zeros(3, np.int8)}))
    assert list(tmp_path.iterdir()) == []
