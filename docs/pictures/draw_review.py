"""Draw the pictures of docs/review.md: `python docs/pictures/draw_review.py RUN`, of a finished run of the demo.

Chromium of the system is driven by Playwright.
"""

from __future__ import annotations

import io
import shutil
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from immunomon.outputs.review import open_desk
from immunomon.outputs.review.server import desk_app

HERE = Path(__file__).parent
TOKEN = "a-token-of-one-run"


def saved(page: Page, name: str) -> None:
    """Write what the page shows with 128 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128).save(HERE / f"{name}.png", optimize=True)


def main() -> None:
    """Open the desk at Treg, draw the gallery and the sample that needs a person most."""
    desk = open_desk(Path(sys.argv[1]), reviewer="A. Nurse")
    with socket.create_server(("127.0.0.1", 0)) as listener, sync_playwright() as driver:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = desk_app(desk, token=TOKEN, origin=address)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.goto(f"{address}/?token={TOKEN}")
        page.wait_for_selector(".gallery .card")
        page.locator("#choices select").nth(1).select_option("treg")
        page.wait_for_selector('.gallery[data-population="treg"] .card')
        saved(page, "review-gallery")
        page.keyboard.press("Enter")
        page.wait_for_selector(".big svg")
        saved(page, "review-sample")
        browser.close()
        server.should_exit = True
        thread.join()
    desk.close()


if __name__ == "__main__":
    main()
