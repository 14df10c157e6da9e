"""Draw the report's first screen for README.md: python docs/pictures/draw_report.py RUN, on a run with its report."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Open the page in Chromium and keep what the first screen shows."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the run folder")
    page_file = parser.parse_args().run.resolve() / "report.html"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 720})
        page.goto(page_file.as_uri())
        page.wait_for_selector(".endpoints, main")
        page.screenshot(path=HERE / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
