"""The review desk in a real browser: how long a reviewer waits. `python benchmarks/review.py RUN --json FILE`.

RUN is a finished run in its study; a copy of it is reviewed. Chromium of the system is driven by Playwright.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from immunomon.outputs.review import Desk, committing, open_desk
from immunomon.outputs.review.server import served

# In the page: from the key or the mouse to the frame in which what it asked for stands there.
WATCH = """() => {
  window.waits = []; window.asked = null;
  const ask = (event) => { window.asked = event.timeStamp; };
  document.addEventListener("keydown", ask, true);
  document.addEventListener("pointermove", (event) => { if (event.buttons) ask(event); }, true);
  new MutationObserver(() => {
    if (window.asked === null || !document.querySelector("#moved table")) return;
    const asked = window.asked; window.asked = null;
    requestAnimationFrame(() => window.waits.push(performance.now() - asked));
  }).observe(document.querySelector("#main"), { childList: true, subtree: true });
}"""


def milliseconds(waits: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    ordered = sorted(waits)
    return {"median": round(statistics.median(ordered), 1), "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1)}


class Clock:
    """Seconds on the wall, and of processor time of the desk (all threads of this process)."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        """Seconds since it was made."""
        return round(time.perf_counter() - self._start[0], 3)

    @property
    def processor(self) -> float:
        """Processor seconds since it was made."""
        return round(time.process_time() - self._start[1], 3)


def waits_of(page: Page, count: int) -> list[float]:
    """Return the last so many waits of the page, in milliseconds, once they are there."""
    while page.evaluate("window.waits.length") < count:  # the page's policy lets no condition be evaluated there
        page.wait_for_timeout(5)
    waits: list[float] = page.evaluate("window.waits.splice(0)")
    return waits


def opened(page: Page, samples: int) -> list[float]:
    """Open one sample after the other; return how long each took to stand there with its plots, in milliseconds."""
    waits = []
    for _ in range(samples):
        page.keyboard.press("j")
        waits += waits_of(page, 1)
    return waits


def dragged(page: Page, steps: int) -> list[float]:
    """Drag a border; return how long each step took from the mouse to a number on the page, in milliseconds."""
    box = page.locator(".big .hand").first.bounding_box()
    assert box is not None, "the gate has no border to drag"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 1, y)
    waits_of(page, 1)  # the first step reads the file; it is not what a drag feels like
    waits = []
    for step in range(steps):
        page.mouse.move(x + 4 + 3 * step, y)
        waits += waits_of(page, 1)
    page.mouse.up()
    page.wait_for_selector("#pending:not([hidden])")
    return waits


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


def ten_gates(desk: Desk, population: str) -> dict[str, float]:
    """Move a gate in ten samples and commit; return how long that took, the run in it apart."""
    [first] = {draft["sample"] for draft in desk.pending()}
    others = [entry["sample_id"] for entry in desk.gallery(panel_of(desk, first), population, plots=False)][:10]
    gate = next(draft["gate"] for draft in desk.sample(first)["drafts"] if draft["population"] == population)
    desk.draft(first, population, gate, [name for name in others if name != first][:9])
    run_study = committing.run_study

    def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - what the run returns
        clock = Clock()
        summary = run_study(*arguments, **options)
        figures.update(commit_run_seconds=clock.wall, commit_run_processor_seconds=clock.processor)
        return summary

    figures: dict[str, float] = {}
    committing.run_study = timed
    try:
        clock = Clock()
        desk.commit("benchmark")
        figures |= {"commit_seconds": clock.wall, "commit_processor_seconds": clock.processor}
    finally:
        committing.run_study = run_study
    return figures


def panel_of(desk: Desk, sample: str) -> str:
    """Return the panel of a sample."""
    samples = desk.run.table("samples")
    return str(samples.loc[samples["sample_id"] == sample, "panel"].iloc[0])


def galleries(page: Page, address: str, population: str) -> dict[str, float]:
    """Open the desk, then the gallery of another gate; return how long each took to stand there with its pictures."""
    clock = Clock()
    page.goto(address)
    page.wait_for_selector(".gallery .card canvas[data-drawn]")
    first = clock.wall, clock.processor
    page.evaluate(WATCH)
    clock = Clock()
    page.locator("#choices select").nth(1).select_option(population)
    page.wait_for_selector(f'.gallery[data-population="{population}"] .card canvas[data-drawn]')
    figures = {"first_gallery_seconds": first[0], "first_gallery_processor_seconds": first[1]}
    return {**figures, "gallery_seconds": clock.wall, "gallery_processor_seconds": clock.processor}


def measured(run: Path, population: str) -> dict[str, Any]:
    """Return the figures of one run: waiting for the gallery, for a sample, for a number, for a commit."""
    load = os.getloadavg()[0]
    desk = open_desk(run, reviewer="benchmark")
    with served(desk) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(600_000)
        gallery = galleries(page, address, population)
        cards = page.locator(".gallery .card").count()
        page.locator(".gallery .card").first.click()
        page.wait_for_selector("#moved table", state="attached")
        page.evaluate("window.waits.splice(0)")
        opening = opened(page, min(20, cards - 1))
        desk.previewed()  # a reviewer looks for longer than that before they move a gate
        steps = dragged(page, 25)
        commit = ten_gates(desk, population)
        page.reload()
        page.wait_for_selector(".gallery .card")
        clock = Clock()
        seconds, done = reviewed(page)
        processor = clock.processor
        browser.close()
    desk.close()
    return {
        "samples": len(desk.run.gated),
        "cards": cards,
        "events": int(desk.run.table("samples")["events"].median()),
        **gallery,
        "open_ms": milliseconds(opening),
        "drag_to_number_ms": milliseconds(steps),
        **commit,
        "script_250_seconds": round(seconds * 250 / done, 1),
        "script_250_processor_seconds": round(processor * 250 / done, 1),
        "script_samples": done,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "processors": os.cpu_count(),
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
