"""Draw the pictures of docs/review.md: `python docs/pictures/draw_review.py RUN`, of a finished run of the demo.

Chromium of the system is driven by Playwright.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from immunomon.outputs.review import open_desk
from immunomon.outputs.review.server import served

HERE = Path(__file__).parent


def saved(page: Page, name: str) -> None:
    """Write what the page shows with 128 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128).save(HERE / f"{name}.png", optimize=True)


def main() -> None:
    """Open the desk at Treg, draw the gallery and the sample that needs a person most."""
    desk = open_desk(Path(sys.argv[1]), reviewer="A. Nurse")
    with served(desk) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.goto(address)
        page.wait_for_selector(".gallery .card")
        page.locator("#choices select").nth(1).select_option("treg")
        page.wait_for_selector('.gallery[data-population="treg"] .card')
        saved(page, "review-gallery")
        page.keyboard.press("Enter")
        page.wait_for_selector(".big svg")
        saved(page, "review-sample")
        browser.close()
    desk.close()


if __name__ == "__main__":
    main()
