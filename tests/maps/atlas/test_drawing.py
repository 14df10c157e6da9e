import shutil

from immunomon.maps.atlas.cells import Reader
from immunomon.maps.atlas.drawing import draw, patients_jobs, wanted_of
from immunomon.maps.atlas.record import markers_of
from immunomon.maps.clusters.found import read_metaclusters
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import cluster_run
from immunomon.maps.clusters.samples import source_of
from immunomon.runs.opened import open_run


def test_where_the_panel_was_clustered_rare_metaclusters_are_kept_and_weights_make_up_for_it(run_folder, tmp_path):
    study = shutil.copytree(run_folder.parent, tmp_path / "trial")
    cluster_run(study / "run", settings=MapSettings(grid=(8, 8), clusters=8, ordering_events=10_000, jobs=2))
    run = open_run(study / "run")
    source = source_of(run, None, None)
    found = read_metaclusters(run)
    reader = Reader(source, source.within, markers_of(source.panel)[0], found)
    wanted = wanted_of(run, patients_jobs(source), source.within, cells=1200)
    cells, _ = draw(reader, wanted, markers_of(source.panel)[1], seed=1, workers=2, progress=lambda done, total: None)
    known = found.table.set_index("metacluster")["percent_of_parent"].astype(float)
    taken = 100 * cells["metacluster"].value_counts(normalize=True)
    weighted = 100 * cells.groupby("metacluster")["weight"].sum() / cells["weight"].sum()
    assert len(cells) == 1200
    few, many = known.index[-3:], known.index[0]  # they are numbered by size
    assert taken.reindex(few).sum() > 1.2 * known[few].sum()
    assert taken[many] < known[many]
    assert (weighted.reindex(known.index).fillna(0) - known).abs().max() < 4
