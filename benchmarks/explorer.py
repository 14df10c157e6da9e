"""An atlas' page in a real browser: how long it takes to draw, recolour, pan and brush, and whether it tells the truth.

    immunomon embed demo/run
    python benchmarks/explorer.py demo/run [--cells 100000] [--browser chromium] [--json FILE] [--picture FILE.png]

The atlas' cells are repeated with a little noise until there are as many. Chromium runs without a window and, as
a rule, without a graphics card. The mouse is moved as a person would move it; what the page says of the region is
compared with describe_region on the corners that the page shows.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

import immunomon
from immunomon.maps.atlas.explorer import explore_cells

# Two frames after the last change everything that it caused has been drawn.
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
MODEL = "Bokeh.documents[0].get_model_by_name('%s')"

PAN = f"""(async () => {{
  const range = Bokeh.documents[0].roots()[0].children[0].children[0].x_range, begin = performance.now();
  for (let k = 0; k < 20; k++) {{
    range.setv({{start: range.start + 0.05, end: range.end + 0.05}});
    await {DRAWN};
  }}
  return (performance.now() - begin) / 20;
}})()"""


def cells_of(run: Path, wanted: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the atlas' cells, repeated with a little noise until there are as many."""
    opened = immunomon.open_run(run)
    atlas, rng = opened.atlas(), np.random.default_rng(0)
    if len(atlas) < wanted:
        atlas = atlas.iloc[rng.integers(0, len(atlas), wanted)].reset_index(drop=True)
        atlas[["umap1", "umap2"]] += rng.normal(0, 0.15, (wanted, 2)).astype(np.float32)
    groups = [group["name"] for group in opened.study["dose_groups"]]
    return atlas, {"visit": opened.visits, "label": opened.atlas_record()["labels"], "dose_group": groups}


class Browser:
    """A page in Chromium, driven by its DevTools protocol."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket, self.number = socket, 0

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method and return its result; raises RuntimeError with what the browser says."""
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    async def run(self, code: str) -> Any:  # noqa: ANN401 - whatever the page gives
        """Return what JavaScript gives, once it has it."""
        found = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    async def mouse(self, kind: str, place: tuple[float, float], held: bool = False) -> None:
        """Move, press or release."""
        await self.call(
            "Input.dispatchMouseEvent", type=f"mouse{kind}", x=place[0], y=place[1], button="left" if held else "none",
            buttons=1 if held else 0, clickCount=1,
        )  # fmt: skip

    async def drag(self, way: Sequence[tuple[float, float]]) -> float:
        """Drag along a way; return the milliseconds from the first movement until all is drawn."""
        begin = await self.run(DRAWN)
        # Moved at once: a button that is held without moving is another gesture.
        await self.mouse("Pressed", way[0], held=True)
        for place in way[1:]:
            await self.mouse("Moved", place, held=True)
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", x=way[-1][0], y=way[-1][1], button="left")
        return float(await self.run(DRAWN)) - float(begin)


async def measure(browser: Browser, page: Path) -> dict[str, Any]:
    """Open the page, use it, and return what it took and what it said."""
    await browser.call("Page.enable")
    begin = time.perf_counter()
    await browser.call("Page.navigate", url=page.resolve().as_uri())
    ready = "typeof Bokeh !== 'undefined' && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle"
    while not await browser.run(f"({ready}) === true && {MODEL % 'legend'}.text !== ''"):
        await asyncio.sleep(0.05)
    await browser.run(DRAWN)
    out: dict[str, Any] = {"open_ms": 1000 * (time.perf_counter() - begin)}
    for colour in ("CD3", "visit"):
        out[f"recolour_{colour}_ms"] = await browser.run(
            f"(async () => {{ const a = performance.now(); {MODEL % 'colour'}.value = '{colour}'; "
            f"return await {DRAWN} - a; }})()"
        )
    out["legend"] = await browser.run(f"{MODEL % 'legend'}.text.replace(/<[^>]*>/g, ' ')")
    out["compare_ms"] = await browser.run(
        f"(async () => {{ const a = performance.now(); {MODEL % 'after'}.value = 'W4'; return await {DRAWN} - a; }})()"
    )
    out["compared"] = await browser.run(f"{MODEL % 'compared'}.text")
    ring = [(410 + 75 * np.cos(t), 245 + 90 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 30)]
    out["brush_ms"] = await browser.drag(ring)
    out["region"] = await browser.run(f"{MODEL % 'region'}.value")
    out["found"] = await browser.run(f"{MODEL % 'found'}.text.replace(/<[^>]*>/g, ' ')")
    out["pan_step_ms"] = await browser.run(PAN)
    return out


async def opened(command: str, page: Path, picture: Path | None) -> dict[str, Any]:
    """Start the browser, measure, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [
            command, "--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--remote-debugging-port=0",
            "--window-size=1120,1300", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            port = next(
                found[1] for line in process.stderr or () if (found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line))
            )
            body = (await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")).body
            target = next(one for one in json.loads(body) if one["type"] == "page")
            browser = Browser(await websocket_connect(target["webSocketDebuggerUrl"], max_message_size=1 << 28))
            out = await measure(browser, page)
            if picture:
                shot = await browser.call("Page.captureScreenshot", format="png")
                picture.write_bytes(base64.b64decode(shot["data"]))
            return out
        finally:
            process.terminate()
            process.wait(timeout=20)


def agrees(atlas: pd.DataFrame, out: dict[str, Any]) -> bool:
    """Say whether the page says of the region what Python says of the same corners."""
    if not out["region"]:
        print("  the page took no notice of the lasso; on a busy machine, try again")
        return False
    found = immunomon.describe_region(atlas, json.loads(out["region"].replace("(", "[").replace(")", "]")))
    said = int(re.search(r"([\d,]+) cells", out["found"])[1].replace(",", ""))  # type: ignore[index]
    first = found.phenotype.iloc[0]
    shown = f"{first['marker']}  {first['median']:.2f}  {first['median_of_rest']:.2f}"
    print(f"  page {said:,} cells, Python {found.cells:,}; {shown}")
    return said == found.cells and re.sub(r"\s+", " ", shown) in re.sub(r"\s+", " ", out["found"])


def main() -> int:
    """Measure and print; exit status 1 if the page does not say what Python says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    atlas, orders = cells_of(given.run, given.cells)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        explorer = explore_cells(atlas, orders=orders)
        page = explorer.save(Path(folder) / "atlas.html")
        made = {
            "cells": explorer.cells,
            "make_seconds": time.perf_counter() - begin,
            "page_mb": page.stat().st_size / 1e6,
        }
        out = made | asyncio.run(opened(given.browser, page, given.picture))
    for name, value in out.items():
        print(f"  {name}: {value:,.1f}" if isinstance(value, float) else f"  {name}: {str(value)[:160]}")
    out["agrees"] = agrees(atlas, out)
    if given.json:
        given.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    return 0 if out["agrees"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
