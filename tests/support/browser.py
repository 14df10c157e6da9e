"""A headless Chromium for pages: one for a module, with everything that its console complains of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# What a reader sees of the text of a page: the smallest rendered height, and what is wider than the window.
SMALLEST = """() => {
  let least = [Infinity, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.getClientRects().length || element.closest("script, style, noscript")) continue;
    let size = parseFloat(getComputedStyle(element).fontSize);
    if (element.ownerSVGElement) {
      const { b, d } = element.getScreenCTM();
      size *= Math.hypot(b, d);
    }
    if (size < least[0]) least = [size, node.data];
  }
  return least;
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def opened_browser() -> Iterator[object]:
    """Start Chromium, or skip the tests where there is none."""
    named = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    browser_path = next(filter(None, named), None)
    if browser_path is None:
        pytest.skip("no chromium on PATH: the page's scripts are not tried")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser
        browser.close()


def watched_page(browser, *, width=1400, dark=False):
    """Return an empty page, with the list that the faults of what it opens come into."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    return page, faults


def opened_page(browser, path, *, state="", width=1400, dark=False):
    """Open a file of a page; return it, once its scripts ran, with the list that its faults come into.

    state: what it opens at, such as ``#tab=samples``.
    """
    page, faults = watched_page(browser, width=width, dark=dark)
    page.goto(path.as_uri() + state)
    page.wait_for_selector('html[data-ready="yes"]')
    return page, faults
