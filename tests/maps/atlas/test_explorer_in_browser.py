"""The atlas' page in Chromium, by both painters: what it shows and says is what the table holds."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.browser import opened_browser, watched_page

import immunomon.maps.atlas.explorer as explorer_module
from immunomon.maps.atlas.describe import describe_region
from immunomon.maps.atlas.explorer import explore_cells

LABELS, VISITS = ["Other", "Treg", "NK"], ["D-1", "W4"]
PIXEL = """([x, y]) => {
  const canvas = document.querySelector("#all canvas"), box = canvas.getBoundingClientRect();
  const at = [(x - box.left) / box.width * canvas.width, (y - box.top) / box.height * canvas.height].map(Math.floor);
  const [red, green, blue, alpha] = canvas.getContext("2d").getImageData(...at, 1, 1).data;
  return alpha < 255 ? "" : "#" + [red, green, blue].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}"""


@pytest.fixture(scope="module")
def cells():
    """Cells on a grid, so that each has pixels of its own; one of them is in no metacluster."""
    rng, n = np.random.default_rng(2), 225
    places = np.array([(k % 15, k // 15) for k in range(n)], dtype=np.float32)
    table = pd.DataFrame({"sample_id": rng.choice(["a", "b"], n), "event": np.arange(n)})
    table["label"], table["visit"] = rng.choice(LABELS, n), rng.choice(VISITS, n)
    table["subject"] = rng.choice(["S1", "S2"], n)
    table["dose_group"] = table["subject"].map({"S1": "A", "S2": "B"})
    table["metacluster"] = [None, *rng.choice(["mc01", "mc02"], n - 1)]
    table["weight"] = rng.integers(1, 5, n).astype(float)
    markers = {name: rng.normal(size=n).astype(np.float32) for name in ("CD3", "CD25")}
    return table.assign(umap1=places[:, 0], umap2=places[:, 1], **markers)


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


@pytest.fixture(scope="module", params=["card", "processor"])
def page(request, browser, cells, tmp_path_factory):
    if request.param == "card" and not (Path(explorer_module.__file__).parent / "assets/scatterplot.js").is_file():
        pytest.skip("regl-scatterplot was not packed: run python hatch_build.py where there is npm")
    explorer = explore_cells(cells, orders={"label": LABELS, "visit": VISITS}, title="<b>An atlas</b>")
    file = explorer.save(tmp_path_factory.mktemp("page") / "atlas.html")
    opened, faults = watched_page(browser)
    opened.goto(f"{file.as_uri()}#draw={request.param}")
    opened.wait_for_selector('html[data-ready="yes"]')
    assert opened.evaluate("atlasPage.answer().painter") == {"card": "graphics card"}.get(request.param, request.param)
    yield opened
    known = ("GPU stall", "willReadFrequently")  # a driver without a card; the pixels that these tests read
    assert not [fault for fault in faults if not any(word in fault for word in known)]
    opened.close()


@pytest.fixture(autouse=True)
def afresh(page):
    page.click("#clear")
    if page.is_visible("#every"):
        page.click("#every")
    page.evaluate("atlasPage.recolour('label')")


def place_of(page, x, y):
    """Return where a place of the plane is in the window."""
    box, view = page.locator("#all").bounding_box(), page.evaluate("atlasPage.answer().view")
    across, down = (x - view["x0"]) / (view["x1"] - view["x0"]), (view["y1"] - y) / (view["y1"] - view["y0"])
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def shown_colours(page, cells):
    return [page.evaluate(PIXEL, place_of(page, x, y)) for x, y in cells[["umap1", "umap2"]].to_numpy().tolist()]


def draw_around(page, corners):
    way = [place_of(page, x, y) for x, y in corners]
    page.mouse.move(*way[0])
    page.mouse.down()
    for start, end in zip(way, [*way[1:], way[0]], strict=True):
        page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        page.mouse.move(*end)
    page.mouse.up()
    page.wait_for_function("atlasPage.answer().selected > 0 && atlasPage.idle()")


def legend(page):
    lines = page.inner_text("#legend").split("\n")
    return dict(zip(lines[::2], (int(count.replace(",", "")) for count in lines[1::2]), strict=True))


def test_every_cell_has_its_colour_and_the_legend_its_count(page, cells):
    palette = page.evaluate(
        "Object.fromEntries(META.shown.label.words.map((w, k) => [w, META.shown.label.palette[k]]))"
    )
    sample = cells.iloc[::11]
    assert shown_colours(page, sample) == [palette[label] for label in sample["label"]]
    assert legend(page) == cells["label"].value_counts().reindex(LABELS).to_dict()
    page.select_option("#colour", "CD25")
    page.evaluate("atlasPage.recolour('CD25')")
    low, high = np.percentile(cells["CD25"], [1, 99])
    places = np.clip(np.rint((sample["CD25"] - low) / (high - low) * 255), 0, 255).astype(int)
    viridis = page.evaluate("META.shown.CD25.palette")
    shown = shown_colours(page, sample)
    assert [colour in viridis[max(0, k - 1) : k + 2] for colour, k in zip(shown, places, strict=True)] == [True] * len(
        sample
    )


def test_a_cell_in_no_word_is_grey_and_counted_as_such(page, cells):
    page.evaluate("atlasPage.recolour('metacluster')")
    assert legend(page) == {**cells["metacluster"].value_counts().sort_index().to_dict(), "in none": 1}
    assert shown_colours(page, cells.iloc[:1]) == ["#d0d0d0"]


def test_a_region_that_is_drawn_is_the_one_that_python_describes(page, cells):
    draw_around(page, [(2.4, 1.5), (9.6, 2.5), (6.4, 11.5)])
    corners = ast.literal_eval(page.input_value("#region").partition("atlas, ")[2][:-1])
    here = describe_region(cells, corners)
    assert page.evaluate("atlasPage.answer().selected") == here.cells > 20
    text = re.sub(r"\s+", " ", page.inner_text("#found"))
    assert text.startswith(f"{here.cells} cells in the region")
    for row in here.phenotype.itertuples():
        assert f"{row.marker} {row.median:.2f} {row.median_of_rest:.2f}" in text
    for row in here.populations.itertuples():
        assert f"{row.population} {row.cells} " in text


def test_a_word_that_is_taken_out_is_neither_drawn_nor_selected_nor_compared(page, cells):
    page.click("#legend button:has-text('Other')")
    page.wait_for_function("atlasPage.answer().shown < META.cells")
    kept = cells[cells["label"] != "Other"]
    assert f"{len(kept)} of {len(cells)} cells shown; taken out by population" in page.inner_text("#filters")
    assert shown_colours(page, cells[cells["label"] == "Other"].iloc[:6]) == [""] * 6
    draw_around(page, [(2.4, 1.5), (9.6, 2.5), (6.4, 11.5)])
    text = page.input_value("#region")
    assert text.startswith('immunomon.describe_region(atlas[~atlas["label"].isin(["Other"])], [')
    here = describe_region(kept, ast.literal_eval(text.partition("], ")[2][:-1]))
    assert page.evaluate("atlasPage.answer().selected") == here.cells
    first = here.phenotype.iloc[0]
    found = re.sub(r"\s+", " ", page.inner_text("#found"))
    assert f"{first['marker']} {first['median']:.2f} {first['median_of_rest']:.2f}" in found


def test_a_click_names_the_cell_and_all_plots_move_together(page, cells):
    page.evaluate("atlasPage.setView({x0: 2, x1: 8, y0: 4, y1: 10})")
    cell = cells[(cells["umap1"] == 5) & (cells["umap2"] == 6)].iloc[0]
    page.mouse.click(*place_of(page, 5, 6))
    page.wait_for_selector("#found:has-text('event')")
    assert page.evaluate("atlasPage.answer().marked") >= 0
    text = re.sub(r"\s+", " ", page.inner_text("#found"))
    assert f"sample {cell['sample_id']} subject {cell['subject']} visit {cell['visit']}" in text
    assert f"event {cell['event']}" in text
    assert page.evaluate("plots.every((plot) => plot.drawn.x0 === 2 && plot.drawn.y1 === 10)")
    titles = [f"{visit}, {count} cells" for visit, count in cells["visit"].value_counts().reindex(VISITS).items()]
    assert page.eval_on_selector_all("[data-visit]", "all => all.map((p) => p.parentElement.innerText)") == titles
    assert page.inner_text("h1") == "<b>An atlas</b>"
    page.mouse.click(*place_of(page, 5.5, 6.5))  # between the cells: lets go of it
    page.wait_for_function("atlasPage.answer().marked === -1")
    assert not page.is_visible("#mark")
