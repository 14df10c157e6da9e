"""A region described by Python and by the page's own script, and the page as one file that needs nothing else."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from support.small_run import copied_run

import immunomon
import immunomon.maps.atlas.explorer as explorer_module
import immunomon.maps.atlas.gates as gates_module
from immunomon.errors import ImmunomonError, UnknownName
from immunomon.maps.atlas.describe import describe_region, marker_columns
from immunomon.maps.atlas.embed import embed_run
from immunomon.maps.atlas.explorer import Explorer, explore_atlas, explore_cells
from immunomon.maps.atlas.gates import gates_of
from immunomon.plots.umap_density import densities_of
from immunomon.runs.derived import made_of_run
from immunomon.runs.opened import open_run

SCRIPT = Path(explorer_module.__file__).parent / "assets" / "explorer.js"
RING = [(0.6, -1.0), (2.2, 0.4), (1.1, 2.5), (-0.4, 0.9)]


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(4)
    n = 1501
    words = {
        "sample_id": "s",
        "subject": rng.choice(["S1", "S2", "S3"], n),
        "visit": rng.choice(["D-1", "W4", "W12"], n, p=[0.5, 0.3, 0.2]),
        "label": rng.choice(["Other", "Treg", "NK"], n, p=[0.7, 0.2, 0.1]),
    }
    places = rng.normal(size=(n, 2)).astype(np.float32)
    markers = rng.normal(size=(n, 2)).astype(np.float32) + places
    table = pd.DataFrame({**words, "event": np.arange(n), "cluster": rng.integers(1, 4, n)})
    table = table.assign(dose_group=table["subject"].map({"S1": "A", "S2": "B", "S3": "B"}))
    table = table.assign(umap1=places[:, 0], umap2=places[:, 1], CD3=markers[:, 0], CD25=markers[:, 1])
    return table.assign(out_of_reference=rng.random(n).astype(np.float32), weight=rng.integers(1, 5, n).astype(float))


def in_node(code: str, cells: pd.DataFrame) -> dict:
    """Run code in node on the cells as the page has them; what it calls ``out`` comes back."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        pytest.skip("there is no node to run the page's script")
    words = {
        "label": ["Other", "Treg", "NK"], "visit": ["D-1", "W4", "W12"], "dose_group": ["A", "B"],
        "subject": ["S1", "S2", "S3"],
    }  # fmt: skip
    codes = {name: cells[name].map({w: k for k, w in enumerate(known)}).tolist() for name, known in words.items()}
    numbers = {name: cells[name].astype(float).tolist() for name in ("umap1", "umap2", "CD3", "CD25", "weight")}
    given = json.dumps({"codes": codes, "numbers": numbers, "words": words})
    setting = (
        f"const page = require({json.dumps(str(SCRIPT))}); const given = JSON.parse(require('fs').readFileSync(0));"
        "const data = {}; for (const k in given.codes) data[k] = Int16Array.from(given.codes[k]);"
        "for (const k in given.numbers) data[k] = Float32Array.from(given.numbers[k]);"
        "const meta = {markers: ['CD3', 'CD25'], words: given.words, whose: ['subject', 'visit', 'dose_group']};"
    )
    code = f"{setting} {code}; console.log(JSON.stringify(out));"
    done = subprocess.run([node, "-e", code], input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("region", [RING, [(-1.0, 2.0), (0.5, -0.25)]])
def test_the_page_says_of_a_region_what_python_says(cells, region):
    code = (
        f"const out = page.describeRegion(data, page.cellsIn(data, {json.dumps(region)}), meta, [...data.umap1.keys()])"
    )
    page, here = in_node(code, cells), describe_region(cells, region)
    assert page["cells"] == here.cells > 50
    for shown, (_, row) in zip(page["phenotype"], here.phenotype.iterrows(), strict=True):
        assert shown["marker"] == row["marker"]
        assert shown["median"] == pytest.approx(row["median"], abs=1e-6)
        assert shown["medianOfRest"] == pytest.approx(row["median_of_rest"], abs=1e-6)
    shown = [(one["name"], one["cells"], round(one["ofRegion"], 6)) for one in page["populations"]]
    said = zip(*(here.populations[name] for name in ("population", "cells", "percent_of_region")), strict=True)
    assert shown == [(name, count, round(percent, 6)) for name, count, percent in said]
    for of, rows in page["whose"].items():
        own = here.whose[here.whose["of"] == of].set_index("name")
        assert {one["name"]: one["cells"] for one in rows} == own["cells"].to_dict()
        assert all(one["ofOwn"] == pytest.approx(own.loc[one["name"], "percent_of_own"]) for one in rows)


def test_the_pages_difference_is_the_mean_over_patients(cells):
    known = densities_of(cells, bins=12)
    listed = [
        {"visit": v, "group": g, "patients": known.patients[v, g], "sums": sums.ravel().astype(float).tolist()}
        for (v, g), sums in known.sums.items()
    ]
    code = (
        f"const d = {json.dumps(listed)}; const all = page.differenceOf(d, 'D-1', 'W12', '');"
        "const out = {all: [...all.change], b: [...page.differenceOf(d, 'D-1', 'W12', 'B').change], "
        "before: all.before, none: page.differenceOf(d, 'D-1', 'W12', 'C').change}"
    )
    page = in_node(code, cells)
    np.testing.assert_allclose(page["all"], (known.of("W12") - known.of("D-1")).ravel(), atol=1e-4)
    np.testing.assert_allclose(page["b"], (known.of("W12", "B") - known.of("D-1", "B")).ravel(), atol=1e-4)
    assert (page["before"], page["none"]) == (3, None)


def test_every_cell_is_painted_where_it_lies_in_its_colour(cells):
    code = (
        "const index = page.indexOf(data.label, {kind: 'words', palette: ['#010203', '#aabbcc', '#ffffff']});"
        "const inks = page.inksOf(['#010203', '#aabbcc', '#ffffff']), states = new Uint8Array(index.length);"
        "const picture = new Uint32Array(100 * 100), box = {x0: -5, x1: 5, y0: -5, y1: 5};"
        "page.paintCells(picture, 100, box, Uint32Array.from([0, 1, 2]), data, {index, inks, states}, 0);"
        "const ink = [...index.slice(0, 3)].map((k) => inks[k]);"
        "const out = {ink, at: [...picture.entries()].filter(([, colour]) => colour)}"
    )
    page = in_node(code, cells)
    colours = {"Other": 0xFF030201, "Treg": 0xFFCCBBAA, "NK": 0xFFFFFFFF}
    assert page["ink"] == [colours[label] for label in cells["label"][:3]]
    column = np.floor((cells["umap1"][:3].astype(float) + 5) * 10).astype(int)
    row = 99 - np.floor((cells["umap2"][:3].astype(float) + 5) * 10).astype(int)
    assert {tuple(one) for one in page["at"]} == set(zip(row * 100 + column, page["ink"], strict=True))


def test_patients_speak_equally_whatever_their_cells():
    few = pd.DataFrame({"umap1": [0.0], "umap2": [0.0], "visit": "W4", "dose_group": "A", "subject": "S1"})
    many = pd.concat([few.assign(umap1=9.0, umap2=9.0, subject="S2")] * 50)
    density = densities_of(pd.concat([few, many], ignore_index=True), bins=20).of("W4")
    assert density[:10, :10].sum() == pytest.approx(density[10:, 10:].sum(), rel=1e-5)


def test_a_cell_counts_as_many_times_as_it_stands_for(cells):
    inside = (cells["umap1"] > 0).to_numpy()
    found = describe_region(cells, inside)
    of = (
        cells["weight"].where(inside, 0.0).groupby(cells["subject"]).sum()
        / cells["weight"].groupby(cells["subject"]).sum()
    )
    own = found.whose[found.whose["of"] == "subject"].set_index("name")["percent_of_own"]
    pd.testing.assert_series_equal(own, 100 * of, check_names=False)
    doubled = cells.loc[cells.index.repeat(cells["weight"].astype(int))].drop(columns="weight")
    one, other = (densities_of(table, bins=15).of("W4") for table in (cells, doubled))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_region_by_a_mask_a_box_and_corners_is_the_same(cells):
    box = describe_region(cells, [(0.5, -0.25), (-1.0, 2.0)])
    inside = cells["umap1"].between(-1, 0.5) & cells["umap2"].between(-0.25, 2)
    corners = describe_region(cells, [(-1, -0.25), (0.5, -0.25), (0.5, 2), (-1, 2)])
    masked = describe_region(cells, inside.to_numpy())
    assert box.cells == corners.cells == masked.cells == int(inside.sum())
    pd.testing.assert_frame_equal(box.phenotype, masked.phenotype)
    assert masked.phenotype.set_index("marker").loc["CD3", "median"] == pytest.approx(cells["CD3"][inside].median())
    assert repr(masked).startswith(f"RegionDescription({masked.cells} cells, most of them Other")


@pytest.mark.parametrize("region", [[(0, 0)], [(9, 9), (10, 10)], [(-99, -99), (99, 99)], np.array([True])])
def test_a_region_that_says_nothing_is_refused(cells, region):
    with pytest.raises(ValueError, match=r"region|mask"):
        describe_region(cells, region)


def test_scores_are_no_markers(cells):
    assert marker_columns(cells) == ["CD3", "CD25"]


def known_to(page: Explorer) -> dict:
    """Return what the page's scripts know."""
    return json.loads(re.search(r'<script type="application/json" id="meta">(.*?)</script>', page.html(), re.S)[1])


def test_the_page_is_one_file_that_fetches_nothing(cells, tmp_path):
    orders = {"visit": ["D-1", "W4", "W12"], "label": ["Other", "Treg", "NK"]}
    page = explore_cells(cells, orders=orders, title="An atlas")
    text = page.save(tmp_path / "atlas.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text)
    assert "exploratory: areas and distances between islands are no measurements" in text
    assert repr(page) == "Explorer(An atlas: 1,501 cells)"
    assert list(known_to(page)["shown"]) == ["label", "cluster", "visit", "dose_group", "subject", "CD3", "CD25"]
    assert known_to(page)["words"]["visit"] == orders["visit"]
    frame = page.show(tmp_path / "shown.html")
    assert (tmp_path / "shown.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert 'src="' + (tmp_path / "shown.html").as_posix() in frame._repr_html_()


def test_a_word_that_the_order_forgot_has_a_colour(cells):
    page = explore_cells(cells, orders={"label": ["Other", "Treg"], "visit": ["W12"]})
    assert known_to(page)["words"]["label"] == ["Other", "Treg", "NK"]
    assert known_to(page)["words"]["visit"] == ["W12", "W4", "D-1"]


def test_cells_of_no_visit_and_no_population_are_shown_all_the_same(cells):
    bare = cells[["umap1", "umap2", "CD3", "sample_id"]]
    assert list(known_to(explore_cells(bare))["shown"]) == ["CD3"]
    assert "Before" not in explore_cells(cells.assign(visit=None)).html()


def test_a_run_is_explored_with_its_own_words_metaclusters_and_gates(run_folder, monkeypatch):
    opened = open_run(run_folder)
    if not opened.has_atlas("treg"):
        embed_run(run_folder, cells=300)
    page, atlas = explore_atlas(opened, "treg"), opened.atlas("treg")
    assert repr(page) == f"Explorer(DEMO-ITP, treg: {len(atlas):,} cells)"
    known = known_to(page)
    assert known["words"]["visit"] == ["D-1", "W4"]
    clustered = "metacluster" in atlas.columns and atlas["metacluster"].notna().any()
    assert list(known["shown"])[:2] == ["label", "metacluster" if clustered else "cluster"]
    assert {"CD25", "HLA-DR"} <= set(known["shown"])
    assert known["gates"] == sorted(set(atlas["sample_id"]))


def test_a_cell_lies_on_its_own_samples_gates_as_it_was_gated(run_folder):
    opened = open_run(run_folder)
    if not opened.has_atlas("treg"):
        embed_run(run_folder, cells=300)
    atlas = opened.atlas("treg")
    gates = gates_of(opened, "treg", atlas)
    for sample, own in atlas.groupby("sample_id"):
        packed, order = json.loads(gates.packed[sample]), opened.atlas_record("treg")["labels"]
        labels = {one["label"]: set(one["cells"]) for one in packed["populations"]}
        for place, label in enumerate(own["label"]):  # the deepest population that it is in
            assert place in labels[label.removesuffix(", other")], (sample, label, order)
        for plot in packed["plots"]:
            inside = labels.get(plot["parent"], set(range(len(own))))
            assert set(plot["cells"]) == inside
        (plot,) = (plot for plot in packed["plots"] if plot["gates"][0]["label"] == "T cells")
        border = 1000 * plot["gates"][0]["lines"][0][0][0]
        right = {cell for cell, x in zip(plot["cells"], plot["x"], strict=True) if x > border}
        assert right == labels["T cells"]
        assert right  # all of them in an atlas of T cells


def test_of_many_cells_each_samples_first_ones_have_places_on_its_gates(run_folder, monkeypatch):
    opened = open_run(run_folder)
    atlas = opened.atlas("treg")
    monkeypatch.setattr(gates_module, "_MOST_PLACED", len(atlas) // 4)
    gates = gates_of(opened, "treg", atlas)
    placed = {sample: json.loads(packed)["placed"] for sample, packed in gates.packed.items()}
    assert placed == {sample: math.ceil(0.25 * cells) for sample, cells in atlas["sample_id"].value_counts().items()}


def test_projected_cells_are_explored_instead_of_the_atlas_own(run_folder, monkeypatch):
    opened = open_run(run_folder)
    atlas = opened.atlas("treg")
    monkeypatch.setattr(type(opened), "projected", lambda self, panel: atlas.iloc[:50])
    projection = opened.folder / "atlas" / "treg.projected.json"
    record = {"run_digest": opened.digest, "atlas": {"digest": opened.atlas_record("treg")["digest"]}, "seed": 1}
    file = projection.with_suffix(".html")

    def state_of_page():
        derived = made_of_run(opened.folder, opened.record, opened.record_sha256, study=None)
        return next(made for made in derived if made.key == "explore --projected")

    try:
        projection.write_text(json.dumps(record), encoding="utf-8")
        page = explore_atlas(opened, "treg", projected=True)
        assert repr(page) == "Explorer(DEMO-ITP, treg, projected cells: 50 cells)"
        page.save(file)
        assert state_of_page().reasons == ()
        projection.write_text(json.dumps(record | {"seed": 2}), encoding="utf-8")  # projected again
        assert state_of_page().reasons == ("other cells were projected since",)
        assert state_of_page().command == f"immunomon explore {opened.folder} --panel treg --projected"
    finally:
        projection.unlink()
        file.unlink(missing_ok=True)


def test_events_are_drawn_on_each_plot_that_they_reached(run_folder):
    run = immunomon.open_run(run_folder)
    sample = run.sample(run.gated[0])
    figure = sample.back_gate(sample.gated["t_cells"].mask)
    many = sample.gated["t_cells"].count
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles[:4] == [
        f"{name}, {many:,} of {many:,} here" for name in ("All events", "Singlets", "Live", "Lymphocytes")
    ]
    assert f"CD4 T cells, {sample.gated['cd4'].count:,} of {many:,} here" in titles
    drawn = figure.axes[3].lines[-1].get_xdata()
    assert len(drawn) == many
    assert min(drawn) > figure.axes[3].lines[0].get_xdata()[0]  # right of the border of T cells
    with pytest.raises(UnknownName, match="it has events 0 to"):
        sample.back_gate([sample.gated.tree.count])
    with pytest.raises(UnknownName, match="not -1"):
        sample.back_gate([-1, 5])
    with pytest.raises(ValueError, match=f"it has {sample.gated.tree.count:,} events, the mask 3"):
        sample.back_gate([True, False, True])


def test_a_notebooks_own_plot_has_the_pages_colours(cells):
    pytest.importorskip("jscatter")
    holed = cells.assign(label=cells["label"].where(cells["label"] != "NK"))
    widget = immunomon.atlas_widget(holed, order=["Other", "Treg"])
    page = known_to(explore_cells(holed, orders={"label": ["Other", "Treg"]}))["colours"]["label"]
    colours = [to_hex(colour) for colour in widget.color()["map"]]
    sent = [colours[int(code)] for code in widget._points[:, 2]]  # what its browser gets
    assert sent == [page.get(label, "#d0d0d0") for label in holed["label"]]
    with pytest.raises(UnknownName, match=r"no column 'CD33' in the atlas; .*CD3"):
        immunomon.atlas_widget(cells, "CD33")


def test_without_jupyter_scatter_it_says_what_else_there_is(cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "jscatter", None)
    with pytest.raises(ImmunomonError, match=r'explore_atlas needs nothing, or: pip install "immunomon\[notebooks\]"'):
        immunomon.atlas_widget(cells)


def test_gates_that_cannot_be_had_are_said_to_be_missing(run_folder, tmp_path):
    opened = open_run(copied_run(run_folder, tmp_path / "trial"))
    file = opened.fcs_file(opened.atlas("treg")["sample_id"].iloc[0])
    file.unlink()
    page = explore_atlas(opened, "treg")
    assert file.name in page.gates_missing
    assert "Gates are not shown" in page.html()


def test_more_cells_than_wanted_are_chosen_always_alike(cells):
    assert explore_cells(cells, most=100).html() == explore_cells(cells, most=100).html()
    assert known_to(explore_cells(cells, most=100))["cells"] == 100
