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

from immunomon.outputs.review import Desk, open_desk
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


def reviewed(page: Page, most: int = 250) -> tuple[float, int]:
    """Go through the panels by keys as a technician does; return the seconds, and how many samples were approved.

    Every sample is opened and approved, and a border of every twentieth is moved and taken back.
    """
    panels = page.locator("#choices select").first.locator("option").all_inner_texts()
    start, done = time.perf_counter(), 0
    for panel in panels:
        page.keyboard.press("Escape")
        page.wait_for_selector(".gallery .card")
        page.evaluate("document.querySelector('.gallery').remove()")
        page.locator("#choices select").first.select_option(panel)
        page.wait_for_selector(".gallery .card")
        cards = page.locator(".gallery .card").count()
        page.locator(".gallery .card").first.click()
        for _ in range(min(cards, most - done)):
            page.wait_for_selector("#moved table", state="attached")
            if done % 20 == 0 and page.locator(".big .hand:not(.whole)").count():
                page.locator(".big .hand:not(.whole)").first.press("ArrowRight")
                page.locator(".big .hand:not(.whole)").first.press("Enter")
                page.wait_for_selector("#pending:not([hidden])")
                page.locator("main").press("z")
                page.wait_for_selector("#message:has-text('Taken back')")
            page.evaluate("document.querySelector('#moved')?.remove()")
            page.locator("main").press("a")
            done += 1
        page.wait_for_selector("#moved table", state="attached")
    return time.perf_counter() - start, done


def ten_gates(desk: Desk, population: str) -> float:
    """Move a gate in ten samples and commit; return how long the commit took, the regating in it."""
    [first] = {draft["sample"] for draft in desk.pending()}
    others = [entry["sample_id"] for entry in desk.gallery(panel_of(desk, first), population)][:10]
    gate = next(draft["gate"] for draft in desk.sample(first)["drafts"] if draft["population"] == population)
    desk.draft(first, population, gate, [name for name in others if name != first][:9])
    start = time.perf_counter()
    desk.commit("benchmark")
    return time.perf_counter() - start


def panel_of(desk: Desk, sample: str) -> str:
    """Return the panel of a sample."""
    samples = desk.run.table("samples")
    return str(samples.loc[samples["sample_id"] == sample, "panel"].iloc[0])


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
        commit = ten_gates(desk, population)
        page.reload()
        page.wait_for_selector(".gallery .card")
        seconds, done = reviewed(page)
        browser.close()
    desk.close()
    return {
        "samples": cards,
        "events": int(desk.run.table("samples")["events"].median()),
        "gallery_seconds": round(gallery, 2),
        "open_ms": milliseconds(opening),
        "drag_to_number_ms": milliseconds(steps),
        "commit_seconds": round(commit, 1),
        "script_250_seconds": round(seconds * 250 / done, 1),
        "script_samples": done,
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
