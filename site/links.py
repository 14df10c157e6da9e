"""What is wrong with a built site: links that lead nowhere, and what would be fetched from a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """What a page leads to, what it fetches to be shown, and its anchors."""

    _FETCHED: ClassVar = {
        "script": "src",
        "img": "src",
        "iframe": "src",
        "source": "src",
        "video": "src",
        "link": "href",
    }

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif (name := self._FETCHED.get(tag)) in values:
            self.fetched.add(values[name])


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with a built site: links that lead nowhere, and what would be fetched from a network.

    A fragment such as ``#tab=samples`` is no place: the report's script reads it.
    """
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in sorted(pages.items()):
        name = path.relative_to(site)
        for link in sorted(page.fetched):
            if urlsplit(link).netloc:
                yield f"{name}: fetches {link[:100]}"
        for link in sorted(page.links | page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not aim.exists():
                yield f"{name}: leads to {link}, which is not there"
            elif aim in pages and "=" not in parts.fragment and unquote(parts.fragment) not in pages[aim].anchors:
                yield f"{name}: leads to {link}, which has no such place"
    for style in site.rglob("*.css"):
        for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)}: fetches {address}"
