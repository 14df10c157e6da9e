"""A run whose FCS files name a person, with clusters and a small atlas beside it."""

import io
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from support.untraced import untraced

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.maps.anndata import export_cells
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import cluster_run
from immunomon.runs.opened import open_run
from immunomon.runs.run import run_study

NAME = "Nonymous^Alva"
SMALL = MapSettings(grid=(5, 5), clusters=6, ordering_events=5000, seed=1, jobs=2)


def named(path: Path) -> None:
    header, raw = read_fcs(path)
    keywords = {**kept_keywords(header), "$OP": NAME, "PATIENT NAME": NAME, "$SMNO": NAME, "$COM": f"for {NAME}"}
    write_fcs(path, EventTable(raw.values, linear_channels(header), Scale.RAW, path.name), keywords)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("annotated") / "trial"
    study = simulate_trial(folder, events=1500, visits=["D-1", "W4"], subjects_per_group=1, panels=["treg"], seed=5)
    for path in sorted(study.rglob("S0*_treg.fcs")):
        named(path)
    with untraced():
        assert run_study(study, jobs=2).complete
        cluster_run(study / "run", settings=SMALL)
    atlas_of(study / "run")
    return study / "run"


def atlas_of(run: Path) -> None:
    """Leave an atlas as ``immunomon embed`` does, with columns that it may gain, but positions of nobody's making."""
    opened = open_run(run)
    rng = np.random.default_rng(3)
    samples = opened.table("samples")
    patients = samples[(samples["role"] == "sample") & (samples["status"] == "gated")]
    parts = []
    for row in patients.itertuples():
        events = np.sort(rng.choice(int(row.events), 40, replace=False))
        parts.append(pd.DataFrame({"sample_id": str(row.sample_id), "event": events}))
    table = pd.concat(parts, ignore_index=True)
    place = rng.normal(size=(len(table), 2)).astype(np.float32)
    table = table.assign(subject="", visit="", dose_group="", population="", label="", cluster=rng.integers(1, 12, 240))
    table = table.assign(umap1=place[:, 0], umap2=place[:, 1], CD3=np.float32(0.5))
    table = table.assign(out_of_reference=rng.random(240).astype(np.float32), projected=rng.random(240) < 0.5)
    buffer = io.BytesIO()
    table.sample(frac=1, random_state=1).to_parquet(buffer, index=False)
    (run / "atlas").mkdir()
    (run / "atlas" / "treg.parquet").write_bytes(buffer.getvalue())
    record = {"run_digest": opened.record["digest"], "digest": "d", "seed": 1, "markers": ["CD3"], "cells": 240}
    (run / "atlas" / "treg.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture(scope="session")
def exported(run_folder, tmp_path_factory):
    return export_cells(run_folder, out=tmp_path_factory.mktemp("h5ad") / "cells.h5ad")


@pytest.fixture(scope="session")
def cells(exported) -> anndata.AnnData:
    return anndata.read_h5ad(exported.path)
