"""The review desk in a real browser: how long a reviewer waits. `python benchmarks/review.py RUN --json FILE`.

RUN is a finished run in its study; a copy of it is reviewed. Chromium of the system is driven by Playwright.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from immunomon.outputs.review import open_desk
from immunomon.outputs.review.server import served


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    ordered = sorted(1000 * value for value in seconds)
    return {"median": round(statistics.median(ordered), 1), "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1)}


def opened(page: Page, samples: int) -> list[float]:
    """Open one sample after the other; return how long each took to stand there with its plots."""
    seconds = []
    for _ in range(samples):
        page.evaluate("document.querySelector('#moved')?.remove()")
        start = time.perf_counter()
        page.keyboard.press("j")
        page.wait_for_selector("#moved table", state="attached")
        seconds.append(time.perf_counter() - start)
    return seconds


def dragged(page: Page, steps: int) -> list[float]:
    """Drag a border; return how long each step took from the mouse to a number on the page."""
    box = page.locator(".big .hand").first.bounding_box()
    assert box is not None, "the gate has no border to drag"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 1, y)
    page.wait_for_timeout(5000)  # the first step reads the file; it is not what a drag feels like
    seconds = []
    for step in range(steps):
        page.evaluate("document.querySelector('#moved').replaceChildren()")
        start = time.perf_counter()
        page.mouse.move(x + 4 + 3 * step, y)
        page.wait_for_selector("#moved table", state="attached")
        seconds.append(time.perf_counter() - start)
    page.mouse.up()
    page.wait_for_selector("#pending:not([hidden])")
    return seconds


def measured(run: Path, population: str) -> dict[str, Any]:
    """Return the figures of one run: waiting for the gallery, for a sample, for a number, for a commit."""
    desk = open_desk(run, reviewer="benchmark")
    with served(desk) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(300_000)
        page.goto(address)
        page.wait_for_selector(".gallery .card")
        start = time.perf_counter()
        page.locator("#choices select").nth(1).select_option(population)
        page.wait_for_selector(f'.gallery[data-population="{population}"] .card')
        gallery = time.perf_counter() - start
        cards = page.locator(".gallery .card").count()
        page.locator(".gallery .card").first.click()
        page.wait_for_selector("#moved table", state="attached")
        opening = opened(page, min(20, cards - 1))
        steps = dragged(page, 25)
        start = time.perf_counter()
        desk.commit("benchmark")
        commit = time.perf_counter() - start
        browser.close()
    desk.close()
    return {
        "samples": cards,
        "events": int(desk.run.table("samples")["events"].median()),
        "gallery_seconds": round(gallery, 2),
        "open_ms": milliseconds(opening),
        "drag_to_number_ms": milliseconds(steps),
        "commit_seconds": round(commit, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run in its study")
    parser.add_argument("--population", default="cd4", help="whose border is dragged")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(shutil.copytree(arguments.run.resolve().parent, Path(folder) / "study"))
        figures = measured(study / arguments.run.name, arguments.population)
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
