import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import BadAtlas, ImmunomonError, UnknownName
from immunomon.maps.atlas.embed import embed_run
from immunomon.runs.named import read_panel, read_strategy
from immunomon.runs.opened import open_run
from immunomon.runs.scaling import book_of_run
from immunomon.runs.single import analyse


@pytest.fixture(scope="module")
def atlas(run_folder, compiled):
    # Whatever another test left there.
    return embed_run(run_folder, within="lymphocytes", cells=601, visits=(), seed=4, refit=True)


@pytest.fixture(scope="module")
def cells(atlas) -> pd.DataFrame:
    return pd.read_parquet(atlas.table)


def test_every_subject_and_visit_gives_as_many_cells(cells):
    counts = cells.groupby(["subject", "visit"]).size()
    assert len(cells) == 601
    assert len(counts) == 6
    assert counts.max() - counts.min() <= 1


def test_a_cell_is_a_real_event_with_its_population_and_its_display_values(cells, run_folder):
    panel, strategy = read_panel("treg"), read_strategy("treg")
    sample_id = cells["sample_id"].iloc[-1]
    mine = cells[cells["sample_id"] == sample_id]
    book = book_of_run(run_folder, "treg")
    found = analyse(open_run(run_folder).fcs_file(sample_id), strategy, panel=panel, book=book, with_plots=False)
    events = mine["event"].to_numpy()
    assert found.tree.mask("lymphocytes")[events].all()
    for population, event in zip(mine["population"], events, strict=True):
        assert found.tree.mask(population)[event]
        children = [p.id for p in found.tree.populations if p.parent == population]
        assert not any(found.tree.mask(child)[event] for child in children)
    for marker in ("CD25", "CD4", "HLA-DR"):
        scale = found.tree.axes[marker].scale
        np.testing.assert_allclose(mine[marker], scale.apply(found.compensated.column(marker)[events]), rtol=1e-6)


@pytest.mark.no_cover
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_jobs(atlas, run_folder):
    table, record = atlas.table.read_bytes(), atlas.record.read_bytes()
    again = embed_run(run_folder, cells=601, seed=4, jobs=1)
    assert again.table.read_bytes() == table
    assert again.record.read_bytes() == record


def test_the_record_says_how_it_was_made(atlas, run_folder):
    record = json.loads(atlas.record.read_text(encoding="utf-8"))
    assert record["markers"] == ["CD25", "CD4", "CCR4", "CD127", "CD45RO", "CD3"]
    assert record["other_markers"] == ["HLA-DR"]
    assert (record["within"], record["seed"], record["cells"]) == ("lymphocytes", 4, 601)
    assert 0.8 < record["trustworthiness"]["value"] <= 1
    assert record["run_digest"] == open_run(run_folder).record["digest"]
    assert sum(record["cells_of_samples"].values()) == 601


def test_weights_add_up_to_the_cells_of_each_sample(cells, run_folder):
    rows = open_run(run_folder).table("populations").query("population == 'lymphocytes'")
    known = rows.set_index("sample_id")["count"].astype(float)
    found = cells.groupby("sample_id")["weight"].sum()
    np.testing.assert_allclose(found, known[found.index], rtol=1e-9)


def test_rare_cells_are_more_than_their_share_and_their_weights_make_up_for_it(cells, run_folder):
    treg = cells["population"].str.startswith("treg")
    rows = open_run(run_folder).table("populations")
    known = rows.groupby("population")["count"].sum()
    share = known["treg"] / known["lymphocytes"]
    assert treg.mean() > 2 * share
    assert 0.6 * share < cells.loc[treg, "weight"].sum() / cells["weight"].sum() < 1.6 * share


def test_a_cell_says_how_usual_it_is(cells, atlas):
    assert cells["fitted"].all()
    beyond = cells["out_of_reference"] > atlas.contents["out_of_reference"]["threshold"]
    assert 0 <= cells.loc[beyond, "weight"].sum() / cells["weight"].sum() <= 0.01


def test_an_atlas_stays_unless_one_says_to_replace_it(atlas, run_folder):
    with pytest.raises(BadAtlas, match=r"fitted with another seed; it stays.*--refit"):
        embed_run(run_folder, cells=601, seed=5)


def test_the_picture_is_a_png(atlas):
    assert atlas.picture.read_bytes().startswith(b"\x89PNG")


def test_no_half_written_file_is_left(atlas):
    assert sorted(path.suffix for path in atlas.table.parent.iterdir()) == [".json", ".npz", ".parquet", ".png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"panel": "trge"}, "no panel 'trge' in this run; did you mean 'treg'"),
        ({"within": "cd44"}, "no population 'cd44'; did you mean 'cd4'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(run_folder, arguments, message):
    with pytest.raises(UnknownName, match=message):
        embed_run(run_folder, **arguments)


def test_a_population_without_cells_enough_is_refused(run_folder):
    with pytest.raises(ImmunomonError, match=r"only \d+ cells of 'treg_activated'.*--within"):
        embed_run(run_folder, within="treg_activated", refit=True)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ImmunomonError, match="no finished run here; make it with: immunomon run"):
        embed_run(tmp_path)


def test_a_run_away_from_its_study_asks_for_the_study(run_folder, tmp_path):
    away = shutil.copytree(run_folder, tmp_path / "away")
    with pytest.raises(ImmunomonError, match=r"its study is not in the folder above.*--study"):
        embed_run(away)


def test_a_file_that_changed_since_the_run_is_refused(run_folder, tmp_path):
    study = shutil.copytree(run_folder.parent, tmp_path / "trial")
    changed = open_run(study / "run").fcs_file("fcs__treg__S01_W4_treg")
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(
        ImmunomonError, match=r"S01_W4_treg\.fcs: it is not the file that the run gated.*run the study again"
    ):
        embed_run(study / "run")


def test_the_command_says_what_it_wrote(run_folder):
    result = CliRunner().invoke(app, ["embed", str(run_folder), "--within", "cd4", "--cells", "300", "--refit"])
    assert result.exit_code == 0, result.output
    assert "300 cells of cd4 from 6 samples of the panel treg" in result.output
    assert "treg.png" in result.output


def test_an_atlas_fitted_again_keeps_what_it_was_made_with_unless_told_otherwise(run_folder):
    """Runs last: it leaves another atlas."""
    embed_run(run_folder, within="cd4", cells=300, visits=["D-1"], seed=3, refit=True)
    again = embed_run(run_folder, refit=True)
    asked = ("within", "cells_wanted", "visits", "seed")
    assert [again.contents[name] for name in asked] == ["cd4", 300, ["D-1"], 3]
    assert again.kept == "within cd4, 300 cells, visits D-1, seed 3"
    result = CliRunner().invoke(app, ["embed", str(run_folder), "--refit", "--cells", "350", "--visits", ""])
    assert result.exit_code == 0, result.output
    assert "As the atlas before: within cd4, seed 3" in result.output
    assert "350 cells of cd4 from 6 samples" in result.output
