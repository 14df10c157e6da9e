import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.errors import BadAtlas, ImmunomonError, UnknownName
from immunomon.maps.atlas.embed import embed_run
from immunomon.maps.atlas.placing import placer_of
from immunomon.maps.atlas.project import project_run
from immunomon.maps.atlas.reference import load_reference, save_reference
from immunomon.maps.model.tables import PROJECTED_SAMPLES
from immunomon.runs.opened import open_run


@pytest.fixture(scope="module")
def run(run_folder, compiled, tmp_path_factory):
    """The run in a folder of its own, with an atlas that was fitted at baseline only."""
    study = shutil.copytree(run_folder.parent, tmp_path_factory.mktemp("project") / "trial")
    embed_run(study / "run", within="lymphocytes", cells=450, visits=["D-1"], seed=2, refit=True)
    return study / "run"


@pytest.fixture(scope="module")
def projection(run):
    return project_run(run, cells=None)


@pytest.fixture(scope="module")
def cells(projection, run):
    return open_run(run).projected("treg")


def test_all_cells_of_all_visits_are_on_the_atlas_once(cells, projection, run):
    rows = open_run(run).table("populations").query("population == 'lymphocytes' and role == 'sample'")
    known = rows.set_index("sample_id")["count"]
    assert cells.groupby("sample_id").size().to_dict() == known.to_dict()
    assert not cells.duplicated(["sample_id", "event"]).any()
    assert projection.contents["cells"] == len(cells)


def test_fitted_cells_are_where_they_were(cells, run):
    atlas = open_run(run).atlas("treg")
    assert set(atlas["visit"]) == {"D-1"}
    found = cells[cells["fitted"]].set_index(["sample_id", "event"])
    was = atlas.set_index(["sample_id", "event"])
    assert len(found) == len(was) == 450
    columns = ["umap1", "umap2", "out_of_reference", "cluster", "CD4", "population"]
    pd.testing.assert_frame_equal(found[columns], was.loc[found.index, columns])


def test_a_cell_lies_where_its_kind_lies(cells):
    """Cells of the later visit lie among cells of their own population, as the fitted ones do."""
    from sklearn.neighbors import KNeighborsClassifier

    is_t = cells["CD3"] > 0.5
    fitted, later = cells["fitted"], cells["visit"] == "W4"
    place = cells[["umap1", "umap2"]].to_numpy()
    model = KNeighborsClassifier(15).fit(place[fitted], is_t[fitted])
    assert model.score(place[later], is_t[later]) > 0.97


def test_samples_that_are_like_the_atlas_have_about_one_percent_beyond_it(projection):
    table = projection.table
    assert list(table.columns) == list(PROJECTED_SAMPLES.names)
    assert table["in_atlas"].tolist() == [visit == "D-1" for visit in table["visit"]]
    assert 0.2 < table["percent_beyond"].mean() < 3
    assert (table["percent_beyond_low"] <= table["percent_beyond"]).all()


def test_cells_like_none_of_the_atlas_are_beyond_it(run):
    placer = placer_of(load_reference(open_run(run).atlas_reference("treg")))
    threshold = placer.reference.record["out_of_reference"]["threshold"]
    known = placer.reference.scaled[:200] * placer.scale + placer.centre
    assert (placer.place(known).score <= threshold).mean() > 0.9
    assert (placer.place(known + 1.0).score > threshold).all()


def test_a_cell_lies_at_the_same_place_whatever_the_others_and_the_threads(run):
    placer = placer_of(load_reference(open_run(run).atlas_reference("treg")))
    values = np.random.default_rng(1).uniform(0, 1, (900, len(placer.centre)))
    whole = placer.place(values, sample=1, threads=2)
    alone = placer.place(values[400:401], sample=1)
    np.testing.assert_array_equal(alone.positions[0], whole.positions[400])
    assert alone.score[0] == whole.score[400]


