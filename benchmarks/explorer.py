"""An atlas' page in a real browser: how long it takes to draw, recolour, move and select; whether it tells the truth.

    immunomon embed demo/run
    python benchmarks/explorer.py demo/run [--cells 100000 1000000] [--json FILE] [--picture FILE.png]

The atlas' cells are repeated with a little noise until there are as many. Chromium runs without a window and, as a
rule, without a graphics card: WebGL is then worked out by the processor too. Each number of cells is drawn as the page
chooses by itself, and by regl-scatterplot. The mouse is moved as a person would move it; what the page says of the
region is compared with describe_region on the corners that the page shows.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

import immunomon
from immunomon.maps.atlas.explorer import explore_cells

# From the request until the picture stands: the pixels are read back, so that nothing is still being worked out.
RECOLOUR = """async (name) => {
  const begin = performance.now(); await atlasPage.recolour(name); atlasPage.settled();
  return performance.now() - begin;
}"""
# A step of a pan: the picture that is there is moved at once, then the large plot is drawn anew, then the small ones.
PAN = """async () => {
  const steps = [], all = [], {view} = atlasPage.answer(), step = 0.01 * (view.x1 - view.x0);
  for (let k = 0; k < 8; k++) {
    const begin = performance.now();
    const drawn = atlasPage.moveBy(k % 2 ? step : -step, 0);
    await atlasPage.mainDrawn();
    atlasPage.settled();
    steps.push(performance.now() - begin);
    await drawn;
    all.push(performance.now() - begin);
  }
  return [steps, all];
}"""


def cells_of(run: Path, wanted: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the atlas' cells, repeated with a little noise until there are as many."""
    opened = immunomon.open_run(run)
    atlas, rng = opened.atlas(), np.random.default_rng(0)
    if len(atlas) < wanted:
        atlas = atlas.iloc[rng.integers(0, len(atlas), wanted)].reset_index(drop=True)
        atlas[["umap1", "umap2"]] += rng.normal(0, 0.15, (wanted, 2)).astype(np.float32)
    groups = [group["name"] for group in opened.study["dose_groups"]]
    return atlas, {"visit": opened.visits, "label": opened.atlas_record()["labels"], "dose_group": groups}


def measure(page: Page, address: str, atlas: pd.DataFrame) -> dict[str, Any]:
    """Open the page, use it, and return what it took and what it said."""
    begin = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function("globalThis.atlasPage && atlasPage.pictured()", timeout=300_000)
    out: dict[str, Any] = {"first_picture_ms": 1000 * (time.perf_counter() - begin)}
    page.wait_for_selector('html[data-ready="yes"]', timeout=300_000)
    out["ready_ms"] = 1000 * (time.perf_counter() - begin)
    page.evaluate(RECOLOUR, "CD3")  # unpacked on first use, which is timed apart
    out["recolour_ms"] = statistics.median(page.evaluate(RECOLOUR, name) for name in ("visit", "CD3", "label"))
    steps, all_plots = page.evaluate(PAN)
    out |= {"pan_ms": statistics.median(steps), "pan_all_plots_ms": statistics.median(all_plots)}
    frame, view = page.locator("#all").bounding_box() or {}, page.evaluate("atlasPage.answer().view")
    common = atlas.loc[atlas["label"] == atlas["label"].mode()[0], ["umap1", "umap2"]]  # around some of its cells
    x, y = common.iloc[(common - common.median()).abs().sum(axis=1).argmin()]
    across, down = (x - view["x0"]) / (view["x1"] - view["x0"]), (view["y1"] - y) / (view["y1"] - view["y0"])
    ring = [(across + 0.05 * np.cos(turn), down + 0.06 * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 30)]
    way = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in ring]
    page.mouse.move(*way[0])
    page.mouse.down()
    for x, y in way[1:]:
        page.mouse.move(x, y)
    begin = time.perf_counter()
    page.mouse.up()
    page.wait_for_function("document.getElementById('region').value && atlasPage.idle()", timeout=60_000)
    out["select_ms"] = 1000 * (time.perf_counter() - begin)
    out |= {"region": page.input_value("#region"), "found": page.inner_text("#found")}
    return out | {name: page.evaluate("atlasPage.answer()")[name] for name in ("painter", "why")}


def agrees(atlas: pd.DataFrame, out: dict[str, Any]) -> bool:
    """Say whether the page says of the region what Python says of the same corners."""
    found = immunomon.describe_region(atlas, ast.literal_eval(out["region"].partition("atlas, ")[2][:-1]))
    said = int(re.search(r"([\d,]+) cells", out["found"])[1].replace(",", ""))  # type: ignore[index]
    first = found.phenotype.iloc[0]
    shown = f"{first['marker']} {first['median']:.2f} {first['median_of_rest']:.2f}"
    print(f"  page {said:,} cells, Python {found.cells:,}; {shown}")
    return said == found.cells and shown in re.sub(r"\s+", " ", out["found"])


def main() -> int:
    """Measure and print; exit status 1 if the page does not say what Python says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which(given.browser), args=["--no-sandbox"])
        for cells in given.cells:
            atlas, orders = cells_of(given.run, cells)
            begin = time.perf_counter()
            file = explore_cells(atlas, orders=orders).save(Path(folder) / "atlas.html")
            made = {"make_seconds": time.perf_counter() - begin, "page_mb": file.stat().st_size / 1e6}
            for asked in ("", "#draw=card"):
                page = browser.new_page(viewport={"width": 1200, "height": 1300})
                out = {"cells": cells, **made, **measure(page, file.resolve().as_uri() + asked, atlas)}
                if given.picture and not asked:
                    page.screenshot(path=given.picture)
                page.close()
                for name, value in out.items():
                    print(f"  {name}: {value:,.1f}" if isinstance(value, float) else f"  {name}: {str(value)[:100]}")
                results.append(out | {"agrees": agrees(atlas, out)})
        browser.close()
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0 if all(out["agrees"] for out in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
