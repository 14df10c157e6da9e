"""Draw the pictures of docs/review.md: `python docs/pictures/draw_review.py RUN`, of a finished run of the demo.

Chromium of the system is driven by Playwright.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from immunomon.outputs.review import Desk, open_desk
from immunomon.outputs.review.server import served

HERE = Path(__file__).parent


def saved(page: Page, name: str) -> None:
    """Write what the page shows with 128 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128).save(HERE / f"{name}.png", optimize=True)


def draft_and_look(page: Page) -> None:
    """Move the gate that is open a little, and ask what that would change."""
    frame = page.locator(".big svg .frame").bounding_box()
    assert frame is not None, "the gate has no plot"
    x, y = frame["x"] + 0.3 * frame["width"], frame["y"] + 0.2 * frame["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 12, y + 8, steps=4)
    page.wait_for_selector("#moved th:has-text('may be reported')")
    saved(page, "review-move")
    page.mouse.up()
    page.wait_for_selector("#pending:not([hidden])")
    page.keyboard.press("c")
    page.click("dialog summary")
    page.wait_for_selector("dialog details .facts:has-text('move')")


def main() -> None:
    """Open a desk at Treg on a copy: the gallery, the sample that needs a person most, a move, and a commit."""
    run = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(shutil.copytree(run.parent, Path(folder) / run.parent.name))
        draw(open_desk(study / run.name, reviewer="A. Nurse"))


def draw(desk: Desk) -> None:
    """Draw the pictures of one desk."""
    with served(desk) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.set_default_timeout(600_000)
        page.goto(address)
        page.wait_for_selector(".gallery .card")
        page.locator("#choices select").nth(1).select_option("treg")
        page.wait_for_selector('.gallery[data-population="treg"] .card')
        saved(page, "review-gallery")
        page.keyboard.press("Enter")
        page.wait_for_selector(".big svg")
        page.locator(".views select").select_option("treg_memory")
        page.wait_for_selector("#seen:has-text('Orange')")
        page.locator(".views button", has_text="FMO").click()
        page.wait_for_selector("#seen:has-text('FMO tube')")
        saved(page, "review-sample")
        draft_and_look(page)
        saved(page, "review-commit")
        browser.close()
    desk.close()


if __name__ == "__main__":
    main()