@pytest.mark.no_cover
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_jobs(run):
    first = project_run(run, cells=600, seed=3, jobs=2)
    files = [*sorted(first.parts.iterdir()), first.samples, first.record, first.picture]
    was = {path: path.read_bytes() for path in files}
    project_run(run, cells=600, seed=3, jobs=1)
    assert {path: path.read_bytes() for path in files} == was
    assert first.contents["cells"] == 600
    assert first.table["population_cells"].sum() > 600
    project_run(run, cells=None)


def test_an_atlas_of_an_earlier_run_takes_cells_of_a_later_one(run, run_folder, tmp_path):
    carried = tmp_path / "carried.atlas.npz"
    carried.write_bytes(open_run(run).atlas_reference("treg").read_bytes())
    study = shutil.copytree(run_folder.parent, tmp_path / "later")
    found = project_run(study / "run", atlas=carried, cells=300)
    assert found.contents["atlas"]["digest"] == load_reference(carried).digest


def changed_atlas(run, to, **changes):
    """A valid atlas file whose record says something else."""
    reference = load_reference(open_run(run).atlas_reference("treg"))
    record = json.loads(json.dumps({**reference.record, **changes}))
    arrays = {name: getattr(reference, name) for name in reference.record["arrays"]}
    save_reference(to, type(reference)(**arrays, record=record))
    return to


def test_an_atlas_of_other_scales_detectors_markers_or_cells_is_refused_with_the_reason(run, tmp_path):
    record = load_reference(open_run(run).atlas_reference("treg")).record
    other_scale = {**record["scales"], "CD4": {**record["scales"]["CD4"], "w": 0.9}}
    cases = [
        ({"scales": other_scale}, r"the display scale of CD4 is logicle .* in this run and logicle .*w=0.9"),
        ({"detectors": {**record["detectors"], "CD4": "APC-A"}}, "CD4 was read on APC-A in the atlas and is on PerCP"),
        ({"panel": "bcell"}, "it is an atlas of the panel 'bcell', not of 'treg'"),
        ({"within": "b_cells"}, "it is an atlas of 'b_cells' of the panel 'treg'; .*no population 'b_cells'"),
    ]
    for changes, message in cases:
        path = changed_atlas(run, tmp_path / "other.npz", **changes)
        with pytest.raises(BadAtlas, match=message):
            project_run(run, atlas=path, cells=300)


def test_a_refused_projection_leaves_the_earlier_one(run, projection, tmp_path):
    record = load_reference(open_run(run).atlas_reference("treg")).record
    other = {**record["scales"], "CD4": {"kind": "linear", "t": 1.0, "a": 0.0}}
    before = sorted(path.name for path in projection.parts.parent.rglob("*"))
    with pytest.raises(BadAtlas):
        project_run(run, atlas=changed_atlas(run, tmp_path / "other.npz", scales=other))
    assert sorted(path.name for path in projection.parts.parent.rglob("*")) == before


def test_a_run_without_projection_or_atlas_says_how_to_make_one(run_folder, tmp_path):
    study = shutil.copytree(run_folder.parent, tmp_path / "trial", ignore=shutil.ignore_patterns("atlas"))
    with pytest.raises(ImmunomonError, match="make them with: immunomon project"):
        open_run(study / "run").projected("treg")
    with pytest.raises(BadAtlas, match="there is no atlas here; make one with: immunomon embed"):
        project_run(study / "run")


def test_parts_are_read_by_sample_and_column(run, projection):
    opened = open_run(run)
    sample = next(iter(projection.contents["parts"]))
    found = opened.projected("treg", samples=[sample], columns=["umap1", "event"])
    assert list(found.columns) == ["umap1", "event"]
    with pytest.raises(UnknownName, match="no projected sample"):
        opened.projected("treg", samples=["S99"])


def test_the_command_says_which_samples_are_unlike_the_atlas(run):
    result = CliRunner().invoke(app, ["project", str(run), "--cells", "all"])
    assert result.exit_code == 0, result.output
    assert "1 % where all is alike" in result.output
    assert "treg.projected.csv" in result.output
    wrong = CliRunner().invoke(app, ["project", str(run), "--cells", "many"])
    assert wrong.exit_code == 2
